/* What was written of decisions: for everyone who gets the same variant by the same rule an answer says the
 * same but for its id, its tokens and its holdouts. A worker writes that once, and copies it from then on. */
#ifndef COHORT_WEB_DECISION_MEMORY_H
#define COHORT_WEB_DECISION_MEMORY_H

#include <stdint.h>

#include "core/arena.h"
#include "web/decision_json.h"

#define DECISION_DIGEST 16

struct decision_memory;

struct decision_known {
    struct decision_shared shared;
    uint8_t digest[DECISION_DIGEST]; /* of the text and of the phase, on every node the same */
};

struct decision_memory *decision_memory_new(void); /* NULL when out of memory */
void decision_memory_free(struct decision_memory *m);

/* To be called before a plan goes. */
void decision_memory_forget(struct decision_memory *m);

/* What an answer says of the decision; made now when it is not known, in the request's arena when it is not
 * kept: where a model draws, hardly two decisions have the same probabilities. NULL when out of memory. Lives
 * until the arena is reset or the plan forgotten. */
const struct decision_known *decision_memory_get(struct decision_memory *m, struct arena *request,
                                                 const struct decision *d);

#endif
