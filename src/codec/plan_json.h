/* Plan documents (of the database, or a snapshot's content) to compiled plans. Format 1 is one environment's
 * (cohort.plan_document()); format 2 holds every environment's (cohort.plan_documents()). */
#ifndef COHORT_CODEC_PLAN_JSON_H
#define COHORT_CODEC_PLAN_JSON_H

#include "core/error.h"
#include "core/plan.h"
#include "core/plan_set.h"

/* A document that a server handed out (plan_document.h) is read by plan_from_json; it has a token_key instead
 * of the hash_key, and a list of stops. */

/* One reference is the caller's. A document that can't be read at all is ERR_DAMAGED; one bad experiment is
 * quarantined, not an error. */
int plan_from_json(const char *text, size_t len, struct plan **out, struct error *e);

/* The same for a document of format 2; one of format 1 makes a set of one environment. Each plan keeps the
 * document that clients may be given of it. */
int plan_set_from_json(const char *text, size_t len, struct plan_set **out, struct error *e);

#endif
