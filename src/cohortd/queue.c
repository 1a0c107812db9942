#include "cohortd/queue.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "cohortd/files.h"
#include "cohortd/queue_watch.h"
#include "cohortd/source.h"
#include "store/ship_books.h"

#define GROUP_US 2000
#define GROUP_BYTES 65536
#define BATCH_BYTES (4 << 20)

struct queue {
    const struct config *c;
    const struct datadir *dir;
    struct counters *counters;
    struct spool *spool;
    struct queue_watch watch;
    struct source source;
    struct shipper *shipper;
    _Atomic(struct shipper *) ledger_of; /* the same, for any thread */
};

/* Any thread. Before the shipper runs, the books are those of the last run. */
static bool read_ledger(void *arg, struct ledger *out)
{
    struct queue *q = arg;
    struct shipper *shipper = atomic_load(&q->ledger_of);
    if (shipper)
        return shipper_ledger(shipper, out);
    struct group_source source = source_for_shipper(&q->source);
    struct ship_books books;
    ship_books_init(&books, &source);
    bool known = ship_books_read(&books, out);
    ship_books_destroy(&books);
    return known;
}

static int open_spool(struct queue *q, struct error *e)
{
    char *path = file_path(datadir_path(q->dir), "spool.db");
    struct spool_options o = {path, (uint64_t)q->c->spool_max_bytes, GROUP_US, GROUP_BYTES};
    int code = path ? spool_open(&q->spool, &o, e) : error_set(e, ERR_NOMEM, NULL, "out of memory");
    free(path);
    return code;
}

static int open_source(struct queue *q, struct error *e)
{
    char *path = file_path(datadir_path(q->dir), "shipped");
    if (!path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    source_open(&q->source, q->spool, (unsigned)q->c->spool_grace_seconds * 1000u, path);
    free(path);
    q->counters->ledger_arg = q;
    q->counters->read_ledger = read_ledger;
    return ERR_OK;
}

int queue_open(struct queue **out, const struct config *c, const struct datadir *dir,
               struct counters *counters, struct error *e)
{
    struct queue *q = calloc(1, sizeof *q);
    if (!q)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    q->c = c;
    q->dir = dir;
    q->counters = counters;
    int code = open_spool(q, e);
    if (code == ERR_OK)
        code = open_source(q, e);
    if (code != ERR_OK) {
        queue_close(q, 0);
        return code;
    }
    *out = q;
    return ERR_OK;
}

struct spool *queue_spool(struct queue *q)
{
    return q->spool;
}

int queue_ship(struct queue *q, const char *conninfo, struct error *e)
{
    struct shipper_options o = {.conninfo = conninfo,
                                .node = datadir_node(q->dir),
                                .batch_bytes = BATCH_BYTES,
                                .interval_ms = (unsigned)q->c->ship_interval_ms,
                                .source = source_for_shipper(&q->source),
                                .counters = q->counters};
    if (q->shipper)
        return ERR_OK;
    int code = shipper_start(&q->shipper, &o, e);
    if (code == ERR_OK)
        atomic_store(&q->ledger_of, q->shipper);
    return code;
}

bool queue_ships(const struct queue *q)
{
    return q->shipper != NULL;
}

void queue_tick(struct queue *q)
{
    struct spool_stats stats;
    spool_stats(q->spool, &stats);
    counter_set(q->counters, spool_groups, (int64_t)stats.groups);
    counter_set(q->counters, spool_bytes, (int64_t)stats.bytes);
    counter_set(q->counters, spool_unshipped_bytes, (int64_t)stats.unshipped_bytes);
    counter_set(q->counters, spool_commits, (int64_t)stats.commits);
    queue_watch_tick(&q->watch, q->spool, q->counters);
}

void queue_close(struct queue *q, unsigned drain_ms)
{
    if (!q)
        return;
    /* The shipper reads the spool, so it stops first. */
    if (q->shipper)
        shipper_stop(q->shipper, drain_ms);
    source_close(&q->source);
    if (q->spool)
        spool_close(q->spool);
    free(q);
}
