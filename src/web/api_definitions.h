/* Definitions by REST: a thin skin over the SQL functions that people call in psql. What a route does to
 * which thing is in the route table. */
#ifndef COHORT_WEB_API_DEFINITIONS_H
#define COHORT_WEB_API_DEFINITIONS_H

#include <jansson.h>

#include "base/call.h"

struct api_context;

void definitions_list(struct api_context *c);   /* ?limit=&after= */
void definitions_get(struct api_context *c);    /* ETag; If-None-Match */
void definitions_put(struct api_context *c);    /* If-Match, If-None-Match: * */
void definitions_patch(struct api_context *c);  /* a JSON merge patch; If-Match */
void definitions_delete(struct api_context *c); /* If-Match */
void definitions_create(struct api_context *c); /* a thing whose key the database makes */
/* The body becomes the member of the thing that ends the path: PUT /v1/experiments/{key}/variants. */
void definitions_put_part(struct api_context *c);
void definitions_get_part(struct api_context *c);

/* For others with a body of their own: the route's operation on the thing of the path, whose answer becomes
 * the request's. Headers are looked at for preconditions. */
void definitions_call(struct api_context *c, struct call_request *q);
/* The body as a JSON object; NULL after an answer was given. */
json_t *definitions_body(struct api_context *c);

#endif
