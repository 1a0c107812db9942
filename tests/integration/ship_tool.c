/* Fills spools and ships them, for shipper.sh. Records follow from a seed, so that the same ones can be made
 * twice.
 *   ship_tool push FILE SEED UNITS TS_US     an exposure, an outcome and a decision of each unit
 *   ship_tool poison FILE SEED TS_US         three outcomes that PostgreSQL refuses, among six it takes
 *   ship_tool poison-all FILE SEED TS_US     24 records of all kinds in one group, six refused
 *   ship_tool giant FILE SEED UNITS TS_US    one group of so many outcomes, a few refused
 *   ship_tool damage FILE SEED TS_US         a group whose end is no record, and a sound one after it
 *   ship_tool ship FILE DSN NODE BATCH_BYTES [BATCHES]   ships everything, or stops after so many batches
 *   ship_tool books FILE                     what the books say while no database answers
 *   ship_tool stop FILE DSN NODE             ships until a line comes on standard input, then stops within
 * 500 ms
 */
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/source.h"
#include "ship_fill.h"

enum { WAIT_S = 120 };

/* The spool as cohortd gives it to its shipper, remembering how far it was asked to forget. */
struct watched {
    struct source source; /* first: a pointer to it is one to the whole */
    struct spool *spool;
    struct shipper *shipper;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t forgotten;
    int64_t forgotten_id; /* of the id, its first bytes: it may be renewed */
    bool over;
    int64_t batches; /* so many are given out; 0: all there are */
    int64_t given;   /* the shipper's thread */
    struct counters counters;
};

static int64_t id_of(struct spool *s)
{
    uint8_t id[16];
    int64_t n;
    spool_id(s, id);
    memcpy(&n, id, sizeof n);
    return n;
}

/* What is not given can't be shipped: it stops after exactly so many batches, however fast it is. */
static int watch_read(void *arg, uint64_t after, size_t max_bytes, unsigned wait_ms,
                      struct source_groups *out, struct error *e)
{
    struct watched *w = arg;
    if (w->batches > 0 && w->given >= w->batches)
        after = spool_last(w->spool);
    int code = source_for_shipper(&w->source).read(&w->source, after, max_bytes, wait_ms, out, e);
    w->given += code == ERR_OK && out->first != 0;
    return code;
}

static int watch_forget(void *arg, uint64_t last, struct error *e)
{
    struct watched *w = arg;
    pthread_mutex_lock(&w->lock);
    w->forgotten = last;
    w->forgotten_id = id_of(w->spool);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return spool_delete(w->spool, last, 3600 * 1000, e);
}

static bool has_shipped(struct watched *w)
{
    if (w->batches > 0 && counter_get(&w->counters, shipped_batches) >= w->batches)
        return true;
    return w->forgotten >= spool_last(w->spool) && w->forgotten_id == id_of(w->spool);
}

static void watch_open(struct watched *w, const char *path)
{
    char kept[4096];
    w->spool = open_spool(path);
    snprintf(kept, sizeof kept, "%s.shipped", path);
    source_open(&w->source, w->spool, 3600 * 1000, kept);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
}

static void watch_close(struct watched *w)
{
    source_close(&w->source);
    spool_close(w->spool);
}

static void start(struct watched *w, const char *dsn, const char *node, size_t batch_bytes)
{
    struct shipper_options o = {dsn, node, batch_bytes, 50, source_for_shipper(&w->source), &w->counters};
    struct error e;
    o.source.forget = watch_forget;
    o.source.read = watch_read;
    if (shipper_start(&w->shipper, &o, &e) != ERR_OK)
        die("shipper_start", e.text);
}

static bool balanced(const struct ledger *l)
{
    return l->accepted == l->stored + l->duplicates + l->dead_letters + l->spooled && l->spooled >= 0;
}

