/* Any of the methods over several phases, never pooled: each phase is answered by itself and they are added
 * with the weights n_k/n, n_k the units of both arms in phase k: value of an arm = Σ (n_k/n) value_k,   Δ = Σ
 * (n_k/n) Δ_k,   V = Σ (n_k/n)² V_k. Both arms get the same weights, so that a change of shares over time is
 * no difference between them (Simpson's paradox). Phases that miss an arm are left out and counted: nothing
 * is imputed. */
#ifndef COHORT_STATS_ACROSS_H
#define COHORT_STATS_ACROSS_H

#include "stats/asympcs.h"

enum across_kind { ACROSS_PROPORTION, ACROSS_MEAN, ACROSS_RATIO, ACROSS_CUPED };

struct across {
    struct contrast arms;  /* phase-standardised; contrast_difference() and contrast_relative() read it */
    size_t phases;         /* that were answered */
    size_t left_out;       /* that were not */
    double variance_ratio; /* CUPED: V over that without it, over the same phases; else 1 */
};

/* One phase by one method. Proportions need a unit in each arm, means two, ratios two, CUPED three. */
struct contrast across_one(enum across_kind kind, const struct arm_sums *treatment,
                           const struct arm_sums *control);

/* treatment[k] and control[k] of the same phase k. Without any answered phase: what the last one misses. */
struct across across_phases(enum across_kind kind, const struct arm_sums *treatment,
                            const struct arm_sums *control, size_t phases);

/* The interval of the difference and of the relative lift; ratios by ratio.h, Fieller where it is needed. */
struct asympcs across_difference(enum across_kind kind, const struct arm_sums *treatment,
                                 const struct arm_sums *control, size_t phases,
                                 const struct asympcs_rule *rule);
struct asympcs across_relative(enum across_kind kind, const struct arm_sums *treatment,
                               const struct arm_sums *control, size_t phases,
                               const struct asympcs_rule *rule);

#endif
