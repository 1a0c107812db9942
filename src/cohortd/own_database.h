/* The embedded database over the life of the server: it is started, and started again when it ends. */
#ifndef COHORT_COHORTD_OWN_DATABASE_H
#define COHORT_COHORTD_OWN_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "cohortd/embedded.h"

/* Zero-initialise. */
struct own_database {
    struct embedded *embedded; /* NULL: none */
    bool down;                 /* it does not run, or not yet */
    bool starting;             /* it was started and does not answer yet */
    int64_t restart_at_us, restart_pause_us;
};

/* wait_ms: there is something to be served without it. Then a start that takes longer is not waited for, and
 * one that fails for a reason that may pass is no error: own_database_watch tries again. 0: there is not. */
int own_database_start(struct own_database *d, const struct embedded_options *o, unsigned wait_ms,
                       struct error *e);

/* About once a second and after each SIGCHLD. */
void own_database_watch(struct own_database *d);

#endif
