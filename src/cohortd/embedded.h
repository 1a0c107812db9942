/* The embedded PostgreSQL: a private cluster in DIR/pg that listens on a socket of its own and ends with us.
 */
#ifndef COHORT_COHORTD_EMBEDDED_H
#define COHORT_COHORTD_EMBEDDED_H

#include <stdbool.h>

#include "core/error.h"

struct embedded;

struct embedded_options {
    const char *dir;        /* absolute data directory; the cluster is dir/pg */
    const char *bindir;     /* of initdb and postgres */
    const char *os_user;    /* whom to run it as when we are root */
    bool (*stopping)(void); /* true: give up waiting */
};

/* Makes nothing yet but the directory of its socket. The strings must outlive it. */
int embedded_new(struct embedded **out, const struct embedded_options *o, struct error *e);

/* Makes the cluster when absent, starts it unless it runs, and waits until it answers, at most wait_ms (0: as
 * long as a start or a recovery may take). ERR_LIMIT: it is still starting, call again. ERR_STATE and
 * ERR_DAMAGED: it can't be started as things are; other errors may pass. After an error other than ERR_LIMIT
 * it does not run. The thread that calls must live as long as the server: its end ends the server. */
int embedded_start(struct embedded *m, unsigned wait_ms, struct error *e);

/* Conninfo of the database "cohort", the same for the life of the directory. */
const char *embedded_conninfo(const struct embedded *m);

/* True once when the server has ended though nobody asked it to; *status as of waitpid. */
bool embedded_ended(struct embedded *m, int *status);

/* Fast shutdown; waits for the process. NULL is fine. */
void embedded_stop(struct embedded *m);

/* Whether a cluster could live in dir, which need not exist yet: who would run it can get there, and we can
 * write. Makes nothing. */
int embedded_check(const char *dir, const char *os_user, struct error *e);

#endif
