/* The database's side of an import: one transaction, then the wait for the leader's count. */
#ifndef COHORT_COHORTCTL_IMPORT_DB_H
#define COHORT_COHORTCTL_IMPORT_DB_H

#include <stddef.h>
#include <stdint.h>

#include "cohortctl/import.h"
#include "store/pg.h"

/* The outcome of a finished import. */
struct import_loaded {
    int64_t exposures, outcomes;
    char spool[37]; /* the queue whose batches they are */
    char *metrics;  /* JSON array of {"column","metric"}; free it */
};

/* Begins the transaction, refuses an experiment key that is taken, reads the environment's unit key and opens
 * the COPY. */
int import_db_begin(struct pg *p, const struct import_request *r, struct unit_key *key, struct error *e);
/* An import_sink; arg is the struct pg. */
int import_db_row(void *arg, const char *text, size_t len, struct error *e);
/* Ends the COPY, stores everything and commits. */
int import_db_finish(struct pg *p, const struct import *m, struct import_loaded *out, struct error *e);

/* Waits until the leader has counted the batches of that queue, and says how far it is on standard error.
 * ERR_UNAVAILABLE when nobody counts. */
int import_db_wait(struct pg *p, const struct import *m, const char *spool, struct error *e);

#endif
