/* Leadership: one node runs the monitor. An advisory lock on a connection of its own, and an epoch that each
 * of the leader's transactions locks and checks, so that a leader that lost the lock can't write. */
#ifndef COHORT_STORE_LEADER_H
#define COHORT_STORE_LEADER_H

#include <stdint.h>

#include "store/pg.h"

/* Tries to become leader on this connection. *epoch: the new epoch, or 0 when another node leads. */
int leader_try(struct pg *p, const char *node, int64_t *epoch, struct pg_error *e);

#endif
