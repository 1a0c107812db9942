/* Watches the definitions: LISTEN, a poll of the version, and the plan document when either says "new". */
#ifndef COHORT_STORE_DEFINITIONS_H
#define COHORT_STORE_DEFINITIONS_H

#include <stdint.h>

#include "store/pg.h"

#define INCARNATION_BYTES 16

/* What the database says of its definitions. */
struct plan_versions {
    int64_t version, stop_version;          /* of the definitions, and the id of the last stop */
    uint8_t incarnation[INCARNATION_BYTES]; /* which database it is */
    int64_t heartbeat_us;                   /* when a monitor was last at work, since 1970; 0: never */
    int64_t clock_us;                       /* what the database's own clock said then */
};

/* One round on a connection of its own (the first one LISTENs): waits at most wait_ms for a notification,
 * then compares the versions. When they differ from *known, reads the plan document in one REPEATABLE READ
 * transaction into *document (malloc'ed, free it); else *document is NULL. *known is what the database says
 * now. The first round of a connection does not wait. After an error close the connection and open another;
 * ERR_UNAVAILABLE after a few seconds without an answer. */
int definitions_wait(struct pg *p, unsigned wait_ms, struct plan_versions *known, char **document,
                     struct pg_error *e);

#endif
