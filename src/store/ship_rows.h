/* The rows of a batch: into the staging tables by COPY, then into the real ones by cohort.ingest(). */
#ifndef COHORT_STORE_SHIP_ROWS_H
#define COHORT_STORE_SHIP_ROWS_H

#include "store/copy_binary.h"
#include "store/ship_batch.h"

struct ship_rows; /* memory kept from batch to batch */

struct ship_rows *ship_rows_new(void); /* NULL when out of memory */
void ship_rows_free(struct ship_rows *r);

/* What cohort.ingest() said: of this batch, and of its queue up to here. */
struct ship_result {
    int64_t batch_id; /* 0: the groups were stored already, nothing was done */
    int stored, duplicates, dead;
    int64_t total_accepted, total_stored, total_duplicates, total_dead, total_conflicts;
};

/* Where the rows go. */
struct ship_target {
    struct pg *pg;
    const char *spool, *node; /* the queue's id as text, the server's name */
    int wait_ms;              /* for each answer: pg_ask_within */
};

/* One transaction with the first n records of the batch and the watermark at its last group; rolled back when
 * commit is false (a trial) or something fails. After an ERR_UNAVAILABLE of the COMMIT itself nobody knows
 * whether it happened: ask for the watermark. */
int ship_rows_send(struct ship_rows *r, const struct ship_target *t, const struct ship_batch *b, size_t n,
                   bool commit, struct ship_result *out, struct pg_error *e);

#endif
