/* Stops that a node remembers, laid over plans it has just compiled. */
#ifndef COHORT_CORE_PLAN_STOPS_H
#define COHORT_CORE_PLAN_STOPS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan_set.h"

/* The experiment (or holdout) of that environment whose salt it is, SALT_BYTES long, counts as stopped by a
 * guardrail from now on. Known by the salt, which is made anew with each iteration, so that an experiment
 * that was restarted is not affected. True when the plan had not known it. To be called before anyone shares
 * the set. */
bool plan_set_stop(struct plan_set *s, const char *environment, const uint8_t *salt);

/* The same for one plan. */
bool plan_stop(struct plan *p, const uint8_t *salt);

/* The salt of the next experiment that counts as stopped by a guardrail, or NULL; *at begins at 0. */
const uint8_t *plan_next_stop(const struct plan *p, size_t *at);

#endif
