/* Effects after adaptation: what is true of the arms of a bandit whose shares leaned on earlier rewards.
 * Plain means are biased then and their intervals wrong; formulas and sources: "Effects after adaptation" in
 * docs/statistics.md.
 *
 * Means: the √e-weighted AIPW estimate of each arm (Hadad, Hirshberg, Zhan, Wager and Athey 2021). For every
 * unit of phase k, whose shares give the arm the part e, with m known before the phase began,
 *     Γ = m + 1{unit is in the arm} (y - m) / e,   h = √e,
 *     estimate = Σ hΓ / Σ h,   SE² = Σ h² (Γ - estimate)² / (Σ h)².
 * The variance of hΓ is about the same whatever e is, so that Σ h² (Γ - estimate)² grows with the units as
 * AsympCS takes it to (asympcs.h). Intervals stand behind the gate (gate.h), stop nothing, and two arms share
 * alpha (union bound).
 *
 * Rates: the likelihood ratio of the event marks (evt.h) against a mixture fixed beforehand. Every function
 * answers for every input; phases with e <= 0 or NaN are left out and counted. */
#ifndef COHORT_STATS_ADAPTIVE_H
#define COHORT_STATS_ADAPTIVE_H

#include "stats/asympcs.h"
#include "stats/evt.h"

/* One arm over phases; zero-initialised. Sums of the same arm may be merged by addition. With units that come
 * several times (each decision drawn anew) the last three are over units, of each unit's Σh and ΣhΓ. */
struct adaptive_sums {
    double n;                         /* scores: units (decisions) of all arms */
    double h, hg;                     /* Σh, ΣhΓ */
    double g;                         /* ΣΓ, for the plain AIPW mean */
    double hh, hhg, hhgg;             /* Σh², Σh²Γ, Σh²Γ² */
    bool clustered;                   /* the variance is that over units, below */
    double unit_hh, unit_hg, unit_gg; /* over units of (Σh)², Σh ΣhΓ, (ΣhΓ)² */
    size_t phases, left_out;
};

/* What a phase's arm is described by: e in (0, 1], its share; m, its plug-in mean, which must be known before
 * the phase began: adaptive_plug_in() of the phases before. */
struct adaptive_phase {
    double e, m;
};

/* The mean of the arm's units over all earlier phases; 0 without any. Earlier in the order of assignment: a
 * reward that matured after the later phase had begun may count, its unit was drawn before. */
double adaptive_plug_in(const struct arm_sums *earlier, size_t phases);

/* The score Γ of one unit. in_arm: it drew this arm, with outcome y; else y is not read. */
double adaptive_score(const struct adaptive_phase *p, bool in_arm, double y);

/* Adds one unit's score, as it comes. */
void adaptive_add(struct adaptive_sums *s, const struct adaptive_phase *p, bool in_arm, double y);

/* Adds a whole phase from its counts: `units` matured units of all arms, and n, Σy, Σy² of the arm's. The
 * same as adaptive_add() of each. */
void adaptive_add_phase(struct adaptive_sums *s, const struct adaptive_phase *p, double units,
                        const struct arm_sums *arm);

/* Adds one unit that came several times, from its Σh and ΣhΓ over its decisions: for the variance over units.
 * Its decisions are added by adaptive_add() too. */
void adaptive_add_unit(struct adaptive_sums *s, double sum_h, double sum_hg);

/* The arm's mean and SE²; n: scores. No answer without scores (STAT_NO_UNITS). */
struct estimate adaptive_mean(const struct adaptive_sums *s);

/* ΣΓ / n, unweighted: unbiased too, but its variance explodes where e is small. For comparison. */
double adaptive_aipw(const struct adaptive_sums *s);

/* One arm's interval, by AsympCS. rule: two-sided, n* the planned units of all arms. */
struct asympcs adaptive_interval(const struct adaptive_sums *s, const struct asympcs_rule *rule);

/* Treatment less control: the two arms' intervals at alpha / 2 each put together, so that it holds at any
 * time whatever the two have to do with each other. p: the smallest alpha at which 0 is left out; ln_e is -ln
 * p. std_error: with covariance 0. */
struct asympcs adaptive_difference(const struct adaptive_sums *treatment, const struct adaptive_sums *control,
                                   const struct asympcs_rule *rule);

/* SE² of the difference with its covariance, for two arms over the same phases in the same order; fixed-
 * horizon, for reading. Σ over units of (h_t(Γ_t - est_t)/Σh_t - h_c(Γ_c - est_c)/Σh_c)². In a phase one of
 * the two scores is always its m, so that the product follows from sums. 0 without an answer. */
struct adaptive_pair {
    double e_t, m_t, e_c, m_c; /* of the phase */
    double units;              /* of all arms */
    double g_t, g_c;           /* ΣΓ of the phase */
};
double adaptive_difference_variance(const struct adaptive_sums *treatment,
                                    const struct adaptive_sums *control, const struct adaptive_pair *phases,
                                    size_t n);

/* The mixture of log risk ratios t = ln r that the interval below bets on: t = -reach, -reach + step … reach
 * with weights exp(-(t / sd)² / 2), normalised; fixed before the first event. At most MIXTURE_POINTS points.
 */
#define MIXTURE_POINTS 1001
struct mixture {
    double reach, step, sd;
};

/* { r : l(r) > ln Σ_j w_j exp l(e^t_j) + ln alpha }, l the log likelihood of the event marks over phases
 * (evt.h): an interval of the risk ratio that holds at every look (Robbins 1970; Wald's likelihood ratio with
 * a mixture on top), since Σ w_j exp(l(e^t_j) - l(r)) is a fair game when r is true. l is concave in ln r, so
 * it is an interval. Shares may depend on everything that happened before the phase. answered = false without
 * events, and for an alpha or a mixture that makes no sense: low 0, high INFINITY. */
struct mixture_interval {
    bool answered;
    double estimate;  /* maximum likelihood: 0 or INFINITY when one arm has no events */
    double low, high; /* of the risk ratio; 0 and INFINITY where nothing is excluded */
    double ln_mixture;
    double ln_e; /* against r = 1 */
};
struct mixture_interval mixture_interval_with(const struct evt_phase *phases, size_t n, double alpha,
                                              const struct mixture *mixture);

/* The one that results use: with t = -2, -1.99 … 2 and sd 0.3. Arms of a bandit seldom differ by more than
 * twice, so that ratios up to about that are bet on, in steps that are fine enough for a million events. */
struct mixture_interval mixture_interval(const struct evt_phase *phases, size_t n, double alpha);

/* ln E of that mixture against the risk ratio r: r is outside the interval when it reaches ln(1/alpha). */
double mixture_log_e(const struct evt_phase *phases, size_t n, double r);

#endif