/* Reads the books as fast as it can while the shipper works: every reading balances. */
static void *read_books(void *arg)
{
    struct watched *w = arg;
    struct ledger l;
    bool over = false;
    while (!over) {
        if (shipper_ledger(w->shipper, &l) && !balanced(&l)) {
            fprintf(stderr,
                    "accepted %" PRId64 " stored %" PRId64 " duplicates %" PRId64 " dead %" PRId64
                    " spooled %" PRId64 "\n",
                    l.accepted, l.stored, l.duplicates, l.dead_letters, l.spooled);
            die("the books", "a reading does not balance");
        }
        pthread_mutex_lock(&w->lock);
        over = w->over;
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static void print_books(const char *name, bool known, const struct ledger *l)
{
    if (known)
        printf(" %s=%" PRId64 "=%" PRId64 "+%" PRId64 "+%" PRId64 "+%" PRId64, name, l->accepted, l->stored,
               l->duplicates, l->dead_letters, l->spooled);
    else
        printf(" %s=unknown", name);
}

static void stop(const char *path, const char *dsn, const char *node)
{
    static struct watched w;
    struct rusage before, after;
    watch_open(&w, path);
    getrusage(RUSAGE_SELF, &before);
    start(&w, dsn, node, 4 << 20);
    getchar();
    int64_t begin = clock_monotonic_us();
    shipper_stop(w.shipper, 500);
    printf("stopped after %" PRId64 " ms\n", (clock_monotonic_us() - begin) / 1000);
    getrusage(RUSAGE_SELF, &after);
    printf("grew by %ld KB\n", after.ru_maxrss - before.ru_maxrss);
    watch_close(&w);
}

/* What the books say before the database is asked: nothing answers at this address. */
static void books(const char *path)
{
    static struct watched w;
    struct ledger l;
    watch_open(&w, path);
    start(&w, "host=/nonexistent dbname=none", "none", 65536);
    bool known = shipper_ledger(w.shipper, &l);
    print_books("books", known, &l);
    printf(" %s\n", known && balanced(&l) ? "balanced" : "unbalanced");
    shipper_stop(w.shipper, 0);
    watch_close(&w);
}

static void ship(const char *path, const char *dsn, const char *node, size_t batch_bytes, int64_t batches)
{
    static struct watched w;
    struct ledger l;
    pthread_t reader;
    watch_open(&w, path);
    w.batches = batches;
    int64_t begin = clock_monotonic_us();
    start(&w, dsn, node, batch_bytes);
    pthread_create(&reader, NULL, read_books, &w);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&w.lock);
    while (!has_shipped(&w)) {
        if (pthread_cond_timedwait(&w.changed, &w.lock, &until) != 0)
            die("ship", "not everything was shipped in time");
    }
    w.over = true;
    pthread_mutex_unlock(&w.lock);
    int64_t spent = clock_monotonic_us() - begin;
    pthread_join(reader, NULL);
    bool known = shipper_ledger(w.shipper, &l);
    shipper_stop(w.shipper, batches > 0 ? 0 : 5000);
    printf("batches=%" PRId64 " rows=%" PRId64 " duplicates=%" PRId64 " errors=%" PRId64,
           counter_get(&w.counters, shipped_batches), counter_get(&w.counters, shipped_rows),
           counter_get(&w.counters, shipped_duplicates), counter_get(&w.counters, ship_errors));
    print_books("books", known, &l);
    printf(" ms=%" PRId64 "\n", spent / 1000);
    watch_close(&w);
}

static int64_t number(const char *s)
{
    return strtoll(s, NULL, 10);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    if (sodium_init() < 0)
        die("sodium_init", "failed");
    if (argc == 6 && strcmp(what, "push") == 0)
        fill_push(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), number(argv[5]));
    else if (argc == 6 && strcmp(what, "giant") == 0)
        fill_giant(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), number(argv[5]));
    else if (argc == 5 && strcmp(what, "poison") == 0)
        fill_poison(argv[2], strtoul(argv[3], NULL, 10), number(argv[4]));
    else if (argc == 5 && strcmp(what, "poison-all") == 0)
        fill_poison_all(argv[2], strtoul(argv[3], NULL, 10), number(argv[4]));
    else if (argc == 5 && strcmp(what, "damage") == 0)
        fill_damage(argv[2], strtoul(argv[3], NULL, 10), number(argv[4]));
    else if (argc >= 6 && strcmp(what, "ship") == 0)
        ship(argv[2], argv[3], argv[4], strtoul(argv[5], NULL, 10), argc > 6 ? number(argv[6]) : 0);
    else if (argc == 5 && strcmp(what, "stop") == 0)
        stop(argv[2], argv[3], argv[4]);
    else if (argc == 3 && strcmp(what, "books") == 0)
        books(argv[2]);
    else
        die("usage", "see the top of ship_tool.c");
    return 0;
}
