/* The verdict on one guardrail and one treatment: the only place where a number becomes "stop". */
#ifndef COHORT_STATS_GUARDRAIL_H
#define COHORT_STATS_GUARDRAIL_H

#include <stdbool.h>

#include "stats/evt.h"
#include "stats/srm.h"

struct guardrail_rule {
    enum evt_harm harm; /* which way of the metric is harm */
    double margin;      /* tolerated risk ratio, > 0 */
    double alpha;       /* of the experiment, for all its guardrails of this action together; in (0, 1) */
    double weight;      /* this guardrail's part of alpha, in (0, 1] */
    int arms;           /* K, with control */
};

/* The harm a ramp waits to be able to see: twice the events, or half of them where harm is down. */
#define GUARDRAIL_HARM_RATIO 2.0

struct guardrail_verdict {
    double threshold;    /* ln((K-1) / (alpha weight)); INFINITY when the rule makes no sense */
    double ln_e;         /* at the margin */
    double risk_ratio;   /* maximum likelihood over phases; see evt_rr_mle */
    double lower, upper; /* one-sided bounds of the risk ratio, each at level e^-threshold */
    double srm_ln_e;     /* units of treatment against control (srm_pairs_log_e) */
    bool counts_broken;  /* srm_ln_e reached ln(1/SRM_ALPHA): q was moved to its confidence limit */
    double power;    /* the chance that harm of GUARDRAIL_HARM_RATIO would be reached by now; see evt_power */
    bool has_events; /* a comparable phase has an event; else ln_e 0 and risk_ratio 1 say nothing */
    bool reached;    /* ln_e >= threshold; if and only if lower >= margin (harm up), upper <= margin (down) */
};

/* Judges on first-event units (events) and exposed units (units) of the same n phases. While the unit counts
 * contradict the shares (SRM), losing control's exposures would look like harm: each phase's q is then moved,
 * in events, to the confidence limit that speaks against harm, when that is further than q (level
 * SRM_ALPHA over the number of phases), so everything in the verdict follows from events as it is left. */
void guardrail_judge(const struct guardrail_rule *rule, struct evt_phase *events,
                     const struct srm_pair *units, size_t n, struct guardrail_verdict *out);

/* Moves the q of n of the experiment's `all` phases to the confidence limit of the unit counts, at level
 * SRM_ALPHA / all, that explains the events without harm; q outside (0, 1) is left alone. */
void guardrail_widen(enum evt_harm harm, struct evt_phase *events, const struct srm_pair *units, size_t n,
                     size_t all);

/* ln((K-1) / (alpha weight)), INFINITY for an alpha outside (0, 1), a weight outside (0, 1] or fewer than two
 * arms: such a rule never stops anything. */
double guardrail_threshold(const struct guardrail_rule *rule);

#endif
