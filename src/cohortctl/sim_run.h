/* Plays the customers: asks for the flag, does what the model says, reports it, and watches the experiment.
 */
#ifndef COHORT_COHORTCTL_SIM_RUN_H
#define COHORT_COHORTCTL_SIM_RUN_H

#include "cohortctl/client.h"
#include "cohortctl/sim_model.h"
#include "cohortctl/sim_tally.h"

struct sim_plan {
    const char *ca_file;                          /* of the CA its certificate is of; NULL: the system's */
    const char *url, *flag, *experiment, *prefix; /* a customer's id is the prefix and its number */
    const char *client_key, *events_key;
    int64_t customers, connections;
    double rate; /* customers a second; 0: as fast as they are answered */
    struct sim_model model;
    double delay_s;  /* mean time between an answer and what it leads to */
    double twice;    /* the share of events that are reported twice */
    int64_t crashes; /* of the program that reports */
    bool quiet;      /* no progress on standard error */
};

/* Fills *t; reader: to look at the experiment with; the caller decrefs t->stop. An error when the server
 * can't be used as planned. */
int sim_run(const struct sim_plan *p, struct client *reader, struct sim_tally *t, struct error *e);

#endif
