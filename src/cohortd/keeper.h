/* What a node keeps of the definitions whatever becomes of the database: the plans it serves, their snapshot
 * on its disk, and every stop it ever learned of. Plans reach the workers only through it, so that none is
 * served in which a stopped experiment runs. */
#ifndef COHORT_COHORTD_KEEPER_H
#define COHORT_COHORTD_KEEPER_H

#include "base/counters.h"
#include "core/plan_set.h"
#include "store/definitions.h"
#include "store/stops.h"

struct keeper;

struct keeper_options {
    const char *dir; /* the data directory; snapshots are in dir/snapshots */
    struct counters *counters;
    /* New plans, on the thread that brought them; to be referenced by whoever keeps them. */
    void (*on_plans)(void *arg, const struct plan_set *plans);
    void *arg;
};

/* Reads the newest whole snapshot, if there is one, and serves nothing yet. */
int keeper_open(struct keeper **out, const struct keeper_options *o, struct error *e);
void keeper_close(struct keeper *k); /* NULL is fine */

bool keeper_has_snapshot(struct keeper *k);
/* Serves the snapshot, unless the database was quicker. ERR_NOT_FOUND: there is none. Any thread. */
int keeper_serve_snapshot(struct keeper *k, struct error *e);

/* The definitions' thread. */

/* The database answered: the ages of plan and heartbeat, and from time to time the snapshot, are brought up
 * to date. False when it is not the database the plans came from: then nothing of it is to be served. */
bool keeper_confirm(struct keeper *k, const struct plan_versions *v);
/* Compiles a document, writes the snapshot, and serves the plans; does nothing for the document that is
 * served. ERR_DAMAGED: it can't be read, the plans served before stay. */
int keeper_take(struct keeper *k, const struct plan_versions *v, const char *document, struct error *e);
/* Stops that we know and the document taken last did not; valid until the next is taken. */
const struct stop_row *keeper_forgotten(struct keeper *k, size_t *n);
/* They have been told to the database. */
void keeper_told(struct keeper *k);

/* Any thread: a stop that the database has committed. On the disk before it returns, if the disk allows. */
void keeper_stop(struct keeper *k, const struct stop_row *stop);

#endif
