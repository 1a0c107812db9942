/* The verdict on one stop condition, from the document of its inputs (cohort.condition_rows) alone: whoever
 * has the evidence judges again with the same call. Internal to store. */
#ifndef COHORT_STORE_CONDITION_H
#define COHORT_STORE_CONDITION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct condition {
    const char *kind, *action, *metric, *experiment; /* metric "": none */
    double alpha, weight;
    bool nothing_to_roll_back; /* a stop stands in its place */
    const json_t *inputs;
};

/* Promised stretches between two false alarms of a drifting volume. */
#define CONDITION_RUN_LENGTH 10000.0

struct condition_verdict {
    bool reached;
    bool has_ln_e; /* ln_e and threshold mean something; ln_e may be infinite */
    double ln_e, threshold;
    int64_t treatment_id; /* success: who won; 0: the experiment as a whole */
    char missing[200];    /* for an answer, in words; "": nothing */
    char sentence[768];   /* when reached */
    json_t *found;        /* what was computed, for the evidence; owned; NULL when out of memory */
};

/* Never fails: what it can't read is missing. */
void condition_judge(const struct condition *c, struct condition_verdict *v);
void condition_verdict_fini(struct condition_verdict *v);

/* How a kind is judged, for the evidence. */
const char *condition_method(const char *kind);

#endif
