#include "store/shipper.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/ship_private.h"
#include "store/ship_refused.h"

enum {
    STATEMENT_MAX_MS = 3600000, /* for one group that can't be made smaller */
    TICK_US = 1000000,          /* forgetting and reporting */
    BATCH_MIN = 64 * 1024,
    SLOW_MS = 2000,   /* a batch that takes longer is followed by smaller ones, so that its locks are short */
    FAST_MS = 500,    /* a full one that takes less, by larger ones */
    LOST_MAX = 50000, /* dead letters for lost records in one batch; beyond it cohort.ingest_audit's balance
                       * shows them */
};

static void forget(struct shipper *s)
{
    struct error e;
    bool failed = s->options.source.forget(s->options.source.arg, s->books.mark.watermark, &e) != ERR_OK;
    if (failed && !s->forget_failing)
        log_warn("shipper", "shipped groups stay in the spool for now: %s", e.text);
    s->forget_failing = failed;
    s->forgotten = s->books.mark.watermark;
}

static int report(struct shipper *s, struct pg_error *e)
{
    struct source_counts now;
    s->options.source.counts(s->options.source.arg, &now);
    if (now.accepted == s->reported)
        return ERR_OK;
    int code = ship_mark_report(s->pg, s->spool, s->options.node, now.accepted, shipper_wait_of(s), e);
    if (code == ERR_OK)
        s->reported = now.accepted;
    return code;
}

/* Once a second, and what is stored is forgotten at once when nothing else is to be done. */
static int tick(struct shipper *s, bool idle, struct pg_error *e)
{
    int64_t now = clock_monotonic_us();
    bool due = now - s->ticked_us >= TICK_US;
    if (due || (idle && s->forgotten != s->books.mark.watermark))
        forget(s);
    if (!due)
        return ERR_OK;
    s->ticked_us = now;
    int code = report(s, e);
    /* Nothing may be left to send, and yet much to send again: a database that was restored says so when it
     * is asked anew. */
    if (code == ERR_OK && !pg_alive_idle(s->pg))
        code = pg_error_from(e, pg_conn(s->pg), NULL);
    return code;
}

static void count(struct shipper *s, const struct ship_result *r, size_t refused)
{
    counter_add(s->options.counters, shipped_batches, 1);
    counter_add(s->options.counters, shipped_rows, r->stored);
    counter_add(s->options.counters, shipped_duplicates, r->duplicates);
    if (refused > 0)
        log_warn("shipper",
                 "PostgreSQL refused %zu records of group %" PRIu64
                 "; they are in dead_letter with reason refused_by_database",
                 refused, s->batch.last);
}

/* A database that is slow gets less at a time. */
static void adapt(struct shipper *s, size_t weight, int64_t started_us)
{
    int64_t ms = (clock_monotonic_us() - started_us) / 1000;
    size_t max = s->options.batch_bytes;
    if (ms > SLOW_MS && weight > BATCH_MIN)
        s->batch_bytes = weight / 2 > BATCH_MIN ? weight / 2 : BATCH_MIN;
    else if (ms < FAST_MS && weight >= s->batch_bytes && s->batch_bytes < max)
        s->batch_bytes = 2 * s->batch_bytes < max ? 2 * s->batch_bytes : max;
    s->statement_ms = STATEMENT_MS;
}

/* The statement's time was up (or the server hung): less at a time, and a group that can't be divided gets
 * more time, so that it can't be tried for ever. */
static void out_of_time(struct shipper *s, size_t weight)
{
    s->batch_bytes = weight / 2 > BATCH_MIN ? weight / 2 : BATCH_MIN;
    if (s->batch.first == s->batch.last && 2 * s->statement_ms <= STATEMENT_MAX_MS)
        s->statement_ms *= 2;
}

/* Sends the decoded batch. A refused one of several groups is sent again group by group, then record by
 * record: ERR_OK without progress. */
static int ship(struct shipper *s, size_t weight, struct pg_error *e)
{
    const struct ship_target target = {s->pg, s->spool, s->options.node, shipper_wait_of(s)};
    struct ship_result result = {0};
    size_t refused = 0;
    int64_t started = clock_monotonic_us();
    s->sent_until = s->batch.last;
    int code = ship_rows_send(s->rows, &target, &s->batch, s->batch.n, true, &result, e);
    if (code != ERR_OK && ship_is_refusal(e)) {
        if (s->batch.first != s->batch.last) {
            s->single_until = s->batch.last;
            return ERR_OK;
        }
        code = ship_refused(s->rows, &target, &s->batch, &result, &refused, e);
    }
    if (code != ERR_OK) {
        if (clock_monotonic_us() - started >= (int64_t)s->statement_ms * 1000)
            out_of_time(s, weight);
        return code;
    }
    if (result.batch_id == 0) /* not by us: the watermark was asked for before we sent */
        return shipper_renew(s, "the database has groups that were not sent from here", e);
    ship_books_add(&s->books, &s->batch, &result);
    count(s, &result, refused);
    shipper_succeeded(s);
    adapt(s, weight, started);
    return ERR_OK;
}

static int add_damage(struct shipper *s, const struct source_groups *g, size_t lost)
{
    size_t n = g->n_records > s->batch.n ? g->n_records - s->batch.n : 0;
    log_error("shipper",
              "group %" PRIu64
              ": after %zu records come %zu bytes that are no record; %zu dead letters stand for them",
              g->last, s->batch.n, lost, n);
    return ship_batch_add_damage(&s->batch, g->bytes + g->len - lost, lost, n, clock_wall_us());
}

