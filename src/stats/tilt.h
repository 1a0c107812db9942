/* The histogram tilt, the stop of mean guardrails: are units with large values in treatment more often than
 * its share? Formulas: "Histogram tilt" in docs/statistics.md. With q = ρt / (ρt + ρc) of a phase, ψ_b the
 * score of bucket b (buckets.h) and n_b1, n_b0 the units of treatment and control in it, θ_b,η = σ(logit q +
 * η ψ_b), ln E = ln mean_η exp Σ over phases and buckets of n_b1 ln(θ/q) + n_b0 ln((1-θ)/(1-q)), η in {.02,
 * .05, .1, .2, .4, .8, 1.6, 3.2}, negated when harm is down. Under "no effect at all" a unit's value says
 * nothing about its arm, so each factor has mean 1 whatever the values' distribution: exact with heavy tails,
 * any split and drift, at every look. A unit enters once, when its window has matured. Phases are never
 * pooled.
 *
 * Streaming: the state takes one bucket of one phase at a time, in any order. ln E is right to 1e-10 of
 * max(1, |ln E|) where q and ψ are exact. */
#ifndef COHORT_STATS_TILT_H
#define COHORT_STATS_TILT_H

#include "stats/buckets.h"

enum tilt_harm { TILT_UP, TILT_DOWN };

#define TILT_GRID 8

/* ln of the likelihood ratio at each η so far, in both directions. Zero bytes are the start. */
struct tilt {
    long double up[TILT_GRID], down[TILT_GRID];
    bool any; /* a unit was counted; else ln E = 0 says nothing */
};

/* Units of one bucket of one phase. A q outside (0, 1) holds no comparison and a score that is no number no
 * bet: they add nothing. Negative counts are 0; scores are held within ±1000. */
void tilt_add(struct tilt *t, double q, double score, int64_t treatment, int64_t control);

/* All buckets of one phase, each arm's own list. */
void tilt_add_phase(struct tilt *t, const struct scores *scores, double q, const struct arm_sums *treatment,
                    const struct arm_sums *control);

/* ln E. 0 before any unit. Finite. */
double tilt_log_e(const struct tilt *t, enum tilt_harm harm);

#endif
