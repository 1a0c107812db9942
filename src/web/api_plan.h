/* GET /v1/plan-document: the definitions as clients that decide by themselves take them. */
#ifndef COHORT_WEB_API_PLAN_H
#define COHORT_WEB_API_PLAN_H

struct api_context;

void plan_document_get(struct api_context *c);

#endif
