/* What a guardrail's verdict looks like to people: a sentence, and a document from which anyone can recompute
 * it. Internal to store. */
#ifndef COHORT_STORE_EVIDENCE_H
#define COHORT_STORE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "stats/guardrail.h"
#include "stats/tilt.h"

/* Counts of one phase, or where a model decides, of one step of the odds; at_maturity guardrails have matured
 * units here. */
struct phase_counts {
    int64_t number;
    bool odds; /* units of one step of the odds, `number`, whatever the phase; the shares are its edge's */
    int64_t treatment_share_ppm, control_share_ppm;
    int64_t treatment_units, treatment_events, control_units, control_events;
    struct arm_sums treatment, control; /* of matured units, in millionths; only for the histogram tilt */
};

/* One guardrail looking at one treatment. Strings belong to the caller. */
struct guard_case {
    int64_t iteration, metric_version;
    const char *experiment, *metric, *event, *treatment, *control;
    const char *kind;   /* of the metric; all but binary are judged by the histogram tilt */
    const char *action; /* what is done: a stop in place of a roll-back with nothing to go back to */
    bool nothing_to_roll_back;
    struct scores scores; /* of the histogram tilt; scale 0: not registered yet */
    bool at_maturity;     /* what it counts; else at_event */
    struct guardrail_rule rule;
    const struct phase_counts *phases;
    size_t n_phases;
};

bool guard_by_tilt(const struct guard_case *g);

/* How sentences about an action begin and end: "Stopped" and "is stopped like this" (a harmless experiment).
 */
const char *evidence_done(const char *action);
const char *evidence_befalls(const char *action);

/* " at most 1 time in 100", or " at most 3 % of the time" where that is no whole number. */
void evidence_error_level(struct buffer *b, double alpha);
/* "4,950" */
void evidence_count(struct buffer *b, int64_t n);
/* "1.6 ×". A bound is rounded away from the claim it supports: towards 0 with rounding -1, up with 1. */
void evidence_ratio(struct buffer *b, double r, int rounding);
/* "2026-11-21T23:40:01.123456Z" */
void evidence_time(char buf[48], int64_t us);

/* "Stopped: unsubscribe rose 1.6 × with daily_digest against control (…). A harmless experiment …" Cut to cap
 * at a character. */
void evidence_sentence(const struct guard_case *g, const struct guardrail_verdict *v, char *buf, size_t cap);

/* The evidence as a JSON object; events as guardrail_judge left them, one a phase: E follows from them and
 * the margin alone. malloc'ed; NULL when out of memory. */
char *evidence_document(const struct guard_case *g, const struct guardrail_verdict *v,
                        const struct evt_phase *events, const char *node, int64_t epoch, int64_t now_us);

/* The counts in one line of text: equal text, equal verdict. malloc'ed; NULL when out of memory. */
char *evidence_counts(const struct guard_case *g);

#endif
