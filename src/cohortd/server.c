#include "cohortd/server.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/activation.h"
#include "cohortd/control.h"
#include "cohortd/database.h"
#include "cohortd/datadir.h"
#include "cohortd/descriptors.h"
#include "cohortd/embedded.h"
#include "cohortd/guard.h"
#include "cohortd/keeper.h"
#include "cohortd/listen.h"
#include "cohortd/notify.h"
#include "cohortd/own_database.h"
#include "cohortd/queue.h"
#include "cohortd/stop_signal.h"
#include "cohortd/thread.h"
#include "cohortd/vitals.h"
#include "cohortd/worker.h"
#include "web/http_tls.h"

#define COLD_START_MS 5000 /* a database that takes longer is not waited for when there is a snapshot */
#define REMIND_US INT64_C(10000000) /* that a start waits for the database */

struct server {
    const struct config *c;
    const struct server_host *host;
    char status[1000];
    struct counters counters;
    struct datadir *dir;
    struct own_database own; /* empty with --database */
    const char *conninfo;
    struct keeper *keeper;
    pthread_mutex_t plans_lock; /* of plans, and of workers while they are started */
    const struct plan_set *plans;
    struct queue *queue;
    struct caller *caller;
    struct control *control;
    struct guard *guard;
    struct http_tls *tls, *next_tls; /* NULL without TLS; the next one is that of a reload */
    struct listening *listening;
    struct worker **workers;
    size_t n_workers, n_started;
};

static size_t worker_count(const struct config *c)
{
    cpu_set_t set;
    if (c->workers > 0)
        return (size_t)c->workers;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return cores > 256 ? 256 : (size_t)cores;
}

/* Start, step by step. */

/* A bad address is found before anything is made; who holds the directory counts more than who holds the
 * port, since both are usually the same cohortd. */
static int start_directory(struct server *s, struct error *e)
{
    const struct config *c = s->c;
    struct error port;
    int code =
        c->database[0] ? database_check_conninfo(c->database, e) : embedded_check(c->data, c->os_user, e);
    if (code != ERR_OK)
        return code;
    int port_code = s->host->passed->n > 0 ? ERR_OK : listen_probe(c->listen, &port);
    if (port_code == ERR_OK || access(c->data, F_OK) == 0)
        code = datadir_open(&s->dir, c->data, c->node_name, e);
    if (code == ERR_OK && port_code != ERR_OK) {
        *e = port;
        return port_code;
    }
    return code;
}

/* The plans being served; on the thread that brings them. */
static void on_plans(void *arg, const struct plan_set *plans)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->plans_lock);
    plan_set_unref(s->plans);
    s->plans = plan_set_ref(plans);
    for (size_t i = 0; i < s->n_started; i++) {
        if (worker_set_plans(s->workers[i], plans) != ERR_OK)
            log_error("definitions", "out of memory: a worker keeps an older version");
    }
    pthread_mutex_unlock(&s->plans_lock);
}

static bool has_plans(struct server *s)
{
    pthread_mutex_lock(&s->plans_lock);
    bool has = s->plans != NULL;
    pthread_mutex_unlock(&s->plans_lock);
    return has;
}

static int start_keeper(struct server *s, struct error *e)
{
    struct keeper_options o = {datadir_path(s->dir), &s->counters, on_plans, s};
    return keeper_open(&s->keeper, &o, e);
}

static int start_database(struct server *s, struct error *e)
{
    const struct config *c = s->c;
    struct embedded_options o = {datadir_path(s->dir), c->pg_bindir, c->os_user, stop_signal_came};
    s->conninfo = c->database;
    if (c->database[0])
        return ERR_OK;
    int code = own_database_start(&s->own, &o, keeper_has_snapshot(s->keeper) ? COLD_START_MS : 0, e);
    if (s->own.embedded)
        s->conninfo = embedded_conninfo(s->own.embedded);
    return code;
}

static int start_queue(struct server *s, struct error *e)
{
    int code = queue_open(&s->queue, s->c, s->dir, &s->counters, e);
    return code == ERR_OK ? caller_start(&s->caller, s->conninfo, e) : code;
}

/* What a worker takes from the configuration, at its start and at each reload. */

static unsigned most_connections(const struct server *s)
{
    return descriptors_for_clients(worker_count(s->c), s->c->max_connections);
}

