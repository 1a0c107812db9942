/* One pass of the monitor: roll up what is new, look at every guardrail, stop what does harm. */
#ifndef COHORT_STORE_MONITOR_H
#define COHORT_STORE_MONITOR_H

#include "base/counters.h"
#include "store/pg.h"

/* What a pass did. */
struct monitor_result {
    int batches; /* batches rolled up */
    int stops;   /* experiments stopped */
    int alerts;  /* alerts raised */
};

/* p must hold the leader's lock with this epoch. ERR_STATE: the epoch is old, another node leads now.
 * node: for the log and evidence. Logs each stop and alert in a sentence. */
int monitor_pass(struct pg *p, int64_t epoch, const char *node, struct counters *c,
                 struct monitor_result *out, struct pg_error *e);

#endif
