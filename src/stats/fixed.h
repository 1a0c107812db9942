/* Fixed-horizon numbers for reports: right for one look at a moment chosen beforehand, wrong for "stop when
 * it is significant". They are shown with that label and never stop anything. */
#ifndef COHORT_STATS_FIXED_H
#define COHORT_STATS_FIXED_H

#include "stats/sums.h"

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

/* z and its interval for a difference with the variance V of any method, such as that of across.h over
 * several phases. No answer unless both are finite and V >= 0. */
struct fixed_result fixed_normal(double difference, double variance, double alpha);

#endif
