#include "cohortd/worker.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "cohortd/relay.h"
#include "cohortd/thread.h"
#include "web/http_tls.h"

#define DRAIN_LOOK_US 10000 /* how often a draining worker counts its connections */

struct worker {
    struct worker_options o;
    struct event_base *base;
    struct mailbox *mailbox;
    struct relay *relay;
    struct api_worker *api;
    struct http_server *http;
    struct event *drain_timer;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;            /* under lock */
    _Atomic int64_t turned_at; /* when it last answered worker_turns, by the monotonic clock */
    atomic_bool asked;
};

/* Messages, on the worker's thread. */

struct plan_message {
    struct worker *w;
    struct plan_set *plans;
};

static void on_plan(void *arg)
{
    struct plan_message *m = arg;
    api_worker_set_plans(m->w->api, m->plans);
    free(m);
}

struct options_message {
    struct worker *w;
    struct http_options http;
    struct api_options api;
    struct http_tls *tls;
    char cors_origins[];
};

static void on_options(void *arg)
{
    struct options_message *m = arg;
    m->api.cors_origins = m->cors_origins;
    if (api_worker_set_options(m->w->api, &m->api) != ERR_OK)
        log_error("worker", "out of memory: a worker keeps its older options");
    if (m->w->http)
        http_server_set_options(m->w->http, &m->http);
    if (m->w->http && m->tls)
        http_server_set_tls(m->w->http, m->tls);
    http_tls_unref(m->tls);
    free(m);
}

static void on_drain_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *w = arg;
    if (http_server_connections(w->http) == 0)
        event_base_loopbreak(w->base);
}

static void on_announce(void *arg)
{
    struct worker *w = arg;
    if (w->http)
        http_server_announce(w->http);
}

static void on_drain(void *arg)
{
    struct worker *w = arg;
    struct timeval often = {0, DRAIN_LOOK_US};
    if (!w->http)
        return;
    api_worker_drain(w->api);
    http_server_drain(w->http);
    event_add(w->drain_timer, &often);
}

static void on_stop(void *arg)
{
    struct worker *w = arg;
    event_base_loopbreak(w->base);
}

