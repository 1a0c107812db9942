/* Uplift: who gains from a treatment? The effect per segment, and how it changes along a number, each with an
 * always-valid E, over all of them by e-BH. Reports only: it never stops anything. Whether a segment's effect
 * differs from everybody else's is segment.h's question. Formulas: "Uplift" in docs/statistics.md. */
#ifndef COHORT_STATS_UPLIFT_H
#define COHORT_STATS_UPLIFT_H

#include "stats/segment.h"

/* One answer. answered = false: effect 0, low and high infinite, p 1, ln_e 0. */
struct uplift {
    bool answered;
    enum stat_missing missing;
    double have, needed;       /* of what the gate misses, in the smaller arm */
    double units;              /* of both arms */
    double treatment, control; /* values of the arms in the segment; for an interaction their slopes */
    double effect, std_error;  /* treatment less control */
    double low, high;          /* AsympCS at the rule's alpha */
    double p, ln_e;
    bool rejected; /* "no effect": by e-BH over all that are asked together, unanswered ones count */
};

/* Δ of each of k segments over `phases` phases, phase-standardised (across.h), for proportions and means
 * (else STAT_BAD_RULE), behind the gate (gate.h) in the segment. rule: two-sided, n* the planned units of the
 * whole experiment. Returns the number rejected at the rule's alpha. */
size_t uplift_segments(enum across_kind kind, const struct segment *segments, size_t k, size_t phases,
                       const struct asympcs_rule *rule, struct uplift *out);

/* Sums over the units of an arm in a phase, of a feature x and the outcome y; zero-initialised, mergeable by
 * addition. x should be centred and scaled by fixed numbers: fourth powers lose digits otherwise. */
struct uplift_sums {
    double n, x, xx, xxx, xxxx;
    double y, xy, xxy, xxxy;
    double yy, xyy, xxyy;
};
void uplift_add(struct uplift_sums *s, double x, double y);

/* The units each arm of a phase needs; phases without are left out. */
#define INTERACTION_UNITS 100.0

/* How the effect changes with x: the coefficient of treatment × x in y ~ 1 + treatment + x + treatment × x,
 * which is the difference of the arms' slopes, per phase with the weights n_k / n: outcome per unit of x. Its
 * variance stays right whatever the spread of y does along x (White 1980, HC0 with n / (n - 2)): for each arm
 * n/(n-2) Σ (x - x̄)² r² / S_xx². No answer where x has no spread (STAT_NO_VARIANCE).
 *
 * treatment[f * phases + k], control[…] are those of feature f in phase k. Returns the number rejected by
 * e-BH over the features. */
size_t uplift_interactions(const struct uplift_sums *treatment, const struct uplift_sums *control,
                           size_t features, size_t phases, const struct asympcs_rule *rule,
                           struct uplift *out);

#endif