static struct http_options http_options(const struct server *s)
{
    const struct config *c = s->c;
    struct http_options o;
    http_options_default(&o);
    o.max_body = (size_t)c->max_body_bytes;
    o.header_s = (unsigned)c->header_seconds;
    o.body_s = (unsigned)c->body_seconds;
    o.idle_s = (unsigned)c->idle_seconds;
    o.write_s = (unsigned)c->write_seconds;
    o.max_wait_ms = (unsigned)c->max_wait_ms;
    o.expect = api_expect;
    o.shared = guard_http(s->guard);
    return o;
}

static struct api_options api_options(const struct server *s)
{
    const struct config *c = s->c;
    return (struct api_options){.event_max_age_us = c->event_max_age * 1000000,
                                .event_max_future_us = c->event_max_future * 1000000,
                                .cors_origins = c->cors_origins,
                                .public_url = c->public_url,
                                .max_streams = (unsigned)c->max_streams,
                                .max_body = (size_t)c->max_body_bytes,
                                .client_tokens = strcmp(c->client_events, "token") == 0,
                                .sync_records = strcmp(c->decision_durability, "sync") == 0,
                                .limits = guard_limits(s->guard)};
}

static struct worker_options worker_options(struct server *s)
{
    return (struct worker_options){.tls = s->tls,
                                   .http = http_options(s),
                                   .api = api_options(s),
                                   .spool = queue_spool(s->queue),
                                   .caller = s->caller,
                                   .counters = &s->counters};
}

static int start_worker(struct server *s, size_t i, struct error *e)
{
    struct worker_socket sockets[LISTEN_MAX];
    struct worker_options o = worker_options(s);
    o.sockets = sockets;
    o.n_sockets = listen_count(s->listening);
    for (size_t k = 0; k < o.n_sockets; k++)
        sockets[k] = listen_take(s->listening, i, k);
    return worker_start(&s->workers[i], &o, s->plans, e);
}

static int start_workers(struct server *s, struct error *e)
{
    s->n_workers = worker_count(s->c);
    s->workers = calloc(s->n_workers, sizeof *s->workers);
    if (!s->workers)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = guard_new(&s->guard, s->c, most_connections(s), &s->counters, e);
    if (code == ERR_OK)
        code = listen_open(&s->listening, s->c->listen, (unsigned)s->c->socket_mode, s->host->passed,
                           s->n_workers, e);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&s->plans_lock); /* newer plans wait until each worker can be given them */
    for (size_t i = 0; i < s->n_workers && code == ERR_OK; i++) {
        code = start_worker(s, i, e);
        if (code == ERR_OK)
            s->n_started++;
    }
    pthread_mutex_unlock(&s->plans_lock);
    return code;
}

static struct database_start database_of(const struct server *s)
{
    const char *given = s->c->database[0] ? s->c->database : NULL;
    return (struct database_start){s->conninfo, given, datadir_path(s->dir), datadir_node(s->dir)};
}

static void on_database(void *arg, bool available, const char *why)
{
    struct server *s = arg;
    caller_set_available(s->caller, available, why);
}

static int start_control(struct server *s, struct error *e)
{
    struct control_options o = {.database = database_of(s),
                                .counters = &s->counters,
                                .retention_days = s->c->retention_days,
                                .keeper = s->keeper,
                                .on_database = on_database,
                                .arg = s};
    return control_start(&s->control, &o, e);
}

/* The first plans: the database's, or those of the snapshot when it does not answer soon. Without either, a
 * database that is not up yet is waited for; one that is there and refuses us never comes round by itself. */
