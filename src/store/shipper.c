#include "store/shipper.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/ship_refused.h"

enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    STATEMENT_MS = 60000, /* longer than any honest batch; a hung server is given up */
    FORGET_EVERY_US = 1000000,
};

struct shipper {
    struct shipper_options options;
    char spool[37]; /* the source's id as text */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stopping, finished;
    int64_t drain_until_us;
    struct pg *pg; /* set and cleared by the thread, interrupted by shipper_stop */

    /* The thread's own. */
    struct ship_rows *rows;
    struct ship_batch batch;
    uint64_t watermark;    /* PostgreSQL has everything up to here */
    uint64_t single_until; /* groups up to here go one at a time: a batch with them was refused or damaged */
    unsigned backoff_ms;
    bool failing, forget_failing;
    char failing_state[6]; /* the SQLSTATE that was logged */
    int64_t failing_since_us, forgot_us;
};

static void id_text(const uint8_t id[16], char out[37])
{
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        p += sprintf(p, "%02x", id[i]);
    }
}

/* Waits, but not past the end of draining, and not beyond the moment somebody asks to stop. */
static void wait_ms(struct shipper *s, unsigned ms)
{
    int64_t until = clock_monotonic_us() + (int64_t)ms * 1000;
    pthread_mutex_lock(&s->lock);
    bool was_stopping = s->stopping;
    if (was_stopping && s->drain_until_us < until)
        until = s->drain_until_us;
    struct timespec t = {until / 1000000, until % 1000000 * 1000};
    while (s->stopping == was_stopping) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &t) != 0)
            break;
    }
    pthread_mutex_unlock(&s->lock);
}

