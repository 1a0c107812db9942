/* POST /v1/preview: what would this unit get, and why? Decided like any other, recorded nowhere. */
#ifndef COHORT_WEB_API_PREVIEW_H
#define COHORT_WEB_API_PREVIEW_H

struct api_context;

void preview_post(struct api_context *c);

#endif