static int find_plans(struct server *s, struct error *e)
{
    struct database_start database = database_of(s);
    struct first_contact first;
    int64_t begin = clock_monotonic_us(), remind_at = begin + REMIND_US;
    bool looked = false, refused = false;
    error_set(e, ERR_UNAVAILABLE, "database", "the database does not answer");
    while (!has_plans(s)) {
        control_first_contact(s->control, &first);
        int64_t waited = clock_monotonic_us() - begin;
        bool down = first.failed && (!first.answered || first.error.code == ERR_UNAVAILABLE);
        if (stop_signal_came())
            return error_set(e, ERR_STATE, NULL, "stopped while starting");
        if (first.failed && !down) {
            *e = first.error;
            return e->code;
        }
        if (!looked && (down || waited > COLD_START_MS * 1000L || s->own.down)) {
            looked = true;
            if (keeper_has_snapshot(s->keeper) && keeper_serve_snapshot(s->keeper, e) != ERR_OK)
                log_error("definitions", "the snapshot can't be served: %s", e->text);
            if (down && !has_plans(s))
                database_unreachable(&database, first.error.text, &refused, e);
        }
        if (looked && down && (refused || waited > s->c->database_wait * INT64_C(1000000)))
            return has_plans(s) ? ERR_OK : ERR_UNAVAILABLE;
        if (clock_monotonic_us() > remind_at) {
            notify_extend(s->host->notify, 2 * REMIND_US);
            log_warn("server", "still waiting for the database: %s", down ? first.error.text : "it is slow");
            remind_at += REMIND_US;
        }
        poll(NULL, 0, 10);
    }
    return ERR_OK;
}

/* The threads of other parts leave the signals to us. */
static int start_threads(struct server *s, struct error *e)
{
    sigset_t before;
    signals_block(&before);
    int code = start_queue(s, e);
    if (code == ERR_OK)
        code = start_control(s, e);
    if (code == ERR_OK) {
        signals_restore(&before); /* a wait may be long */
        code = find_plans(s, e);
        signals_block(&before);
    }
    if (code == ERR_OK)
        code = start_workers(s, e);
    if (code == ERR_OK && control_prepared(s->control))
        code = queue_ship(s->queue, s->conninfo, e);
    signals_restore(&before);
    return code;
}

static int start_tls(struct server *s, struct error *e)
{
    const struct config *c = s->c;
    if (!c->tls_cert[0])
        return c->tls_key[0] ? error_set(e, ERR_INVALID, "tls_key", "tls_key is given without tls_cert")
                             : ERR_OK;
    int code = http_tls_new(&s->tls, c->tls_cert, c->tls_key, e);
    if (code == ERR_OK)
        counter_set(&s->counters, tls_expires, http_tls_expires(s->tls));
    return code;
}

/* Where it is found, for cohortctl and for people. */
static int announce(struct server *s, struct error *e)
{
    char url[400];
    const char *host = listen_host(s->listening), *path = listen_path(s->listening);
    if (host)
        snprintf(url, sizeof url, "%s://%s", s->tls ? "https" : "http", host);
    else
        snprintf(url, sizeof url, "unix:%s", path);
    int code = datadir_write_server(s->dir, url, path, s->conninfo, e);
    if (code != ERR_OK)
        return code;
    snprintf(s->status, sizeof s->status, "serving %s%s%s%s with %zu worker%s, data in %s", url,
             host && path ? " and unix:" : "", host && path ? path : "",
             s->host->passed->n > 0 ? " (sockets of the service manager)" : "", s->n_workers,
             s->n_workers == 1 ? "" : "s", datadir_path(s->dir));
    log_info("server", "%s", s->status);
    return ERR_OK;
}

static int start(struct server *s, struct error *e)
{
    int code = descriptors_raise(worker_count(s->c), e);
    if (code == ERR_OK)
        code = start_tls(s, e);
    if (code == ERR_OK)
        code = start_directory(s, e);
    if (code == ERR_OK)
        code = start_keeper(s, e);
    if (code == ERR_OK)
        code = start_database(s, e);
    if (code == ERR_OK)
        code = start_threads(s, e);
    return code == ERR_OK ? announce(s, e) : code;
}

const char *server_status(const struct server *s)
{
    return s->status;
}