/* Nothing is answered any more: what was promised a completion still gets it. */
static void run_out(struct worker *w)
{
    while (relay_outstanding(w->relay) > 0)
        event_base_loop(w->base, EVLOOP_ONCE);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    pthread_setname_np(pthread_self(), "worker");
    event_base_dispatch(w->base);
    event_del(w->drain_timer);
    http_server_free(w->http);
    w->http = NULL;
    api_worker_flush(w->api);
    run_out(w);
    api_worker_free(w->api);
    w->api = NULL;
    run_out(w);
    pthread_mutex_lock(&w->lock);
    w->has_ended = true;
    pthread_cond_broadcast(&w->ended);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void release(struct worker *w)
{
    http_server_free(w->http);
    api_worker_free(w->api);
    if (w->drain_timer)
        event_free(w->drain_timer);
    mailbox_free(w->mailbox);
    relay_free(w->relay);
    if (w->base)
        event_base_free(w->base);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static int prepare(struct worker *w, const struct plan_set *plans, struct error *e)
{
    struct worker_options *o = &w->o;
    w->base = event_base_new();
    w->mailbox = w->base ? mailbox_new(w->base) : NULL;
    w->relay = w->mailbox ? relay_new(w->mailbox, o->spool, o->caller) : NULL;
    w->drain_timer = w->base ? event_new(w->base, -1, EV_PERSIST, on_drain_timer, w) : NULL;
    if (!w->relay || !w->drain_timer)
        return error_set(e, ERR_NOMEM, NULL, "a worker could not be made: out of memory or descriptors");
    struct api_services services = {.arg = w->relay,
                                    .counters = o->counters,
                                    .push = relay_push,
                                    .queue_level = relay_level,
                                    .call = relay_call};
    int code = api_worker_new(&w->api, w->base, &services, &o->api, e);
    if (code != ERR_OK)
        return code;
    api_worker_set_plans(w->api, plan_set_ref(plans));
    code =
        http_server_new(&w->http, w->base, -1, &o->http, api_handle, api_body_limit, w->api, o->counters, e);
    if (code == ERR_OK)
        http_server_set_tls(w->http, o->tls);
    return code;
}

/* Takes every socket, one way or the other. */
static int listen_on(struct worker *w, int code, struct error *e)
{
    for (size_t i = 0; i < w->o.n_sockets; i++) {
        const struct worker_socket *s = &w->o.sockets[i];
        if (code == ERR_OK)
            code = http_server_listen(w->http, s->fd, s->flags, e);
        else
            close(s->fd);
    }
    w->o.sockets = NULL; /* the caller's */
    return code;
}

int worker_start(struct worker **out, const struct worker_options *o, const struct plan_set *plans,
                 struct error *e)
{
    struct worker *w = calloc(1, sizeof *w);
    if (!w) {
        for (size_t i = 0; i < o->n_sockets; i++)
            close(o->sockets[i].fd);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    w->o = *o;
    atomic_init(&w->turned_at, clock_monotonic_us());
    pthread_mutex_init(&w->lock, NULL);
    condition_init(&w->ended);
    int code = listen_on(w, prepare(w, plans, e), e);
    if (code == ERR_OK)
        code = thread_start(&w->thread, run, w, e);
    if (code != ERR_OK) {
        release(w);
        return code;
    }
    *out = w;
    return ERR_OK;
}

int worker_set_plans(struct worker *w, const struct plan_set *plans)
{
    struct plan_message *m = malloc(sizeof *m);
    if (!m)
        return ERR_NOMEM;
    *m = (struct plan_message){w, plan_set_ref(plans)};
    int code = mailbox_send(w->mailbox, on_plan, m);
    if (code != ERR_OK) {
        plan_set_unref(m->plans);
        free(m);
    }
    return code;
}

int worker_set_options(struct worker *w, const struct http_options *http, const struct api_options *api,
                       struct http_tls *tls)
{
    size_t n = strlen(api->cors_origins) + 1;
    struct options_message *m = malloc(sizeof *m + n);
    if (!m)
        return ERR_NOMEM;
    m->w = w;
    m->http = *http;
    m->api = *api;
    m->tls = http_tls_ref(tls);
    memcpy(m->cors_origins, api->cors_origins, n);
    int code = mailbox_send(w->mailbox, on_options, m);
    if (code != ERR_OK) {
        http_tls_unref(m->tls);
        free(m);
    }
    return code;
}

void worker_announce(struct worker *w)
{
    if (mailbox_send(w->mailbox, on_announce, w) != ERR_OK)
        log_error("worker", "out of memory while stopping");
}

static void on_asked(void *arg)
{
    struct worker *w = arg;
    atomic_store(&w->turned_at, clock_monotonic_us());
    atomic_store(&w->asked, false);
}

bool worker_turns(struct worker *w, int64_t limit_us)
{
    if (!atomic_exchange(&w->asked, true) && mailbox_send(w->mailbox, on_asked, w) != ERR_OK)
        atomic_store(&w->asked, false);
    return clock_monotonic_us() - atomic_load(&w->turned_at) < limit_us;
}

void worker_drain(struct worker *w, bool at_once)
{
    if (mailbox_send(w->mailbox, at_once ? on_stop : on_drain, w) != ERR_OK)
        log_error("worker", "out of memory while stopping");
}

bool worker_wait(struct worker *w, int64_t deadline_us)
{
    struct timespec until = {deadline_us / 1000000, deadline_us % 1000000 * 1000};
    pthread_mutex_lock(&w->lock);
    while (!w->has_ended && pthread_cond_timedwait(&w->ended, &w->lock, &until) == 0)
        ;
    bool over = w->has_ended;
    pthread_mutex_unlock(&w->lock);
    return over;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    pthread_join(w->thread, NULL);
    release(w);
}
