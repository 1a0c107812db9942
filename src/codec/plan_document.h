/* The document that clients decide with by themselves: what a server knows of an environment, without what
 * only a server may know. */
#ifndef COHORT_CODEC_PLAN_DOCUMENT_H
#define COHORT_CODEC_PLAN_DOCUMENT_H

#include <jansson.h>

#include "core/plan.h"

/* The members of an environment's body but for its API keys, and with the key of sticky tokens instead of the
 * hash key it is made from (hash_key: 32 bytes). JSON text, to be freed; NULL: out of memory. */
char *plan_document_body(const json_t *body, const uint8_t *hash_key);

/* The whole document of format 1, of a plan that has such members: with its versions, and the stops it knows.
 * To be freed; NULL: out of memory, or there is none. */
char *plan_document_text(const struct plan *p, size_t *len);

#endif
