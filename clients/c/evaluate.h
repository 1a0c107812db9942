/* One evaluation: by a request or here. Both fill the context's details. */
#ifndef COHORT_CLIENT_EVALUATE_H
#define COHORT_CLIENT_EVALUATE_H

#include "clients/c/client_private.h"
#include "clients/c/context.h"

/* The value as JSON text, valid like the details; NULL: the default is to be served, details say why. */
const char *evaluate_here(struct cohort_client *c, struct cohort_context *x, const char *flag);
const char *evaluate_there(struct cohort_client *c, struct cohort_context *x, const char *flag);

/* Details of an error; returns NULL. error: OpenFeature's code. */
const char *evaluate_fail(struct cohort_context *x, const char *error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Reports what was decided here, once an hour for each unit, experiment and variant. */
void report_decided(struct cohort_client *c, const struct cohort_context *x, const struct decision *d);

#endif
