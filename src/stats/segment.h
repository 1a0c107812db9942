/* Disparity: does an experiment treat segments of people differently? Two questions for each segment: who
 * gets the outcome how often (selection rates, the "four fifths" of employment law), and whether the effect
 * there differs from the effect on everybody else. The second is an always-valid test per segment, over
 * segments by e-BH. For reports; it stops nothing. Formulas: "segment disparity" in docs/statistics.md. */
#ifndef COHORT_STATS_SEGMENT_H
#define COHORT_STATS_SEGMENT_H

#include "stats/across.h"

/* Units with the event (with an amount, for means) that each arm needs, in the segment and in the rest. */
#define SEGMENT_EVENTS 20.0

/* One segment: an entry per phase and arm. Segments hold different units and together all units. */
struct segment {
    const struct arm_sums *treatment, *control;
};

struct disparity {
    bool answered;             /* false: all numbers but `units` and `events` are 0, ln_e too */
    enum stat_missing missing; /* STAT_FEW_EVENTS: suppressed */
    double units;              /* of both arms */
    double events;             /* of the arm with fewer, in the segment */
    double treatment, control; /* selection rates (means): values over phases, same weights in both arms */
    double
        ratio_treatment;  /* rate over the highest rate of a segment that is answered; 1: it is the highest */
    double ratio_control; /* the same without the experiment: a disparity that was there before */
    double effect, effect_rest;      /* Δ of the segment, Δ of everybody else */
    double difference, std_error, z; /* effect - effect_rest */
    double low, high;                /* always-valid interval of the difference at the rule's alpha */
    double ln_e;                     /* H(z, x), x = n ρ², n the units of all segments */
    bool rejected;                   /* by e-BH over all segments, suppressed ones counted in */
};

/* Judges k segments over `phases` phases, for proportions and means (else STAT_BAD_RULE). rule: two-sided, n*
 * the planned units of the whole experiment. Ratios of rates need rates >= 0; with a highest rate of 0 or
 * below they are 1. Returns the number rejected. */
size_t segment_disparity(enum across_kind kind, const struct segment *segments, size_t k, size_t phases,
                         const struct asympcs_rule *rule, struct disparity *out);

#endif
