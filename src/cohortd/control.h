/* Two threads with a database connection each: one follows the definitions, the other leads the monitor when
 * no other node does. Apart, so that a slow roll-up never delays a stop or an edit on its way to the workers.
 */
#ifndef COHORT_COHORTD_CONTROL_H
#define COHORT_COHORTD_CONTROL_H

#include "base/counters.h"
#include "core/plan_set.h"
#include "store/pg.h"

struct control;

/* The plans and what the database said of them. */
struct loaded_plan {
    struct plan_set *plans;
    int64_t version, stop_version;
};

struct control_options {
    const char *conninfo; /* outlives it, as does node */
    const char *node;
    struct counters *counters;
    /* New plans, on the definitions' thread; to be referenced by whoever keeps them. */
    void (*on_plans)(void *arg, const struct plan_set *plans);
    void *arg;
};

/* The first plans, on the caller's connection. One reference is the caller's. */
int control_first_plan(struct pg *p, struct counters *c, struct loaded_plan *out, struct error *e);

/* known: what the workers serve already. Connects, and again after a loss, by itself. */
int control_start(struct control **out, const struct control_options *o, const struct loaded_plan *known,
                  struct error *e);
/* Interrupts what runs and waits for both threads. NULL is fine. */
void control_stop(struct control *c);

#endif
