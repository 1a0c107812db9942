/* Watches the definitions: LISTEN, a poll of the version, and the plan document when either says "new". */
#ifndef COHORT_STORE_DEFINITIONS_H
#define COHORT_STORE_DEFINITIONS_H

#include <stdint.h>

#include "store/pg.h"

/* One round on a connection of its own (the first one LISTENs): waits at most wait_ms for a notification,
 * then compares the versions. When they differ from *version and *stop_version, reads the plan document in
 * one REPEATABLE READ transaction into *document (malloc'ed, free it) and updates both; else *document is
 * NULL. The first round of a connection does not wait. After an error close the connection and open another.
 */
int definitions_wait(struct pg *p, unsigned wait_ms, int64_t *version, int64_t *stop_version, char **document,
                     struct pg_error *e);

#endif
