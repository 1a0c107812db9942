/* Fills spools and ships them, for shipper.sh. Records follow from a seed, so that the same ones can be made
 * twice.
 *   ship_tool push FILE SEED UNITS TS_US     an exposure, an outcome and a decision of each unit
 *   ship_tool poison FILE SEED TS_US         three outcomes that PostgreSQL refuses, among six it takes
 *   ship_tool damage FILE SEED TS_US         a group whose end is no record, and a sound one after it
 *   ship_tool ship FILE DSN NODE BATCH_BYTES [BATCHES]   ships everything, or stops after so many batches
 *   ship_tool stop FILE DSN NODE             ships until a line comes on standard input, then stops within
 * 500 ms
 */
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/record.h"
#include "spool/spool.h"
#include "store/shipper.h"

enum { WAIT_S = 120, PUSH_UNITS = 10 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "ship_tool: %s: %s\n", what, why);
    exit(1);
}

static struct spool *open_spool(const char *path)
{
    struct spool_options o = {path, 1ull << 40, 1000, 4096};
    struct spool *s;
    struct error e;
    if (spool_open(&s, &o, &e) != ERR_OK)
        die("spool_open", e.text);
    return s;
}

static void make_id(const char *what, unsigned long seed, unsigned long i, uint8_t out[16])
{
    char name[96];
    uint8_t hash[32];
    int n = snprintf(name, sizeof name, "%s %lu %lu", what, seed, i);
    crypto_hash_sha256(hash, (const uint8_t *)name, (unsigned long long)n);
    memcpy(out, hash, 16);
}

static struct record_text text(const char *s)
{
    return (struct record_text){s, strlen(s)};
}

static struct record exposure(unsigned long seed, unsigned long i, int64_t ts)
{
    struct record r = {.kind = RECORD_EXPOSURE};
    struct record_exposure *x = &r.u.exposure;
    make_id("unit", seed, i, x->unit.bytes);
    make_id("exposure", seed, i, x->event_id);
    x->experiment_id = 1;
    x->variant_id = 1 + (int32_t)(i % 2);
    x->phase_id = 1;
    x->propensity_ppm = 500000;
    x->inclusion_ppm = i % 3 ? 1000000 : -1;
    x->ts_us = ts;
    x->trusted = true;
    return r;
}

static struct record outcome(unsigned long seed, unsigned long i, int64_t ts)
{
    struct record r = {.kind = RECORD_OUTCOME};
    struct record_outcome *o = &r.u.outcome;
    make_id("unit", seed, i, o->unit.bytes);
    make_id("outcome", seed, i, o->event_id);
    o->ts_us = ts + 1;
    o->name = text("unsubscribe");
    o->has_value = i % 2;
    o->value_micro = (int64_t)i * 1000000;
    o->attributes = text(i % 5 ? "" : "{\"plan\":\"pro\"}");
    o->trusted = true;
    return r;
}

static struct record decision(unsigned long seed, unsigned long i, int64_t ts)
{
    struct record r = {.kind = RECORD_DECISION};
    struct record_decision *d = &r.u.decision;
    make_id("unit", seed, i, d->unit.bytes);
    make_id("decision", seed, i, d->decision_id);
    d->ts_us = ts;
    d->flag_id = 1;
    d->experiment_id = 1;
    d->variant_id = i % 7 ? 1 + (int32_t)(i % 2) : 0;
    d->reason = text("VARIANT");
    d->propensity_ppm = 500000;
    d->inclusion_ppm = 1000000;
    d->plan_version = 3;
    return r;
}

/* Records on their way into one push. */
struct pile {
    uint8_t bytes[65536];
    size_t len;
    unsigned n;
};

static void pile_add(struct pile *p, const struct record *r)
{
    size_t n = record_write(r, p->bytes + p->len, sizeof p->bytes - p->len);
    if (n == 0)
        die("record_write", "no room");
    p->len += n;
    p->n++;
}

static void on_done(void *arg, int code, const struct error *e)
{
    (void)arg;
    if (code != ERR_OK)
        die("commit", e->text);
}

static void pile_push(struct pile *p, struct spool *s)
{
    if (p->n > 0 && spool_push(s, p->bytes, p->len, p->n, on_done, NULL) != ERR_OK)
        die("spool_push", "refused");
    p->len = 0;
    p->n = 0;
}

static void push(const char *path, unsigned long seed, unsigned long units, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < units; i++) {
        struct record r[] = {exposure(seed, i, ts), outcome(seed, i, ts), decision(seed, i, ts)};
        for (int k = 0; k < 3; k++)
            pile_add(&p, &r[k]);
        if (i % PUSH_UNITS == PUSH_UNITS - 1)
            pile_push(&p, s);
    }
    pile_push(&p, s);
    spool_close(s);
}

static void push_poison(const char *path, unsigned long seed, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < 9; i++) {
        struct record r = outcome(seed, i, ts);
        if (i == 2)
            r.u.outcome.attributes = text("this is not JSON");
        if (i == 3)
            r.u.outcome.name = text("\xff\xfe");
        if (i == 8)
            r.u.outcome.ts_us = INT64_MIN;
        pile_add(&p, &r);
    }
    pile_push(&p, s);
    spool_close(s);
}

