/* Ratio of two sums per unit, such as revenue per order: R = ȳ / d̄, with y the numerator and d the
 * denominator of arm_sums. By the delta method Var(R) = (σ_y² - 2 R σ_yd + R² σ_d²) / (d̄² n),   divisors n -
 * 1, which needs a denominator far from 0; below d̄/SE = DELTA_NEEDS Fieller's interval takes its place. No
 * answer for d̄ = 0. */
#ifndef COHORT_STATS_RATIO_H
#define COHORT_STATS_RATIO_H

#include "stats/asympcs.h"

/* One unit's part of Var(R): n Var(R). 0 when it has none or no answer. */
double ratio_unit_variance(const struct arm_sums *a);

/* d̄ / SE(d̄), the size of it; INFINITY when d is the same for all. */
double ratio_strength(const struct arm_sums *a);

/* Both arms of one phase, by the delta method. */
struct contrast ratio_contrast(const struct arm_sums *treatment, const struct arm_sums *control);

/* The anytime-valid interval of the phase-standardised difference of ratios, Δ = Σ (n_k/n)(R_tk - R_ck). By
 * the delta method when every denominator is strong enough; else from Fieller's interval of each arm in each
 * of the K phases, at level α/(2K), added up: valid by the union bound, and wide. Phases without an answer
 * are left out. p and ln_e are of the delta method; with `fieller` p is 1 and ln_e 0 unless the interval
 * leaves out 0, where p is α. */
struct asympcs ratio_difference(const struct arm_sums *treatment, const struct arm_sums *control,
                                size_t phases, const struct asympcs_rule *rule);

/* The same for the lift relative to control, (R_t - R_c) / |R_c|. */
struct asympcs ratio_relative(const struct arm_sums *treatment, const struct arm_sums *control, size_t phases,
                              const struct asympcs_rule *rule);

#endif
