/* Two threads with a database connection each: one follows the definitions, the other leads the monitor when
 * no other node does. Apart, so that a slow roll-up never delays a stop or an edit on its way to the workers.
 */
#ifndef COHORT_COHORTD_CONTROL_H
#define COHORT_COHORTD_CONTROL_H

#include "base/counters.h"
#include "core/plan.h"
#include "store/pg.h"

struct control;

/* A plan and what the database said of it. */
struct loaded_plan {
    struct plan *plan;
    int64_t version, stop_version;
};

struct control_options {
    const char *conninfo; /* outlives it, as does node */
    const char *node;
    struct counters *counters;
    /* A new plan, on the definitions' thread; to be referenced by whoever keeps it. */
    void (*on_plan)(void *arg, const struct plan *plan);
    void *arg;
};

/* The first plan, on the caller's connection. One reference is the caller's. */
int control_first_plan(struct pg *p, struct counters *c, struct loaded_plan *out, struct error *e);

/* known: what the workers serve already. Connects, and again after a loss, by itself. */
int control_start(struct control **out, const struct control_options *o, const struct loaded_plan *known,
                  struct error *e);
/* Interrupts what runs and waits for both threads. NULL is fine. */
void control_stop(struct control *c);

#endif
