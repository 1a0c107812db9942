/* The shipper's connection: made, lost, and what the database says of the queue each time. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/pg_wait.h"
#include "store/ship_private.h"

enum { HUNG_MS = 15000 }; /* beyond the statement's time it isn't the statement but the server */

/* Waits, but not past the end of draining, and not beyond the moment somebody asks to stop. */
void shipper_wait(struct shipper *s, unsigned ms)
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

bool shipper_is_stopping(struct shipper *s, bool *time_is_up)
{
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    *time_is_up = stopping && clock_monotonic_us() >= s->drain_until_us;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

/* The pointer is swapped under the lock, so that shipper_stop never interrupts a freed connection. */
void shipper_set_connection(struct shipper *s, struct pg *pg)
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

void shipper_succeeded(struct shipper *s)
{
    if (s->failing)
        log_info("shipper", "events go to PostgreSQL again after %.1f s",
                 (double)(clock_monotonic_us() - s->failing_since_us) / 1e6);
    s->failing = false;
    s->backoff_ms = BACKOFF_MIN_MS;
}

/* Whatever went wrong, a new connection and the watermark say where to go on. */
void shipper_failed(struct shipper *s, const struct pg_error *e)
{
    bool time_is_up;
    if (shipper_is_stopping(s, &time_is_up) && time_is_up)
        log_info("shipper", "stopped before everything was shipped; the rest stays in the spool");
    else
        note_failure(s, e);
    shipper_set_connection(s, NULL);
    shipper_wait(s, s->backoff_ms);
    s->backoff_ms = 2 * s->backoff_ms < BACKOFF_MAX_MS ? 2 * s->backoff_ms : BACKOFF_MAX_MS;
}

/* What we sent was never refused as too old by an honest database: another process must be shipping under
 * our id (a copied data directory), or the file went back in time. Ids of events make sending again harmless.
 */
int shipper_renew(struct shipper *s, const char *why, struct pg_error *e)
{
    char old[37];
    memcpy(old, s->spool, sizeof old);
    memset(e, 0, sizeof *e);
    int code = ship_books_renew(&s->books, s->id, &e->error);
    if (code != ERR_OK)
        return code;
    ship_id_text(s->id, s->spool);
    log_warn("shipper", "%s: the queue %s is now %s, and what is in the spool is sent again", why, old,
             s->spool);
    s->asked = false;
    s->sent_until = s->single_until = s->forgotten = s->reported = 0;
    return ERR_OK;
}

int shipper_wait_of(const struct shipper *s)
{
    return s->statement_ms + HUNG_MS;
}

static void tell_changes(const struct shipper *s, const struct ship_mark *m)
{
    const struct ship_mark *old = &s->books.mark;
    char text[37];
    ship_id_text(m->incarnation, text);
    if (!s->books.known)
        return;
    if (memcmp(m->incarnation, old->incarnation, 16) != 0)
        log_warn("shipper", "this is another database, or one that was restored: its incarnation is %s",
                 text);
    if (m->watermark < old->watermark)
        log_warn("shipper",
                 "the database went back from group %" PRIu64 " to %" PRIu64 "; what is still in the spool "
                 "is sent again",
                 old->watermark, m->watermark);
}

/* A batch is stored whole or not at all, so after one of ours whose end we did not see the watermark is where
 * it was (or lower, in a database that went back), or at the batch's end. Anything else was another process
 * under our id, whose groups are not the ones in our spool. */
static bool is_foreign(const struct shipper *s, const struct ship_mark *m)
{
    if (!s->asked || m->watermark <= s->books.mark.watermark)
        return false;
    return m->watermark != s->sent_until ||
           (m->has_before && m->accepted + m->before != (int64_t)s->batch.accepted);
}

static int ask_mark(struct shipper *s, struct pg *pg, struct pg_error *e)
{
    struct ship_mark m;
    int code = ship_mark_ask(pg, s->id, s->spool, s->options.node, shipper_wait_of(s), &m, e);
    if (code != ERR_OK)
        return code;
    tell_changes(s, &m);
    const char *why = m.watermark > s->options.source.last(s->options.source.arg)
                          ? "the database has more groups than the spool ever had"
                      : is_foreign(s, &m) ? "the database has groups that were not sent from here"
                                          : NULL;
    if (why) {
        code = shipper_renew(s, why, e);
        return code == ERR_OK ? ask_mark(s, pg, e) : code; /* a new id has no watermark: once */
    }
    s->asked = true;
    s->sent_until = m.watermark;
    ship_books_set(&s->books, &m);
    return ERR_OK;
}

static int connect_it(struct shipper *s, struct pg_error *e)
{
    struct pg *pg;
    int code = pg_open(&pg, s->options.conninfo, "cohortd shipper", s->statement_ms, e);
    if (code != ERR_OK)
        return code;
    shipper_set_connection(s, pg);
    code = pg_ask_within(pg, "set synchronous_commit = on", 0, NULL, shipper_wait_of(s), NULL, e);
    if (code == ERR_OK)
        code = pg_ask_within(pg, "select cohort.ingest_prepare(true, true, true)", 0, NULL,
                             shipper_wait_of(s), NULL, e);
    return code == ERR_OK ? ask_mark(s, pg, e) : code;
}

/* After a new id was taken in the middle of a connection, its watermark is asked for. */
int shipper_ready(struct shipper *s, struct pg_error *e)
{
    if (!s->pg)
        return connect_it(s, e);
    return s->asked ? ERR_OK : ask_mark(s, s->pg, e);
}
