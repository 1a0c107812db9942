/* Decisions computed again from the log. Internal to cohortctl. */
#ifndef COHORT_COHORTCTL_REPLAY_H
#define COHORT_COHORTCTL_REPLAY_H

#include <jansson.h>
#include <stdint.h>

#include "core/error.h"

/* An experiment with all its phases, as it was known at each version of the definitions. */
struct replay;

/* One row of cohort.replay_decisions(). Texts are the row's; NULL: null. Ids: 0 is null. */
struct replay_row {
    const char *decision_id, *unit_id, *reason, *inputs, *eligible;
    int64_t us, plan_version;
    int32_t variant_id, counterfactual_id, phase_id, model_id;
    int32_t propensity; /* -1: null */
};

enum replay_answer {
    REPLAY_SAME,
    REPLAY_DIFFERS,  /* why: "variant b was logged, and control is drawn" */
    REPLAY_NOT_DRAWN /* targeting, an override, a holdout without a counterfactual: nothing to compute */
};

/* document: cohort.replay_document(). ERR_INVALID when it can't be read as a plan. */
int replay_new(struct replay **out, const char *document, struct error *e);
/* The time phase of this number is known from that version on; in the order of numbers. */
int replay_know(struct replay *r, int number, int64_t version, struct error *e);
void replay_free(struct replay *r);

/* Computes one decision. why is written when it differs. Errors: out of memory, a row that is none. */
int replay_decide(struct replay *r, const struct replay_row *row, enum replay_answer *answer, char *why,
                  size_t size, struct error *e);

#endif
