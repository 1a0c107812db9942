/* Takes groups from a source (the spool) to PostgreSQL: COPY into staging, cohort.ingest() with the watermark
 * in the same transaction, then lets the source forget them. A thread of its own. */
#ifndef COHORT_STORE_SHIPPER_H
#define COHORT_STORE_SHIPPER_H

#include "base/counters.h"
#include "store/pg.h"

struct shipper;

/* What the shipper needs of the queue; cohortd fills it from spool.h. read waits up to wait_ms. */
struct group_source {
    void *arg;
    void (*id)(void *arg, uint8_t out[16]);
    /* groups after `after`: *first, *last (0, 0: none), bytes to be freed with release */
    int (*read)(void *arg, uint64_t after, size_t max_bytes, unsigned wait_ms, uint64_t *first,
                uint64_t *last, uint8_t **bytes, size_t *len, struct error *e);
    void (*release)(void *arg, uint8_t *bytes);
    int (*forget)(void *arg, uint64_t last, struct error *e);
};

struct shipper_options {
    const char *conninfo;
    const char *node;     /* this node's name in cohort.spool */
    size_t batch_bytes;   /* about 1 MB */
    unsigned interval_ms; /* 150: how long a small batch waits for company */
    struct group_source source;
    struct counters *counters;
};

/* Starts the thread. Strings and counters must outlive it. */
int shipper_start(struct shipper **out, const struct shipper_options *o, struct error *e);

/* Ships what is left for at most drain_ms, then stops. Whatever is not shipped stays in the source. */
void shipper_stop(struct shipper *s, unsigned drain_ms);

#endif
