/* What a simulation saw: customers and events per variant, failures, and the moment of the stop. */
#ifndef COHORT_COHORTCTL_SIM_TALLY_H
#define COHORT_COHORTCTL_SIM_TALLY_H

#include <jansson.h>
#include <stdio.h>

#include "cohortctl/sim_model.h"

#define SIM_VARIANTS_MAX 32

struct sim_tally {
    uint64_t wanted, customers, failed; /* asked for, answered, not answered */
    uint64_t accepted, rejected;        /* events */
    uint64_t twice, retries, crashes; /* events reported twice; requests that failed; reporters that ended */
    struct sim_arm {
        char name[SIM_NAME_MAX + 1]; /* "(fallback)" for customers without a variant */
        uint64_t customers, events[SIM_METRICS_MAX];
    } arms[SIM_VARIANTS_MAX + 1];
    size_t n_arms;
    double seconds;          /* since the first customer */
    bool stopped;            /* a customer got the fallback because the experiment has stopped */
    uint64_t stop_customers; /* answered before that one */
    double stop_seconds;
    char stop_reason[40]; /* GUARD_STOP or STOPPED */
    json_t *stop;         /* the experiment's stop object, or NULL */
};

/* The arm of a variant (NULL: the fallback); made when new. NULL only when there are too many. */
struct sim_arm *sim_tally_arm(struct sim_tally *t, const char *variant);

/* "4,100 of 20,000; unsubscribe: weekly_digest 61 of 2,050, daily_digest 98 of 2,050" without a line end. */
void sim_tally_line(const struct sim_tally *t, const struct sim_model *m, char *out, size_t cap);
/* The closing table and sentences. */
int sim_tally_print(const struct sim_tally *t, const struct sim_model *m, FILE *out);
/* The same as JSON; the caller owns it. NULL: out of memory. */
json_t *sim_tally_json(const struct sim_tally *t, const struct sim_model *m);

#endif