static int add_lost(struct shipper *s, int64_t n)
{
    log_error("shipper",
              "%" PRId64 " records accepted after group %" PRIu64 " are not in the spool any more%s", n,
              s->books.mark.watermark,
              n > LOST_MAX ? "; cohort.ingest_audit shows them as missing" : "; dead letters stand for them");
    return n > LOST_MAX ? ERR_OK
                        : ship_batch_add_lost(&s->batch, s->books.mark.watermark, (size_t)n, clock_wall_us());
}

static int ship_groups(struct shipper *s, const struct source_groups *g, struct pg_error *e)
{
    size_t lost;
    int64_t missing = ship_books_missing(&s->books, g);
    if (missing < 0)
        return shipper_renew(s, "the spool is not the one whose groups the database has", e);
    int code = ship_batch_decode(&s->batch, g->first, g->last, g->bytes, g->len, &lost);
    s->batch.accepted = g->accepted;
    if (code == ERR_DAMAGED && g->first != g->last) {
        s->single_until = g->last; /* the damage then costs only its own group */
        return ERR_OK;
    }
    if (code == ERR_DAMAGED)
        code = add_damage(s, g, lost);
    if (code == ERR_OK && missing > 0)
        code = add_lost(s, missing);
    if (code != ERR_OK)
        return error_set(&e->error, code, NULL, "out of memory for a batch of %zu bytes", g->len);
    return ship(s, g->weight, e);
}

/* Reads what comes after the watermark and ships it. *weight: how much there was. */
static int ship_next(struct shipper *s, unsigned wait, size_t *weight, struct pg_error *e)
{
    const struct group_source *source = &s->options.source;
    struct source_groups g = {0};
    uint64_t after = s->books.mark.watermark;
    memset(e, 0, sizeof *e);
    *weight = 0;
    int code =
        source->read(source->arg, after, after < s->single_until ? 1 : s->batch_bytes, wait, &g, &e->error);
    if (code != ERR_OK)
        return code;
    if (g.first != 0) {
        code = ship_groups(s, &g, e);
        *weight = g.weight > 0 ? g.weight : 1; /* groups without records are progress too */
    }
    source->release(source->arg, g.bytes);
    return code;
}

/* A small batch is followed by a pause, so that the next finds company; a large one is not: it is behind. */
static void pace(struct shipper *s, size_t weight, int64_t started_us)
{
    int64_t spent_ms = (clock_monotonic_us() - started_us) / 1000;
    if (weight < s->batch_bytes / 2 && s->books.mark.watermark >= s->single_until &&
        spent_ms < s->options.interval_ms)
        shipper_wait(s, (unsigned)(s->options.interval_ms - spent_ms));
}

/* One round; false: nothing was left to ship, or nowhere to ship it to. */
static bool run_round(struct shipper *s, bool stopping)
{
    struct pg_error e;
    size_t weight = 0;
    int64_t started = clock_monotonic_us();
    if (shipper_ready(s, &e) != ERR_OK) {
        shipper_failed(s, &e);
        return !stopping;
    }
    if (ship_next(s, stopping ? 0 : s->options.interval_ms, &weight, &e) != ERR_OK ||
        tick(s, weight == 0, &e) != ERR_OK) {
        shipper_failed(s, &e);
        return true;
    }
    if (weight > 0 && !stopping)
        pace(s, weight, started);
    if (weight == 0)
        shipper_succeeded(s);
    return weight > 0;
}

static void *shipper_main(void *arg)
{
    struct shipper *s = arg;
    bool time_is_up, stopping, more = true;
    pthread_setname_np(pthread_self(), "shipper");
    do {
        stopping = shipper_is_stopping(s, &time_is_up);
        if (!time_is_up)
            more = run_round(s, stopping);
    } while (!time_is_up && (more || !stopping));
    shipper_set_connection(s, NULL);
    pthread_mutex_lock(&s->lock);
    s->finished = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void shipper_free(struct shipper *s)
{
    ship_rows_free(s->rows);
    ship_batch_free(&s->batch);
    ship_books_destroy(&s->books);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int shipper_start(struct shipper **out, const struct shipper_options *o, struct error *e)
{
    struct shipper *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    s->options = *o;
    s->backoff_ms = BACKOFF_MIN_MS;
    s->batch_bytes = o->batch_bytes;
    s->statement_ms = STATEMENT_MS;
    o->source.id(o->source.arg, s->id);
    ship_id_text(s->id, s->spool);
    ship_books_init(&s->books, &s->options.source);
    s->rows = ship_rows_new();
    if (!s->rows || pthread_create(&s->thread, NULL, shipper_main, s) != 0) {
        shipper_free(s);
        return error_set(e, ERR_NOMEM, NULL, "the shipper's thread can't be started");
    }
    *out = s;
    return ERR_OK;
}

bool shipper_ledger(struct shipper *s, struct ledger *out)
{
    return ship_books_read(&s->books, out);
}

void shipper_stop(struct shipper *s, unsigned drain_ms)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    s->drain_until_us = clock_monotonic_us() + (int64_t)drain_ms * 1000;
    pthread_cond_broadcast(&s->changed);
    struct timespec t = {s->drain_until_us / 1000000, s->drain_until_us % 1000000 * 1000};
    while (!s->finished) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &t) != 0)
            break;
    }
    if (!s->finished && s->pg)
        pg_interrupt(s->pg);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    shipper_free(s);
}
