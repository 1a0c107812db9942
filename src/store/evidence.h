/* What a guardrail's verdict looks like to people: a sentence, and a document from which anyone can recompute
 * it. Internal to store. */
#ifndef COHORT_STORE_EVIDENCE_H
#define COHORT_STORE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/guardrail.h"

/* Counts of one phase; at_maturity guardrails have matured units here. */
struct phase_counts {
    int64_t number;
    int64_t treatment_share_ppm, control_share_ppm;
    int64_t treatment_units, treatment_events, control_units, control_events;
};

/* One guardrail looking at one treatment. Strings belong to the caller. */
struct guard_case {
    int64_t experiment_id, iteration, guardrail_id, treatment_id;
    const char *experiment, *metric, *event, *treatment, *control;
    bool alert;       /* the guardrail's action; else stop */
    bool at_maturity; /* what it counts; else at_event */
    struct guardrail_rule rule;
    const struct phase_counts *phases;
    size_t n_phases;
};

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