static bool is_stopping(struct shipper *s, bool *time_is_up)
{
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    *time_is_up = stopping && clock_monotonic_us() >= s->drain_until_us;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

/* The pointer is swapped under the lock, so that shipper_stop never interrupts a freed connection. */
static void set_connection(struct shipper *s, struct pg *pg)
{
    pthread_mutex_lock(&s->lock);
    struct pg *old = s->pg;
    s->pg = pg;
    if (pg && s->stopping && clock_monotonic_us() >= s->drain_until_us)
        pg_interrupt(pg); /* shipper_stop came too early to find it */
    pthread_mutex_unlock(&s->lock);
    pg_close(old);
}

/* One line when it starts to fail or fails in another way, not one a try. */
static void note_failure(struct shipper *s, const struct pg_error *e)
{
    counter_add(s->options.counters, ship_errors, 1);
    if (!s->failing || strcmp(s->failing_state, e->sqlstate) != 0)
        log_warn("shipper", "events stay in the spool: %s%s%s", e->error.text, e->detail[0] ? ": " : "",
                 e->detail);
    if (!s->failing)
        s->failing_since_us = clock_monotonic_us();
    s->failing = true;
    snprintf(s->failing_state, sizeof s->failing_state, "%s", e->sqlstate);
}

static void note_success(struct shipper *s)
{
    if (s->failing)
        log_info("shipper", "events go to PostgreSQL again after %.1f s",
                 (double)(clock_monotonic_us() - s->failing_since_us) / 1e6);
    s->failing = false;
    s->backoff_ms = BACKOFF_MIN_MS;
}

/* Whatever went wrong, a new connection and the watermark say where to go on. */
static void fail(struct shipper *s, const struct pg_error *e)
{
    bool time_is_up;
    if (is_stopping(s, &time_is_up) && time_is_up)
        log_info("shipper", "stopped before everything was shipped; the rest stays in the spool");
    else
        note_failure(s, e);
    set_connection(s, NULL);
    wait_ms(s, s->backoff_ms);
    s->backoff_ms = 2 * s->backoff_ms < BACKOFF_MAX_MS ? 2 * s->backoff_ms : BACKOFF_MAX_MS;
}

static int ask_watermark(struct shipper *s, struct pg *pg, struct pg_error *e)
{
    const char *const params[] = {s->spool, s->options.node};
    PGresult *res;
    int code = pg_exec(pg, "select cohort.spool_watermark($1::uuid, $2)", 2, params, &res, e);
    if (code != ERR_OK)
        return code;
    s->watermark = strtoull(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return ERR_OK;
}

static int connect_it(struct shipper *s, struct pg_error *e)
{
    struct pg *pg;
    int code = pg_open(&pg, s->options.conninfo, "cohortd shipper", STATEMENT_MS, e);
    if (code != ERR_OK)
        return code;
    set_connection(s, pg);
    code = pg_exec(pg, "set synchronous_commit = on", 0, NULL, NULL, e);
    if (code == ERR_OK)
        code = pg_exec(pg, "select cohort.ingest_prepare()", 0, NULL, NULL, e);
    return code == ERR_OK ? ask_watermark(s, pg, e) : code;
}

static void forget(struct shipper *s)
{
    struct error e;
    s->forgot_us = clock_monotonic_us();
    bool failed = s->options.source.forget(s->options.source.arg, s->watermark, &e) != ERR_OK;
    if (failed && !s->forget_failing)
        log_warn("shipper", "shipped groups stay in the spool for now: %s", e.text);
    s->forget_failing = failed;
}

static void count(struct shipper *s, const struct ship_result *r, size_t refused)
{
    counter_add(s->options.counters, shipped_batches, r->batch_id != 0);
    counter_add(s->options.counters, shipped_rows, r->stored);
    counter_add(s->options.counters, shipped_duplicates, r->duplicates);
    if (refused > 0)
        log_warn("shipper",
                 "PostgreSQL refused %zu records of group %" PRIu64
                 "; they are in dead_letter with reason refused_by_database",
                 refused, s->batch.last);
}

/* Sends the decoded batch. A refused one of several groups is sent again group by group, then record by
 * record: ERR_OK without progress. */
static int ship(struct shipper *s, struct pg_error *e)
{
    struct ship_result result = {0};
    size_t refused = 0;
    int code =
        ship_rows_send(s->rows, s->pg, s->spool, s->options.node, &s->batch, s->batch.n, true, &result, e);
    if (code != ERR_OK && ship_is_refusal(e)) {
        if (s->batch.first != s->batch.last) {
            s->single_until = s->batch.last;
            return ERR_OK;
        }
        code = ship_refused(s->rows, s->pg, s->spool, s->options.node, &s->batch, &result, &refused, e);
    }
    if (code != ERR_OK)
        return code;
    s->watermark = s->batch.last;
    count(s, &result, refused);
    note_success(s);
    forget(s);
    return ERR_OK;
}

static int ship_bytes(struct shipper *s, uint64_t first, uint64_t last, const uint8_t *bytes, size_t len,
                      struct pg_error *e)
{
    size_t lost;
    int code = ship_batch_decode(&s->batch, first, last, bytes, len, &lost);
    if (code == ERR_DAMAGED && first != last) {
        s->single_until = last; /* the damage then costs only its own group */
        return ERR_OK;
    }
    if (code == ERR_DAMAGED) {
        log_error("shipper",
                  "group %" PRIu64
                  ": after %zu records come %zu bytes that are no record; they go to dead_letter",
                  last, s->batch.n, lost);
        code = ship_batch_add_damage(&s->batch, bytes + len - lost, lost, clock_wall_us());
    }
    if (code != ERR_OK)
        return error_set(&e->error, code, NULL, "out of memory for a batch of %zu bytes", len);
    return ship(s, e);
}

/* Reads what comes after the watermark and ships it. *len: how much there was. */
static int ship_next(struct shipper *s, unsigned wait, size_t *len, struct pg_error *e)
{
    const struct group_source *source = &s->options.source;
    uint64_t first = 0, last = 0;
    uint8_t *bytes = NULL;
    size_t max = s->watermark < s->single_until ? 1 : s->options.batch_bytes;
    memset(e, 0, sizeof *e);
    *len = 0;
    int code = source->read(source->arg, s->watermark, max, wait, &first, &last, &bytes, len, &e->error);
    if (code != ERR_OK)
        return code;
    if (first == 0) {
        source->release(source->arg, bytes);
        return ERR_OK;
    }
    if (first > s->watermark + 1)
        log_warn("shipper", "groups %" PRIu64 " to %" PRIu64 " are not in the spool (any more)",
                 s->watermark + 1, first - 1);
    code = ship_bytes(s, first, last, bytes, *len, e);
    source->release(source->arg, bytes);
    if (*len == 0)
        *len = 1; /* groups without records are progress too */
    return code;
}

/* A small batch is followed by a pause, so that the next finds company; a large one is not: it is behind. */
static void pace(struct shipper *s, size_t len, int64_t started_us)
{
    int64_t spent_ms = (clock_monotonic_us() - started_us) / 1000;
    if (len < s->options.batch_bytes / 2 && s->watermark >= s->single_until &&
        spent_ms < s->options.interval_ms)
        wait_ms(s, (unsigned)(s->options.interval_ms - spent_ms));
}

/* One round; false: nothing was left to ship. */
static bool run_round(struct shipper *s, bool stopping)
{
    struct pg_error e;
    size_t len = 0;
    int64_t started = clock_monotonic_us();
    if (!s->pg && connect_it(s, &e) != ERR_OK) {
        fail(s, &e);
        return true;
    }
    if (ship_next(s, stopping ? 0 : s->options.interval_ms, &len, &e) != ERR_OK) {
        fail(s, &e);
        return true;
    }
    if (len > 0 && !stopping)
        pace(s, len, started);
    if (len == 0) {
        note_success(s);
        if (clock_monotonic_us() - s->forgot_us > FORGET_EVERY_US)
            forget(s);
    }
    return len > 0;
}

static void *shipper_main(void *arg)
{
    struct shipper *s = arg;
    bool time_is_up, stopping, more = true;
    do {
        stopping = is_stopping(s, &time_is_up);
        if (!time_is_up)
            more = run_round(s, stopping);
    } while (!time_is_up && (more || !stopping));
    set_connection(s, NULL);
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
    uint8_t id[16];
    o->source.id(o->source.arg, id);
    id_text(id, s->spool);
    s->rows = ship_rows_new();
    if (!s->rows || pthread_create(&s->thread, NULL, shipper_main, s) != 0) {
        shipper_free(s);
        return error_set(e, ERR_NOMEM, NULL, "the shipper's thread can't be started");
    }
    *out = s;
    return ERR_OK;
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
