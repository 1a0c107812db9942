/* Leadership: one node runs the monitor. An advisory lock on a connection of its own, and an epoch that each
 * of the leader's transactions locks and checks, so that a leader that lost the lock can't write. A leader
 * that is silent and idle for too long (its process was stopped, its machine is gone) is unseated by a
 * standby. */
#ifndef COHORT_STORE_LEADER_H
#define COHORT_STORE_LEADER_H

#include <stdint.h>

#include "store/pg.h"

/* What a node has last said in its log about who leads, so that it says it once. Zeroed to begin with; treat
 * the inside as opaque. */
struct leader_watch {
    int64_t epoch;
    char outcome[16];
};

/* Tries to become leader on this connection. *epoch: the new epoch, or 0 when another node leads. */
int leader_try(struct pg *p, const char *node, int64_t *epoch, struct pg_error *e);

/* The same, to be called about once a second while this node does not lead: looks at the leader where there
 * is one, ends its connection when it is silent and idle, and leads then. Says in the log what it found. */
int leader_stand_by(struct pg *p, const char *node, struct leader_watch *w, int64_t *epoch,
                    struct pg_error *e);

#endif
