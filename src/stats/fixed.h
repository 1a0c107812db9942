/* Fixed-horizon numbers for reports: right for one look at a moment chosen beforehand, wrong for "stop when
 * it is significant". They are shown with that label and never stop anything. */
#ifndef COHORT_STATS_FIXED_H
#define COHORT_STATS_FIXED_H

#include <stdbool.h>
#include <stddef.h>

/* Sufficient statistics of one arm. For a proportion sum is the units that had the event, and sum_sq is not
 * read. Any unit of measure. */
struct arm_sums {
    double n, sum, sum_sq;
};

/* Treatment less control. */
struct fixed_result {
    bool answered;     /* false: too little data (an arm without the units the variance needs); all 0 */
    double difference; /* of proportions or means */
    double std_error;  /* unpooled */
    double statistic;  /* z or t: difference / std_error; 0 when both are 0 */
    double df;         /* Welch-Satterthwaite; INFINITY for a z test */
    double low, high;  /* interval of the difference at 1 - alpha */
    double p;          /* two-sided */
};

/* Two-sample z test of proportions, variance p(1-p) per arm, not pooled. Needs a unit in each arm. alpha
 * outside (0, 1) counts as 0.05. */
struct fixed_result z_test_props(const struct arm_sums *treatment, const struct arm_sums *control,
                                 double alpha);

/* The pooled z of two proportions (the classical test statistic of "both are equal"). 0 when it has no
 * answer: an arm without units, or nobody or everybody had the event. */
double z_pooled(const struct arm_sums *treatment, const struct arm_sums *control);

/* Welch's t test of two means, variances with divisor n - 1. Needs two units in each arm. */
struct fixed_result welch_t(const struct arm_sums *treatment, const struct arm_sums *control, double alpha);

/* Difference of means standardised over phases: Δ = Σ (n_k/n) Δ_k, V = Σ (n_k/n)² V_k, with n_k the units of
 * both arms in phase k. Phases that miss an arm are left out (and out of n): nothing is imputed. For
 * proportions give sum_sq = sum and variances of divisor n with `proportion`. */
struct fixed_result phase_standardised(const struct arm_sums *treatment, const struct arm_sums *control,
                                       size_t phases, bool proportion, double alpha);

#endif
