/* The gate before an AsympCS interval: below it the central limit theorem has not set in, and results say
 * "insufficient" with what is missing instead of an interval. In the smaller arm
 *     a proportion needs 20 units with the event and 20 without,
 *     a mean or the numerator of a ratio needs 400 units with an amount, and 355 skew² units (Kohavi, Deng,
 * Longbotham and Xu 2014, "Seven rules of thumb for web site experimenters", rule 7; skewness from Σy, Σy²,
 * Σy³). Counts are totals over phases; skewness is that around each phase's own mean. */
#ifndef COHORT_STATS_GATE_H
#define COHORT_STATS_GATE_H

#include "stats/across.h"

#define GATE_EVENTS 20.0
#define GATE_AMOUNTS 400.0
#define GATE_SKEW 355.0

struct gate {
    bool open;
    enum stat_missing missing; /* STAT_COMPLETE when open */
    double have, needed;       /* of what is missing, in the smaller arm; needed - have more make it open */
    double skew;               /* of the arm that is more skew; 0 for proportions and when it is unknown */
};

/* CUPED is gated by its plain values. */
struct gate gate_judge(enum across_kind kind, const struct arm_sums *treatment,
                       const struct arm_sums *control, size_t phases);

#endif
