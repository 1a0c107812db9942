/* Definitions by REST: a thin skin over the SQL functions that people call in psql. */
#ifndef COHORT_WEB_API_DEFINITIONS_H
#define COHORT_WEB_API_DEFINITIONS_H

struct api_context;

void definitions_list(struct api_context *c);
void definitions_get(struct api_context *c);
void definitions_put(struct api_context *c);
void definitions_start(struct api_context *c);
void definitions_stop(struct api_context *c);
void definitions_archive(struct api_context *c);
void definitions_results(struct api_context *c);

#endif
