/* Verdicts of stop conditions, all of one shape: a claim, ln E for it, the threshold, whether it is reached,
 * and what a sentence about it needs. Three claims: harm       the guardrail's metric is worse than the
 * margin tolerates futility   the primary metric's effect is smaller than the smallest effect of interest
 *   success    the primary metric is better than the bar
 * A claim is a direction and a bar: "the ratio (or difference) of treatment to control is above the bar" or
 * "below the bar". Every E is anytime-valid, so it may be looked at every second. Reached and the bound on
 * the claim's side agree always (passes at the bar or beyond it). Alpha is divided by e-Bonferroni: ln((K-1)
 * / (alpha weight)).
 *
 * While the unit counts contradict the shares (SRM), harm and futility must hold at the confidence limit of q
 * that speaks against the claim; success is blocked. */
#ifndef COHORT_STATS_VERDICT_H
#define COHORT_STATS_VERDICT_H

#include "stats/asympcs.h"
#include "stats/evt.h"
#include "stats/gate.h"
#include "stats/srm.h"
#include "stats/tilt.h"

enum verdict_claim { VERDICT_HARM, VERDICT_FUTILITY, VERDICT_SUCCESS };
enum verdict_way { VERDICT_ABOVE, VERDICT_BELOW }; /* the bar */

/* Fixed when the experiment starts. */
struct verdict_rule {
    enum verdict_claim claim;
    enum verdict_way way;
    double bar;    /* EVT: a risk ratio > 0; AsympCS: a difference; the tilt knows none but "no effect" */
    double alpha;  /* of all stops of this claim together, in (0, 1) */
    double weight; /* this test's part of it, in (0, 1] */
    int arms;      /* K, with control */
};

/* The scale of bar, estimate, low and high. */
enum verdict_scale { VERDICT_RATIO, VERDICT_DIFFERENCE, VERDICT_NO_SCALE };

enum verdict_missing {
    VERDICT_COMPLETE,
    VERDICT_BAD_RULE,  /* no such alpha, weight, number of arms or bar */
    VERDICT_NO_EVENTS, /* no event, or no matured unit, in a phase that compares both arms */
    VERDICT_NO_METHOD, /* AsympCS asked about harm: it never stops a guardrail */
    VERDICT_GATED,     /* behind its gate still; `missing_in_gate` says what for */
    VERDICT_NO_ANSWER  /* no variance, no units; `missing_in_gate` says which */
};

struct verdict {
    enum verdict_claim claim;
    enum verdict_way way;
    enum verdict_scale scale;
    bool answered; /* false: ln_e 0, reached false */
    enum verdict_missing missing;
    enum stat_missing missing_in_gate;
    double level;     /* alpha weight / (K-1), what this test may err */
    double threshold; /* ln(1 / level); INFINITY for a bad rule */
    double ln_e;
    double bar;
    double estimate;  /* shown only beside low and high */
    double low, high; /* bounds, each one-sided at `level`; infinite (ratio: 0) where none is known */
    double srm_ln_e;
    bool counts_broken; /* srm_ln_e reached ln(1/SRM_ALPHA) */
    bool blocked;       /* success while the counts are broken: reached stays false */
    bool reached;
};

double verdict_threshold(const struct verdict_rule *rule);

/* Binary metrics by EVT: first-event units (events) and exposed units (units) of the same n phases; bar is a
 * risk ratio. Futility of a metric whose good is up: way VERDICT_BELOW and the smallest ratio of interest,
 * above
 * 1. Moves q in events while counts are broken, as guardrail_judge(). */
struct verdict verdict_of_events(const struct verdict_rule *rule, struct evt_phase *events,
                                 const struct srm_pair *units, size_t n);

/* Moves the q of one of n phases to its confidence limit against the claim, for callers that add up a tilt.
 */
double verdict_widened_q(enum verdict_way way, double q, const struct srm_pair *units, size_t n);

/* Means by the histogram tilt: harm and success against "no effect at all" (futility has no bar there:
 * VERDICT_BAD_RULE). tilt was added up with q moved by verdict_widened_q() when verdict_counts_broken(). No
 * bounds: low, high and estimate are the caller's to show from AsympCS. */
struct verdict verdict_of_tilt(const struct verdict_rule *rule, const struct tilt *tilt,
                               const struct srm_pair *units, size_t n);

/* Means, ratios and CUPED by AsympCS behind its gate: futility and success; harm is refused. e: the
 * difference; n_star as planned. */
struct verdict verdict_of_estimate(const struct verdict_rule *rule, const struct estimate *e,
                                   const struct gate *gate, double n_star, const struct srm_pair *units,
                                   size_t n);

bool verdict_counts_broken(const struct srm_pair *units, size_t n);

#endif
