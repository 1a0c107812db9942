/* The description of this API, as it was built in. */
#ifndef COHORT_WEB_API_OPENAPI_H
#define COHORT_WEB_API_OPENAPI_H

struct api_context;

void openapi_get(struct api_context *c);

#endif
