/* AsympCS: intervals of a difference that hold however often one looks, by mixing over the normal (Robbins
 * 1970; Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, "Time-uniform central limit theory", whose
 * two-sided and one-sided boundaries these are). For reports: it leans on the central limit theorem, so it
 * stands behind a gate (gate.h) and never stops a guardrail.
 *
 * With z = estimate / SE, n the units and x = n ρ²:
 *     H(z, x) = -½ ln(1 + x) + z² x / (2 (1 + x))                       (ln E of the two-sided test)
 *     two-sided half-width:  SE √( 2 (x+1)/x · ln(√(x+1) / α) )
 *     one-sided half-width:  SE √( 2 (x+1)/x · ln(1 + √(x+1) / (2α)) )
 *     ρ² = (-2 ln a + ln(1 - 2 ln a)) / n*,   a = α two-sided, 2α one-sided: tightest near n* units. */
#ifndef COHORT_STATS_ASYMPCS_H
#define COHORT_STATS_ASYMPCS_H

#include "stats/contrast.h"

enum asympcs_side {
    ASYMPCS_BOTH,
    ASYMPCS_GREATER, /* is the effect greater than 0: [low, INFINITY) */
    ASYMPCS_LESSER   /* is it less: (-INFINITY, high] */
};

/* Fixed before the first unit. */
struct asympcs_rule {
    double alpha;  /* in (0, 1) two-sided, (0, 1/2) one-sided */
    double n_star; /* planned units of both arms, > 0 */
    enum asympcs_side side;
};

/* answered = false: estimate and std_error still say what is known (0 when nothing is), low and high are
 * infinite, p is 1, ln_e 0. */
struct asympcs {
    bool answered;
    enum stat_missing missing;
    bool fieller; /* the interval is Fieller's, which need not be symmetric */
    double estimate, std_error, n, rho;
    double low, high;
    double p; /* always valid: under 0.05 exactly when the interval at α = 0.05 with this ρ leaves out 0 */
    double ln_e; /* two-sided H; one-sided ln 2 + H + ln Φ(z √(x/(1+x))) */
};

/* ρ, 0 when the rule makes no sense. */
double asympcs_rho(const struct asympcs_rule *rule);

/* H(z, x); 0 for x <= 0 or NaN; held finite. */
double asympcs_h(double z, double x);

/* The half-width in standard errors at n units; INFINITY when the rule makes no sense or n <= 0. */
double asympcs_multiplier(const struct asympcs_rule *rule, double n);

/* The interval of any estimate. No answer without variance. */
struct asympcs asympcs_interval(const struct estimate *e, const struct asympcs_rule *rule);

/* The relative lift: by the delta method, or by Fieller's interval where the control is within DELTA_NEEDS
 * standard errors of 0. Two-sided Fieller; of a one-sided rule one side is opened. p and ln_e are of the
 * difference, which is 0 exactly when the lift is. */
struct asympcs asympcs_relative(const struct contrast *c, const struct asympcs_rule *rule);

/* An answer that says only what is missing, with the estimate where there is one. */
struct asympcs asympcs_without(enum stat_missing missing, const struct estimate *e);

#endif
