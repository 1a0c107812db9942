#include "cohortd/webhooks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/link.h"
#include "cohortd/thread.h"
#include "cohortd/webhook_send.h"

#define STATEMENT_MS 10000
#define LOOK_US 1000000 /* between looks at the events and at what is due */
#define WAIT_MS 200     /* of one wait for answers */
#define LEASE_S 20      /* of an attempt: longer than it can take, with its statements */

struct webhooks {
    struct link link;
    struct webhook_sender *sender;
    int64_t (*epoch)(void *arg);
    void *arg;
    pthread_t thread;
    bool runs;
    int64_t look_at_us; /* when the next look is due */
};

/* The first failure of a delivery and its end: not each of the attempts of a day. */
static void tell(const struct webhook_outcome *o, const char *state)
{
    if (strcmp(state, "delivered") == 0)
        log_info("webhooks", "%s: webhook %s was told of %s %s (attempt %d)", o->environment, o->webhook,
                 o->event, o->id, o->attempt);
    else if (strcmp(state, "failed") == 0)
        log_error("webhooks", "%s: webhook %s could not be told of %s %s in a day: %s; given up",
                  o->environment, o->webhook, o->event, o->id, o->why);
    else if (o->attempt == 1)
        log_warn("webhooks", "%s: webhook %s could not be told of %s %s: %s; trying again for a day",
                 o->environment, o->webhook, o->event, o->id, o->why);
}

/* Starts what is due. */
static int claim(struct webhooks *w, struct pg *p, int64_t epoch, struct pg_error *e)
{
    struct webhook_job jobs[WEBHOOK_SENDS_MAX];
    PGresult *rows = NULL;
    int n, room = webhook_sender_free_slots(w->sender);
    if (room == 0)
        return ERR_OK;
    int code = webhook_queue_claim(p, epoch, room, LEASE_S, &rows, jobs, &n, e);
    for (int i = 0; i < n; i++)
        if (webhook_sender_start(w->sender, &jobs[i], clock_wall_us()) != ERR_OK)
            log_error("webhooks", "out of memory: delivery %s is sent later", jobs[i].id);
    PQclear(rows);
    return code;
}

/* Writes down every attempt that is over; *any: there was one, so its webhook's next may be due. */
static int collect(struct webhooks *w, struct pg *p, int wait_ms, bool *any, struct pg_error *e)
{
    struct webhook_outcome o;
    char state[16];
    *any = false;
    for (int code; webhook_sender_next(w->sender, *any ? 0 : wait_ms, &o); *any = true) {
        code = webhook_queue_finish(p, o.id, o.attempt, o.status, o.why, state, e);
        if (code != ERR_OK)
            return code;
        tell(&o, state);
    }
    return ERR_OK;
}

static int round_once(struct webhooks *w, struct pg *p, int64_t epoch, struct pg_error *e)
{
    bool any;
    int code = collect(w, p, WAIT_MS, &any, e);
    if (code != ERR_OK || (!any && clock_monotonic_us() < w->look_at_us))
        return code;
    if (clock_monotonic_us() >= w->look_at_us) {
        w->look_at_us = clock_monotonic_us() + LOOK_US;
        code = webhook_queue_fill(p, NULL, e);
    }
    return code == ERR_OK ? claim(w, p, epoch, e) : code;
}

/* An error of the database's that the next look may not have costs a line in the log, once. */
static int rounds(struct webhooks *w, struct pg *p, struct pg_error *e)
{
    bool failing = false;
    int64_t epoch;
    while (!link_stopping(&w->link) && (epoch = w->epoch(w->arg)) != 0) {
        int code = round_once(w, p, epoch, e);
        if (code == ERR_STATE || (code != ERR_OK && !pg_alive(p)))
            return code;
        if (code != ERR_OK && !failing)
            log_warn("webhooks", "the queue can't be read or written and is tried again every second: %s",
                     e->error.text);
        else if (code == ERR_OK && failing)
            log_info("webhooks", "the queue can be read and written again");
        failing = code != ERR_OK;
    }
    return ERR_OK;
}

static void *run(void *arg)
{
    struct webhooks *w = arg;
    struct pg_error e;
    struct pg *p;
    pthread_setname_np(pthread_self(), "webhooks");
    while (link_wait_until(&w->link, clock_monotonic_us() + LOOK_US / 4)) {
        if (w->epoch(w->arg) == 0 || !(p = link_connect(&w->link)))
            continue;
        int code = rounds(w, p, &e);
        link_disconnect(&w->link, code == ERR_OK || code == ERR_STATE ? NULL : e.error.text);
    }
    return NULL;
}

int webhooks_start(struct webhooks **out, const char *conninfo, int64_t (*epoch)(void *), void *arg,
                   struct error *e)
{
    struct webhooks *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    w->epoch = epoch;
    w->arg = arg;
    link_init(&w->link, conninfo, "webhooks", STATEMENT_MS);
    int code = webhook_sender_new(&w->sender, e);
    if (code == ERR_OK)
        code = thread_start(&w->thread, run, w, e);
    w->runs = code == ERR_OK;
    if (code == ERR_OK)
        *out = w;
    else
        webhooks_stop(w);
    return code;
}

void webhooks_stop(struct webhooks *w)
{
    if (!w)
        return;
    link_stop(&w->link);
    if (w->sender)
        webhook_sender_wake(w->sender);
    if (w->runs)
        pthread_join(w->thread, NULL);
    webhook_sender_free(w->sender);
    link_fini(&w->link);
    free(w);
}
