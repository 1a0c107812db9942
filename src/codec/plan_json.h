/* The plan document (cohort.plan_document() of the database, a snapshot's content) to a compiled plan. */
#ifndef COHORT_CODEC_PLAN_JSON_H
#define COHORT_CODEC_PLAN_JSON_H

#include "core/error.h"
#include "core/plan.h"

/* One reference is the caller's. A document that can't be read at all is ERR_DAMAGED; one bad experiment is
 * quarantined, not an error. */
int plan_from_json(const char *text, size_t len, struct plan **out, struct error *e);

#endif
