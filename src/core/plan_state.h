/* What a plan would decide now, as a tag: whoever holds decisions asks again when it changes. */
#ifndef COHORT_CORE_PLAN_STATE_H
#define COHORT_CORE_PLAN_STATE_H

#include "core/plan.h"

#define PLAN_STATE_BYTES 8

/* Changes when the definitions or stops do, and when a time passes that they name: an experiment's or
 * holdout's start and end, an override's end, a time phase's beginning, guard_max_blind (blind_us as for
 * decide). Not when API keys change, nor when a single unit's epoch turns. The same on every server that
 * knows the same definitions. */
void plan_state(const struct plan *p, int64_t now_us, int64_t blind_us, uint8_t out[PLAN_STATE_BYTES]);

#endif
