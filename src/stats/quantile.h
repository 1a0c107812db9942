/* Anytime-valid intervals of a quantile, from counts in buckets: the beta-binomial confidence sequence of
 * Howard and Ramdas 2022, "Sequential estimation of quantiles with applications to A/B testing and best-arm
 * identification" (theorem 1b), on the number of units at or below each bucket's edge, inverted.
 *
 * If F(e) = p, the units below e are binomial, and with a prior of Beta(c p, c (1-p))
 *     M = B(c p + S, c (1-p) + n - S) / (B(c p, c (1-p)) p^S (1-p)^(n-S))
 * is a martingale of mean 1: it is the Dirichlet-multinomial E of srm.h with the shares p and 1 - p. M >= 1/α
 * with S/n below p at an edge says that the quantile is above the edge, with S/n above p that it is not. c =
 * n* / y with y of asympcs.h makes it tightest near n* units.
 *
 * One phase: at p itself, which holds for all edges at once, for only the true quantile's has to. Several
 * phases: the quantile of the phase-standardised distribution Σ (n_k/n) F_k; F_k at every edge is bounded at
 * level α/(K · number of edges), which holds whatever the weights become, and the bounds are added. */
#ifndef COHORT_STATS_QUANTILE_H
#define COHORT_STATS_QUANTILE_H

#include "stats/asympcs.h"
#include "stats/buckets.h"

struct quantile_rule {
    double p;             /* which quantile, in (0, 1): 0.5 is the median */
    double alpha, n_star; /* of an arm's or the difference's interval; units planned, both arms */
};

/* Values in millionths. answered = false: low and high infinite. An interval may be open (infinite) at an end
 * that no unit bounds yet and still be answered. */
struct quantile {
    bool answered;
    enum stat_missing missing;
    double n;
    double estimate;  /* of the phase-standardised distribution, geometrically within its bucket */
    double low, high; /* edges of buckets */
};

/* One arm. weights[k]: units of both arms in phase k; phases in which the arm has no unit are left out. */
struct quantile quantile_arm(const struct arm_sums *arm, const double *weights, size_t phases,
                             const struct quantile_rule *rule);

/* Treatment less control, each at α/2: [low_t - high_c, high_t - low_c]. Phases that miss an arm are left
 * out. */
struct quantile quantile_difference(const struct arm_sums *treatment, const struct arm_sums *control,
                                    size_t phases, const struct quantile_rule *rule);

/* ln M for S of n units, at p and concentration c; 0 when there is nothing to say. */
double quantile_log_e(int64_t below, int64_t n, double p, double c);

#endif
