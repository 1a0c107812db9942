/* One pass of the monitor: roll up what is new, look at every guardrail and stop condition, and do what they
 * say. */
#ifndef COHORT_STORE_MONITOR_H
#define COHORT_STORE_MONITOR_H

#include "base/counters.h"
#include "store/pg.h"
#include "store/stops.h"

/* What a pass did. */
struct monitor_result {
    int batches; /* batches rolled up */
    int stops;   /* experiments stopped */
    int alerts;  /* alerts raised */
    int pauses;  /* experiments paused */
    int ramps;   /* ramps held, or to be rolled back by the chores that follow */
};

/* What hears of a stop once it is committed and before anybody else is told. */
struct monitor_hook {
    void (*on_stop)(void *arg, const struct stop_row *stop); /* NULL: nobody */
    void *arg;
};

/* p must hold the leader's lock with this epoch. ERR_STATE: the epoch is old, another node leads now.
 * node: for the log and evidence. hook: may be NULL. Logs each verdict in a sentence. */
int monitor_pass(struct pg *p, int64_t epoch, const char *node, const struct monitor_hook *hook,
                 struct counters *c, struct monitor_result *out, struct pg_error *e);

#endif
