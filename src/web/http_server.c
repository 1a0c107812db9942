/* The server: takes connections within its limits. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/http_conn.h"
#include "web/http_tls.h"

#define ACCEPTS_AT_ONCE 64 /* one where other servers take from the same queue: then all get some */
#define BACK_OFF_US 100000
#define MAX_QUEUED 4096 /* connections taken from the queue when the server drains */
#define MAX_UNSENT 32768

void http_options_default(struct http_options *o)
{
    *o = (struct http_options){
        .max_head = 16384,
        .max_body = 4194304,
        .header_s = 10,
        .body_s = 30,
        .idle_s = 75,
        .write_s = 30,
        .max_connections = 10000,
        .max_connections_per_address = 1000,
        .max_unread = 65536,
        .max_wait_ms = 50,
    };
}

static void count_refused(struct http_server *s)
{
    if (s->counters)
        counter_add(s->counters, http_refused, 1);
}

/* What the peer's window has no room for is the kernel's up to MAX_UNSENT only, then it is ours, and counts
 * against max_unread. Left alone the kernel takes megabytes of answers that nobody reads, for each of which a
 * request was worked on. What is on its way is not bounded by this, so long ways are as fast as before. */
static void set_tcp(int fd)
{
    int on = 1, unsent = MAX_UNSENT;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

static void take(const struct http_listener *l, int fd, const struct sockaddr *address)
{
    struct http_server *s = l->server;
    struct http_address from;
    struct http_peer *peer;
    http_address_of(&from, address);
    if (http_shared_admit(s->shared, &from, &peer)) {
        if (!l->local)
            set_tcp(fd);
        if (conn_new(s, fd, &from, peer, s->tls && !l->local) == 0)
            return;
        http_shared_leave(s->shared, peer);
    }
    count_refused(s);
    close(fd);
}

static void log_exhausted(struct http_server *s, int error)
{
    int64_t now = clock_monotonic_us();
    s->unlogged++;
    if (s->last_log_us != 0 && now - s->last_log_us < 1000000)
        return;
    log_warn("http", "cannot take connections: %s (%u open; %u times since the last such line)",
             strerror(error), s->n_connections, s->unlogged);
    s->last_log_us = now;
    s->unlogged = 0;
}

/* Out of descriptors or memory. The reserve descriptor lets the waiting peer be closed rather than left in
 * the queue, where it would wake the loop for ever; then accepting rests for a moment. */
static void exhausted(const struct http_listener *l, int error)
{
    struct http_server *s = l->server;
    struct http_listener *each;
    if ((error == EMFILE || error == ENFILE) && s->reserve_fd >= 0) {
        close(s->reserve_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            count_refused(s);
            close(fd);
        }
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    log_exhausted(s, error);
    struct timeval tv = {.tv_usec = BACK_OFF_US};
    SLIST_FOREACH(each, &s->listeners, next)
    event_del(each->event);
    event_add(s->resume_event, &tv);
}

/* True when there may be more connections waiting. */
static bool accept_one(const struct http_listener *l)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    memset(&address, 0, sizeof address);
    int fd = accept4(l->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take(l, fd, (struct sockaddr *)&address);
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return false;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        exhausted(l, errno);
        return false;
    }
    return true; /* that connection failed (ECONNABORTED and the like), or a signal came */
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    const struct http_listener *l = arg;
    int most = l->flags & HTTP_SHARED ? 1 : ACCEPTS_AT_ONCE;
    for (int i = 0; i < most && accept_one(l); i++)
        ;
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_server *s = arg;
    struct http_listener *l;
    if (s->reserve_fd < 0)
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    SLIST_FOREACH(l, &s->listeners, next)
    event_add(l->event, NULL);
}

static void set_options(struct http_server *s, const struct http_options *o)
{
    s->o = *o;
    if (s->o.max_head > HTTP_MAX_HEAD)
        s->o.max_head = HTTP_MAX_HEAD;
    if (s->shared_own)
        http_shared_set_caps(s->shared, o->max_connections, o->max_connections_per_address);
}

void http_server_set_options(struct http_server *s, const struct http_options *o)
{
    struct http_conn *c;
    set_options(s, o);
    /* Each queue is in order only while all in it wait equally long. */
    TAILQ_FOREACH(c, &s->all, all)
    {
        deadline_clear(c);
        deadline_set(c);
    }
}

static void ignore_sigpipe(void)
{
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static void listener_free(struct http_listener *l)
{
    if (l->event)
        event_free(l->event);
    close(l->fd);
    free(l);
}

int http_server_listen(struct http_server *s, int fd, unsigned flags, struct error *e)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    struct http_listener *l = calloc(1, sizeof *l);
    if (!l) {
        close(fd);
        return error_set(e, ERR_NOMEM, "listen", "there is no memory for the HTTP server");
    }
    getsockname(fd, (struct sockaddr *)&address, &len);
    *l = (struct http_listener){.server = s, .fd = fd, .flags = flags, .local = address.ss_family == AF_UNIX};
    l->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_accept, l);
    if (!l->event || event_add(l->event, NULL) != 0) {
        listener_free(l);
        return error_set(e, ERR_NOMEM, "listen", "there is no memory for the HTTP server");
    }
    SLIST_INSERT_HEAD(&s->listeners, l, next);
    return 0;
}

