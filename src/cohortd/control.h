/* Two threads with a database connection each: one follows the definitions, the other leads the monitor when
 * no other node does. Apart, so that a slow roll-up never delays a stop or an edit on its way to the workers.
 * The first also prepares the database (migrations, keys) once it can be reached, however late that is. */
#ifndef COHORT_COHORTD_CONTROL_H
#define COHORT_COHORTD_CONTROL_H

#include <stdbool.h>

#include "base/counters.h"
#include "cohortd/database.h"
#include "cohortd/keeper.h"

struct control;

struct control_options {
    struct database_start database; /* its strings outlive it */
    struct counters *counters;
    int64_t retention_days; /* of outcomes and decisions; 0: for ever */
    struct keeper *keeper;  /* outlives it */
    /* On the definitions' thread: whether definitions can be asked for; why not, a constant. */
    void (*on_database)(void *arg, bool available, const char *why);
    void *arg;
};

/* Connects, and again after a loss, by itself. */
int control_start(struct control **out, const struct control_options *o, struct error *e);
/* Interrupts what runs and waits for both threads. NULL is fine. */
void control_stop(struct control *c);

/* Where the first contact with the database stands. */
struct first_contact {
    bool failed;   /* an attempt did; error says why */
    bool answered; /* it could be reached: the error is not of the connection */
    struct error error;
};
void control_first_contact(struct control *c, struct first_contact *out);

/* True once the database has been prepared: then others may use it. */
bool control_prepared(struct control *c);

#endif
