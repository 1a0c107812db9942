/* Plan documents (of the database, or a snapshot's content) to compiled plans. Format 1 is one environment's
 * (cohort.plan_document()); format 2 holds every environment's (cohort.plan_documents()). */
#ifndef COHORT_CODEC_PLAN_JSON_H
#define COHORT_CODEC_PLAN_JSON_H

#include "core/error.h"
#include "core/plan.h"
#include "core/plan_set.h"

/* One reference is the caller's. A document that can't be read at all is ERR_DAMAGED; one bad experiment is
 * quarantined, not an error. */
int plan_from_json(const char *text, size_t len, struct plan **out, struct error *e);

/* The same for a document of format 2; one of format 1 makes a set of one environment. */
int plan_set_from_json(const char *text, size_t len, struct plan_set **out, struct error *e);

#endif
