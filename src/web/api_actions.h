/* What can be done to an experiment beside changing its document: POST /v1/experiments/{key}/ramp and so on.
 */
#ifndef COHORT_WEB_API_ACTIONS_H
#define COHORT_WEB_API_ACTIONS_H

struct api_context;

/* The route's operation with the fields its body may have; no body is an empty one. */
void actions_do(struct api_context *c);

#endif
