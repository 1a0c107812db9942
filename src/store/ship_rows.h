/* The rows of a batch: into the staging tables by COPY, then into the real ones by cohort.ingest(). */
#ifndef COHORT_STORE_SHIP_ROWS_H
#define COHORT_STORE_SHIP_ROWS_H

#include "store/copy_binary.h"
#include "store/ship_batch.h"

struct ship_rows; /* memory kept from batch to batch */

struct ship_rows *ship_rows_new(void); /* NULL when out of memory */
void ship_rows_free(struct ship_rows *r);

/* What cohort.ingest() said. */
struct ship_result {
    int64_t batch_id; /* 0: the groups were stored already, nothing was done */
    int stored, duplicates, dead;
};

/* One transaction with the first n records of the batch and the watermark at its last group; rolled back when
 * commit is false (a trial) or something fails. spool: its id as text. After an ERR_UNAVAILABLE of the COMMIT
 * itself nobody knows whether it happened: ask for the watermark. */
int ship_rows_send(struct ship_rows *r, struct pg *p, const char *spool, const char *node,
                   const struct ship_batch *b, size_t n, bool commit, struct ship_result *out,
                   struct pg_error *e);

#endif