void http_server_set_tls(struct http_server *s, struct http_tls *tls)
{
    http_tls_ref(tls);
    http_tls_unref(s->tls);
    s->tls = tls;
}

static int start(struct http_server *s)
{
    s->shared_own = !s->o.shared;
    s->shared =
        s->shared_own ? http_shared_new(s->o.max_connections, s->o.max_connections_per_address) : s->o.shared;
    s->resume_event = event_new(s->base, -1, 0, on_resume, s);
    bool made = deadlines_init(s) == 0 && pace_init(s) == 0 && s->shared && s->resume_event;
    return made ? 0 : ERR_NOMEM;
}

int http_server_new(struct http_server **out, struct event_base *base, int fd, const struct http_options *o,
                    http_handler *handler, http_body_limit *limit, void *arg, struct counters *c,
                    struct error *e)
{
    *out = NULL;
    struct http_server *s = calloc(1, sizeof *s);
    if (!s) {
        if (fd >= 0)
            close(fd);
        return error_set(e, ERR_NOMEM, "listen", "there is no memory for the HTTP server");
    }
    *s = (struct http_server){.base = base,
                              .handler = handler,
                              .limit = limit,
                              .arg = arg,
                              .counters = c,
                              .reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC)};
    TAILQ_INIT(&s->all);
    TAILQ_INIT(&s->waiting);
    set_options(s, o);
    ignore_sigpipe();
    int code = start(s);
    if (code != 0) {
        error_set(e, code, "listen", "there is no memory for the HTTP server");
        if (fd >= 0)
            close(fd);
    } else if (fd >= 0) {
        code = http_server_listen(s, fd, 0, e);
    }
    if (code != 0) {
        http_server_free(s);
        return code;
    }
    *out = s;
    return 0;
}

static void stop_listening(struct http_server *s)
{
    struct http_listener *l;
    while ((l = SLIST_FIRST(&s->listeners))) {
        SLIST_REMOVE_HEAD(&s->listeners, next);
        listener_free(l);
    }
    if (s->resume_event)
        event_free(s->resume_event);
    s->resume_event = NULL;
    if (s->reserve_fd >= 0)
        close(s->reserve_fd);
    s->reserve_fd = -1;
}

/* Those already connected would get a reset when the queue goes away. */
static void empty_queues(struct http_server *s)
{
    struct http_listener *l;
    SLIST_FOREACH(l, &s->listeners, next)
    {
        bool stays = l->flags & HTTP_KEPT;
        for (int i = 0; i < MAX_QUEUED && !stays && event_pending(l->event, EV_READ, NULL) && accept_one(l);
             i++)
            ;
    }
}

void http_server_announce(struct http_server *s)
{
    s->draining = true;
}

void http_server_drain(struct http_server *s)
{
    if (!s->resume_event) /* it has stopped listening */
        return;
    s->draining = true;
    empty_queues(s);
    stop_listening(s);
    struct http_conn *c = TAILQ_FIRST(&s->all), *next;
    for (; c; c = next) {
        next = TAILQ_NEXT(c, all);
        conn_drain(c);
    }
}

unsigned http_server_connections(const struct http_server *s)
{
    return s->n_connections;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    stop_listening(s);
    struct http_conn *c;
    while ((c = TAILQ_FIRST(&s->all))) {
        conn_enter(c);
        conn_close(c);
        conn_leave(c);
    }
    deadlines_fini(s);
    pace_fini(s);
    if (s->shared_own)
        http_shared_free(s->shared);
    http_tls_unref(s->tls);
    buffer_free(&s->out);
    free(s);
}