int server_start(struct server **out, const struct config *c, const struct server_host *host, struct error *e)
{
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    s->c = c;
    s->host = host;
    pthread_mutex_init(&s->plans_lock, NULL);
    vitals_start(&s->counters);
    counter_set(&s->counters, spool_max_bytes, c->spool_max_bytes);
    int code = start(s, e);
    if (code != ERR_OK) {
        server_stop(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

/* While it runs. */

/* After a start without the database. */
static void begin_shipping(struct server *s)
{
    struct error e;
    sigset_t before;
    signals_block(&before);
    if (queue_ship(s->queue, s->conninfo, &e) != ERR_OK)
        log_error("server", "%s; trying again", e.text);
    signals_restore(&before);
}

/* A stuck worker is a service that does not serve, however well this thread is. */
static void show_life(struct server *s)
{
    int64_t limit = notify_watchdog_us(s->host->notify);
    bool all = limit > 0;
    for (size_t i = 0; i < s->n_started && limit > 0; i++)
        all = worker_turns(s->workers[i], limit / 2) && all;
    if (all)
        notify_alive(s->host->notify);
}

int server_tick_ms(const struct server *s)
{
    int64_t quarter = notify_watchdog_us(s->host->notify) / 4000;
    return quarter > 0 && quarter < 1000 ? (int)quarter : 1000;
}

void server_tick(struct server *s)
{
    show_life(s);
    vitals_update(&s->counters);
    queue_tick(s->queue);
    if (s->own.embedded && !stop_signal_came())
        own_database_watch(&s->own);
    if (!queue_ships(s->queue) && control_prepared(s->control))
        begin_shipping(s);
}

/* A port does not change its protocol under those who use it. */
int server_prepare(struct server *s, const struct config *next, struct error *e)
{
    bool has = next->tls_cert[0] != '\0';
    if (has != (s->tls != NULL))
        return error_set(e, ERR_INVALID, "tls_cert", "tls_cert: TLS is turned on and off by a restart only");
    if (!has && next->tls_key[0])
        return error_set(e, ERR_INVALID, "tls_key", "tls_key is given without tls_cert");
    http_tls_unref(s->next_tls);
    s->next_tls = NULL;
    return has ? http_tls_new(&s->next_tls, next->tls_cert, next->tls_key, e) : ERR_OK;
}

static void apply_tls(struct server *s)
{
    if (!s->next_tls)
        return;
    http_tls_unref(s->tls);
    s->tls = s->next_tls;
    s->next_tls = NULL;
    counter_set(&s->counters, tls_expires, http_tls_expires(s->tls));
}

void server_apply(struct server *s)
{
    apply_tls(s);
    struct http_options http = http_options(s);
    struct api_options api = api_options(s);
    struct error e;
    if (guard_set(s->guard, s->c, most_connections(s), &e) != ERR_OK)
        log_error("server", "%s: the limits stay as they were", e.text);
    for (size_t i = 0; i < s->n_started; i++) {
        if (worker_set_options(s->workers[i], &http, &api, s->tls) != ERR_OK)
            log_error("server", "out of memory: a worker keeps its older options");
    }
}

/* Stop, in reverse. */

void server_give_notice(struct server *s)
{
    int64_t until = clock_monotonic_us() + s->c->drain_notice_seconds * 1000000;
    counter_set(&s->counters, stopping, 1);
    if (s->c->drain_notice_seconds == 0)
        return;
    log_info("server", "not ready any more; serving on for %lld s", (long long)s->c->drain_notice_seconds);
    for (size_t i = 0; i < s->n_started; i++)
        worker_announce(s->workers[i]);
    while (clock_monotonic_us() < until) {
        server_tick(s);
        poll(NULL, 0, 100);
    }
}

static void drain_workers(struct server *s)
{
    int64_t deadline = clock_monotonic_us() + s->c->drain_seconds * 1000000;
    bool over = true;
    for (size_t i = 0; i < s->n_started; i++)
        worker_drain(s->workers[i], false);
    for (size_t i = 0; i < s->n_started; i++)
        over = worker_wait(s->workers[i], deadline) && over;
    if (over)
        return;
    log_warn("server", "open requests did not end within %lld s; they are cut off",
             (long long)s->c->drain_seconds);
    for (size_t i = 0; i < s->n_started; i++)
        worker_drain(s->workers[i], true);
}

static void stop_workers(struct server *s)
{
    drain_workers(s);
    /* Definition calls still waiting are answered now, so that every worker gets its last completion. */
    if (s->caller)
        caller_stop(s->caller);
    for (size_t i = 0; i < s->n_started; i++)
        worker_free(s->workers[i]);
    free(s->workers);
    guard_free(s->guard);
    listen_close(s->listening);
    http_tls_unref(s->tls);
    http_tls_unref(s->next_tls);
}

void server_stop(struct server *s)
{
    control_stop(s->control); /* no plan is sent to a worker that is gone */
    stop_workers(s);
    queue_close(s->queue, (unsigned)s->c->drain_seconds * 1000u);
    plan_set_unref(s->plans);
    keeper_close(s->keeper);
    pthread_mutex_destroy(&s->plans_lock);
    embedded_stop(s->own.embedded);
    datadir_close(s->dir);
    free(s);
}
