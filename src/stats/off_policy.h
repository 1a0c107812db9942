/* The value another policy would have had, from a log that says with which probability each choice was made.
 * With p the logged probability of the action taken, π the other policy's, w = π / p, y the reward:
 *     IPS   = Σ wy / n                       (Horvitz and Thompson 1952)
 *     SNIPS = Σ wy / Σ w                     (Hájek 1971; Swaminathan and Joachims 2015)
 *     DR    = Σ [v + w (y - q)] / n          (Dudík, Langford and Li 2011)
 *     ESS   = (Σ w)² / Σ w²                  (Kish 1965)
 * where q is a model's prediction for the action taken and v = Σ_a π(a) q(a) its value of the policy; the
 * model must not have seen the decision (linear_model.h cross-fits). Formulas: "Off-policy" in
 * docs/statistics.md.
 *
 * A unit that comes several times counts as one: variances are over units. Intervals are AsympCS (asympcs.h),
 * so they may be looked at while the log grows; n is units. They lean on the central limit theorem and stop
 * nothing. Every function answers for every input. */
#ifndef COHORT_STATS_OFF_POLICY_H
#define COHORT_STATS_OFF_POLICY_H

#include "stats/asympcs.h"

/* Below this effective sample size nothing is said: the lesser of that of decisions and, (ΣW)² / ΣW² with a
 * unit's W = Σw, that of units. */
#define OFF_POLICY_ESS 100.0

/* One logged decision, seen from the other policy. */
struct off_policy_decision {
    double logged;    /* p of the action taken, in (0, 1] */
    double policy;    /* π of the same action, in [0, 1] */
    double reward;    /* y, matured */
    double predicted; /* q of the action taken; without a model 0 */
    double value;     /* v = Σ_a π(a) q(a); without a model 0 */
    double uncovered; /* Σ π(a) over the actions with p(a) = 0: what the log can't tell */
};

/* Σ π(a) over the actions a with p(a) <= 0, of k actions. */
double off_policy_uncovered(const double *logged, const double *policy, size_t k);

/* Sums over the decisions of one unit; zero-initialised. */
struct off_policy_unit {
    double n, w, ww, wy, d, y; /* decisions, Σw, Σw², Σwy, Σ[v + w (y - q)], Σy */
    double uncovered, uncovered_n, bad;
};

/* Sums over units, which may be merged by addition; zero-initialised. Capitals of a unit's sums. */
struct off_policy_sums {
    double units, n;
    double w, ww; /* ww: over decisions */
    double wy, d;
    double nn, w_w, wy_wy, dd; /* ΣN², ΣW², Σ(WY)², ΣD² */
    double n_wy, w_wy, n_d;    /* ΣN·WY, ΣW·WY, ΣN·D */
    double y, l_l, n_l;        /* ΣY; of L = D - Y: ΣL², ΣN·L */
    double uncovered;          /* Σ of the decisions' */
    double uncovered_n;        /* decisions that had any */
    double bad;                /* decisions whose numbers make no sense: NaN, p <= 0, π outside [0, 1] */
};

void off_policy_decide(struct off_policy_unit *u, const struct off_policy_decision *d);
void off_policy_add(struct off_policy_sums *s, const struct off_policy_unit *u);
void off_policy_merge(struct off_policy_sums *s, const struct off_policy_sums *other);

enum off_policy_refusal {
    OFF_POLICY_ANSWERED,
    OFF_POLICY_NO_DECISIONS,
    OFF_POLICY_BAD_DECISIONS, /* have: how many */
    OFF_POLICY_UNCOVERED,     /* have: decisions in which the policy may take what the log never would */
    OFF_POLICY_FEW,           /* have: ESS; needed: OFF_POLICY_ESS; decisions: how many more are needed */
    OFF_POLICY_NO_VARIANCE    /* every score is the same: estimates, but no interval */
};

/* A sentence's part for people, such as "the effective sample size is below 100". */
const char *off_policy_words(enum off_policy_refusal refusal);

struct off_policy_answer {
    enum off_policy_refusal refusal; /* of IPS; each estimate's own `answered` holds too */
    double have, needed;             /* of what is missing */
    double more; /* OFF_POLICY_FEW: decisions still needed, at the present ESS a decision; INFINITY: never */
    double uncovered; /* the mean of Σ π where p = 0: the part of the policy's choices the log can't tell */
    double ess;       /* the lesser of the two */
    double mean_weight;            /* mean_weight: Σw / n, near 1 when the logged propensities are right */
    double logged;                 /* Σy / n, what the log's own policy earned */
    struct asympcs ips, snips, dr; /* without a model dr is ips */
    struct asympcs lift;           /* dr less `logged`, over the same units: is the other policy better? */
};

/* rule: two-sided, n* in units. Refused, no estimate is answered: 0, with infinite intervals. */
struct off_policy_answer off_policy_value(const struct off_policy_sums *s, const struct asympcs_rule *rule);

#endif
