/* A decision drawn again, from the plan and what the log has of it. Pure. */
#ifndef COHORT_CORE_PLAN_REPLAY_H
#define COHORT_CORE_PLAN_REPLAY_H

#include "core/decide.h"

/* What the log has: when, under which id, with which attributes (an object, or NULL). */
struct replay_of {
    struct unit unit;
    int64_t at_us;
    const uint8_t *decision_id; /* 16 bytes */
    const struct attr *attributes;
};

/* What is drawn; variant NULL: the unit takes no part. A dropped variant and a closed slot are drawn all the
 * same: what they were at the time is not known. reason: VARIANT, or why a model serves the safe variant. */
struct replayed {
    enum reason reason;
    const struct plan_phase *phase;
    const struct plan_variant *variant;
    int32_t propensity_ppm;
    const struct model *model; /* NULL: none decided */
    struct vector vector;      /* its probabilities */
};

/* The draw that the experiment makes at that time, whatever its status, targeting, layer and holdouts. Never
 * fails; an experiment that was refused draws nothing. */
void plan_replay(const struct plan_experiment *x, const struct replay_of *of, struct replayed *out);

#endif