static void push_damage(const char *path, unsigned long seed, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < 4; i++) {
        struct record r = outcome(seed, i, ts);
        pile_add(&p, &r);
    }
    memset(p.bytes + p.len - 20, 0xEE, 40); /* the last record's end, and 20 bytes more */
    p.len += 20;
    pile_push(&p, s);
    spool_close(s); /* so that what follows is another group */
    s = open_spool(path);
    struct record r = outcome(seed, 10, ts);
    pile_add(&p, &r);
    pile_push(&p, s);
    spool_close(s);
}

/* The shipper's source, which remembers how far it was asked to forget. */
struct watched {
    struct spool *spool;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t forgotten;
    struct counters counters;
};

static void source_id(void *arg, uint8_t out[16])
{
    spool_id(((struct watched *)arg)->spool, out);
}

static int source_read(void *arg, uint64_t after, size_t max_bytes, unsigned wait_ms, uint64_t *first,
                       uint64_t *last, uint8_t **bytes, size_t *len, struct error *e)
{
    struct spool_groups g;
    int code = spool_read(((struct watched *)arg)->spool, after, max_bytes, wait_ms, &g, e);
    if (code == ERR_OK) {
        *first = g.first;
        *last = g.last;
        *bytes = g.bytes;
        *len = g.len;
    }
    return code;
}

static void source_release(void *arg, uint8_t *bytes)
{
    (void)arg;
    free(bytes);
}

static int source_forget(void *arg, uint64_t last, struct error *e)
{
    struct watched *w = arg;
    pthread_mutex_lock(&w->lock);
    w->forgotten = last;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return spool_delete(w->spool, last, 3600 * 1000, e);
}

static uint64_t last_group(struct spool *s)
{
    uint64_t last = 0, before;
    struct error e;
    do {
        struct spool_groups g;
        before = last;
        if (spool_read(s, last, 1 << 20, 0, &g, &e) != ERR_OK)
            die("spool_read", e.text);
        if (g.last)
            last = g.last;
        spool_groups_free(&g);
    } while (last != before);
    return last;
}

static bool has_shipped(struct watched *w, uint64_t last, int64_t batches)
{
    if (batches > 0 && counter_get(&w->counters, shipped_batches) >= batches)
        return true;
    return w->forgotten >= last;
}

static struct shipper *start(struct watched *w, const char *dsn, const char *node, size_t batch_bytes)
{
    struct shipper_options o = {
        dsn, node, batch_bytes, 50, {w, source_id, source_read, source_release, source_forget}, &w->counters};
    struct shipper *s;
    struct error e;
    if (shipper_start(&s, &o, &e) != ERR_OK)
        die("shipper_start", e.text);
    return s;
}

static void stop(const char *path, const char *dsn, const char *node)
{
    static struct watched w;
    w.spool = open_spool(path);
    struct shipper *s = start(&w, dsn, node, 65536);
    getchar();
    int64_t begin = clock_monotonic_us();
    shipper_stop(s, 500);
    printf("stopped after %" PRId64 " ms\n", (clock_monotonic_us() - begin) / 1000);
    spool_close(w.spool);
}

static void ship(const char *path, const char *dsn, const char *node, size_t batch_bytes, int64_t batches)
{
    static struct watched w;
    w.spool = open_spool(path);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    uint64_t last = last_group(w.spool), first = 0;
    struct spool_groups g;
    struct error e;
    if (spool_read(w.spool, 0, 1, 0, &g, &e) == ERR_OK)
        first = g.first;
    spool_groups_free(&g);
    int64_t begin = clock_monotonic_us();
    struct shipper *s = start(&w, dsn, node, batch_bytes);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&w.lock);
    while (!has_shipped(&w, last, batches)) {
        if (pthread_cond_timedwait(&w.changed, &w.lock, &until) != 0)
            die("ship", "not everything was shipped in time");
    }
    pthread_mutex_unlock(&w.lock);
    int64_t spent = clock_monotonic_us() - begin;
    shipper_stop(s, batches > 0 ? 0 : 5000);
    spool_close(w.spool);
    printf("groups=%" PRIu64 " batches=%" PRId64 " rows=%" PRId64 " duplicates=%" PRId64 " errors=%" PRId64
           " ms=%" PRId64 "\n",
           last ? last - first + 1 : 0, counter_get(&w.counters, shipped_batches),
           counter_get(&w.counters, shipped_rows), counter_get(&w.counters, shipped_duplicates),
           counter_get(&w.counters, ship_errors), spent / 1000);
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        die("sodium_init", "failed");
    if (argc == 6 && strcmp(argv[1], "push") == 0)
        push(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), strtoll(argv[5], NULL, 10));
    else if (argc == 5 && strcmp(argv[1], "poison") == 0)
        push_poison(argv[2], strtoul(argv[3], NULL, 10), strtoll(argv[4], NULL, 10));
    else if (argc == 5 && strcmp(argv[1], "damage") == 0)
        push_damage(argv[2], strtoul(argv[3], NULL, 10), strtoll(argv[4], NULL, 10));
    else if (argc >= 6 && strcmp(argv[1], "ship") == 0)
        ship(argv[2], argv[3], argv[4], strtoul(argv[5], NULL, 10),
             argc > 6 ? strtoll(argv[6], NULL, 10) : 0);
    else if (argc == 5 && strcmp(argv[1], "stop") == 0)
        stop(argv[2], argv[3], argv[4]);
    else
        die("usage", "see the top of ship_tool.c");
    return 0;
}
