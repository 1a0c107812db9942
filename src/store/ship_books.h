/* The shipper's books: where the queue stands, shared with whoever reads /metrics. */
#ifndef COHORT_STORE_SHIP_BOOKS_H
#define COHORT_STORE_SHIP_BOOKS_H

#include <pthread.h>

#include "store/ship_batch.h"
#include "store/ship_rows.h"
#include "store/shipper.h"

struct ship_books {
    const struct group_source *source;
    pthread_mutex_t lock;  /* guards the mark */
    struct ship_mark mark; /* written by the shipper's thread only */
    bool known;            /* the mark is true of the queue's id, as the database said once */
};

/* Begins with the mark that the source kept, when it fits. */
void ship_books_init(struct ship_books *b, const struct group_source *source);
void ship_books_destroy(struct ship_books *b);

/* A mark the database told. Where it does not know yet what of the file is this queue's, it follows from what
 * lies in the file. */
void ship_books_set(struct ship_books *b, const struct ship_mark *m);

/* A batch was committed. */
void ship_books_add(struct ship_books *b, const struct ship_batch *batch, const struct ship_result *r);

/* A new id for the queue; nothing of it is stored yet, and nothing known. id: the new one. */
int ship_books_renew(struct ship_books *b, uint8_t id[16], struct error *e);

/* How many records were accepted between the watermark and these groups, and are in neither: above 0 they are
 * gone, below 0 the file's history is not the one the database knows. */
int64_t ship_books_missing(const struct ship_books *b, const struct source_groups *g);

bool ship_books_read(struct ship_books *b, struct ledger *out);

#endif
