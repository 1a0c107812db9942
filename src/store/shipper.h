/* Takes groups from a source (the spool) to PostgreSQL: COPY into staging, cohort.ingest() with the watermark
 * in the same transaction, then lets the source forget them. A thread of its own. */
#ifndef COHORT_STORE_SHIPPER_H
#define COHORT_STORE_SHIPPER_H

#include "base/counters.h"
#include "store/ship_mark.h"

struct shipper;

/* Groups of the queue, in order. */
struct source_groups {
    uint64_t first, last; /* 0, 0: none */
    uint64_t accepted;    /* records ever accepted into the queue's file, up to and with `last` */
    unsigned n_records;   /* in these groups */
    uint8_t *bytes;       /* to be freed with release */
    size_t len;
    size_t weight; /* what a batch's size is measured by: their bytes, or more when their records are small */
};

/* What the queue counts, read in one piece. */
struct source_counts {
    uint64_t accepted; /* records ever accepted into the file */
    uint64_t deleted;  /* of those, the ones in groups that were deleted as shipped */
    uint64_t failed;   /* records it could not keep, since the start */
    uint64_t damaged;  /* groups set aside */
};

/* What the shipper needs of the queue; cohortd fills it from spool.h. read waits up to wait_ms. */
struct group_source {
    void *arg;
    void (*id)(void *arg, uint8_t out[16]);
    /* groups after `after`, up to a weight of about max_bytes, at least one when there is one */
    int (*read)(void *arg, uint64_t after, size_t max_bytes, unsigned wait_ms, struct source_groups *out,
                struct error *e);
    void (*release)(void *arg, uint8_t *bytes);
    int (*forget)(void *arg, uint64_t last, struct error *e);
    uint64_t (*last)(void *arg);                          /* the highest number ever given */
    int (*renew)(void *arg, struct error *e);             /* a new id, durable before it returns */
    void (*counts)(void *arg, struct source_counts *out); /* any thread */
    /* Keeps the last mark over a restart, so that the books are whole before the database answers. NULL: not
     * kept. A stale one is as good: its watermark and its sums belong together. */
    void (*remember)(void *arg, const struct ship_mark *m);
    bool (*recall)(void *arg, struct ship_mark *out);
};

struct shipper_options {
    const char *conninfo;
    const char *node;     /* this node's name in cohort.spool */
    size_t batch_bytes;   /* a batch's weight when far behind: about 4 MB; less while the database is slow */
    unsigned interval_ms; /* 150: how long a small batch waits for company */
    struct group_source source;
    struct counters *counters;
};

/* Starts the thread. Strings and counters must outlive it. */
int shipper_start(struct shipper **out, const struct shipper_options *o, struct error *e);

/* The books, in one piece, from any thread: counters.h. false: not known yet. */
bool shipper_ledger(struct shipper *s, struct ledger *out);

/* Ships what is left for at most drain_ms, then stops; at once when the database is away. Whatever is not
 * shipped stays in the source. A server that hangs delays it by the time-out of one connection attempt. */
void shipper_stop(struct shipper *s, unsigned drain_ms);

#endif
