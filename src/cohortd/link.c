#include "cohortd/link.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/thread.h"

#define BACK_OFF_MIN_MS 100
#define BACK_OFF_MAX_MS 1000 /* a stop waits for it once the database is back */
#define STABLE_US 5000000    /* a connection that lasted this long was a good one */

void link_init(struct link *l, const char *conninfo, const char *part, int statement_ms)
{
    memset(l, 0, sizeof *l);
    l->conninfo = conninfo;
    l->part = part;
    l->statement_ms = statement_ms;
    pthread_mutex_init(&l->lock, NULL);
    condition_init(&l->changed);
}

void link_fini(struct link *l)
{
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

bool link_wait_until(struct link *l, int64_t until_us)
{
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_mutex_lock(&l->lock);
    while (!l->stopping && clock_monotonic_us() < until_us)
        pthread_cond_timedwait(&l->changed, &l->lock, &until);
    bool go_on = !l->stopping;
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

bool link_stopping(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    bool stopping = l->stopping;
    pthread_mutex_unlock(&l->lock);
    return stopping;
}

/* One line when it goes, one when it is back. */
static void log_down(struct link *l, const char *why)
{
    if (!l->down && !link_stopping(l))
        log_warn(l->part, "waiting for the database: %s", why);
    l->down = true;
}

bool link_pause(struct link *l)
{
    unsigned pause = l->back_off_ms;
    l->back_off_ms = pause * 2 < BACK_OFF_MAX_MS ? pause * 2 : BACK_OFF_MAX_MS;
    if (l->back_off_ms < BACK_OFF_MIN_MS)
        l->back_off_ms = BACK_OFF_MIN_MS;
    return link_wait_until(l, clock_monotonic_us() + (int64_t)pause * 1000);
}

static bool publish(struct link *l, struct pg *p)
{
    pthread_mutex_lock(&l->lock);
    bool stopping = l->stopping;
    if (!stopping)
        l->pg = p;
    pthread_mutex_unlock(&l->lock);
    return !stopping;
}

/* All that we do writes, and its definitions may be old ones. */
static int refuse_standby(struct pg **p, struct pg_error *e)
{
    const char *standby = PQparameterStatus(pg_conn(*p), "in_hot_standby");
    if (!standby || strcmp(standby, "on") != 0)
        return ERR_OK;
    pg_close(*p);
    *p = NULL;
    memset(e, 0, sizeof *e);
    return error_set(&e->error, ERR_UNAVAILABLE, NULL,
                     "it is a read-only standby: connect to the primary, or promote it");
}

int link_open(struct link *l, struct pg **out, struct pg_error *e)
{
    char application[64];
    snprintf(application, sizeof application, "cohortd %s", l->part);
    int code = pg_open(out, l->conninfo, application, l->statement_ms, e);
    if (code == ERR_OK && (code = refuse_standby(out, e)) != ERR_OK && !l->standby) {
        l->down = false; /* news, though it was away before */
        l->standby = true;
    }
    if (code != ERR_OK) {
        log_down(l, e->error.text);
        return code;
    }
    if (!publish(l, *out)) {
        pg_close(*out);
        memset(e, 0, sizeof *e);
        return error_set(&e->error, ERR_UNAVAILABLE, NULL, "stopping");
    }
    if (l->down)
        log_info(l->part, "the database answers again");
    l->down = l->standby = false;
    l->connected_us = clock_monotonic_us();
    return ERR_OK;
}

struct pg *link_connect(struct link *l)
{
    struct pg_error e;
    struct pg *p = NULL;
    while (link_pause(l)) {
        if (link_open(l, &p, &e) == ERR_OK)
            return p;
    }
    return NULL;
}

void link_disconnect(struct link *l, const char *why)
{
    if (why)
        log_down(l, why);
    if (clock_monotonic_us() - l->connected_us > STABLE_US)
        l->back_off_ms = 0;
    pthread_mutex_lock(&l->lock);
    struct pg *p = l->pg;
    l->pg = NULL;
    pthread_mutex_unlock(&l->lock);
    pg_close(p);
}

void link_stop(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    if (l->pg)
        pg_interrupt(l->pg);
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}
