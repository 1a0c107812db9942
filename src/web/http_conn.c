/* One connection: which part of a request it waits for, and what happens when that comes, or does not. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/http_conn.h"
#include "web/problem.h"

#define FIRST_IN 1024     /* bytes of a fresh connection's input buffer */
#define KEEP_IN 2048      /* an idle connection keeps no larger buffer than this */
#define LEAST_IN 128      /* less room than this is not worth a read */
#define MAX_IGNORED 65536 /* input thrown away behind a request that is answered by a stream */

void conn_set_state(struct http_conn *c, enum conn_state state)
{
    if (c->state == CONN_CLOSED)
        return;
    deadline_clear(c);
    c->state = state;
    deadline_set(c);
}

void conn_close(struct http_conn *c)
{
    struct http_server *s = c->server;
    if (c->state == CONN_CLOSED)
        return;
    conn_set_state(c, CONN_CLOSED);
    if (s->out_of == c) {
        s->out_of = NULL;
        buffer_clear(&s->out);
    }
    TAILQ_REMOVE(&s->all, c, all);
    http_shared_leave(s->shared, c->peer);
    s->n_connections--;
    if (s->counters)
        counter_add(s->counters, http_connections, -1);
    in_unwatch(c);
    pace_unwait(c);
    if (c->tls)
        secure_end(c);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    bufferevent_free(c->bev);
    /* bufferevent_free may wait for the end of the running callback; the descriptor must go now. */
    if (!c->tls)
        close(c->fd);
    c->bev = NULL;
    c->fd = -1;
    c->server = NULL; /* it may be gone before the answer comes */
    stream_gone(c);
}

static void conn_free(struct http_conn *c)
{
    request_clear(&c->request);
    buffer_free(&c->request.extra);
    buffer_free(&c->in);
    buffer_free(&c->body);
    free(c);
}

void conn_enter(struct http_conn *c)
{
    if (c->depth++ == 0 && c->server)
        pace_turn(c->server);
}

/* All output is gone: our side is shut down, and the peer gets time to read before the socket is closed (a
 * close with input unread would send a reset, which can overtake the answer). */
static void end_flush(struct http_conn *c)
{
    if (out_pending(c) > 0)
        return;
    if (c->tls)
        secure_end(c);
    if (c->eof || shutdown(c->fd, SHUT_WR) != 0)
        conn_close(c);
    else
        conn_set_state(c, CONN_LINGER);
}

/* Input that nobody wants now stays with the kernel, which stops the peer when it has enough. */
static void update_reading(struct http_conn *c)
{
    bool enough = c->readable && (c->state == CONN_HANDLER || c->waits_turn);
    bool want = !c->eof && !c->blocked && c->state != CONN_FLUSH && !enough;
    if (want == c->reading)
        return;
    if (!want)
        in_unwatch(c);
    else if (in_watch(c) != 0)
        conn_close(c);
}

void conn_leave(struct http_conn *c)
{
    if (c->depth == 1) {
        out_flush(c);
        if (c->state == CONN_FLUSH)
            end_flush(c);
        if (c->bev)
            update_reading(c);
        if (c->bev && c->tls)
            secure_remind(c);
    }
    if (--c->depth == 0 && !c->bev && !c->request.unanswered)
        conn_free(c);
}

void conn_refuse(struct http_conn *c, int status, const char *detail)
{
    static const struct {
        int status;
        const char *title, *code;
    } words[] = {
        {400, "Malformed request", "malformed_request"},
        {408, "Request not finished in time", "timeout"},
        {413, "Body too large", "body_too_large"},
        {414, "Request target too long", "target_too_long"},
        {417, "Expectation not served", "expectation_failed"},
        {431, "Header fields too large", "header_too_large"},
        {501, "Transfer encoding not served", "encoding_not_served"},
        {503, "Out of memory", "overloaded"},
        {505, "HTTP version not served", "version_not_served"},
    };
    struct problem p = {.status = status, .detail = detail};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (words[i].status == status) {
            p.title = words[i].title;
            p.code = words[i].code;
        }
    }
    c->last = true;
    c->request.unanswered = true;
    conn_set_state(c, CONN_HANDLER);
    trace_begin(c);
    problem_reply(&c->request, &p);
}

void conn_refuse_body(struct http_conn *c)
{
    char detail[96];
    snprintf(detail, sizeof detail, "The body is larger than the %zu bytes that this path takes.",
             c->body_max);
    conn_refuse(c, 413, detail);
}

void conn_expired(struct http_conn *c)
{
    conn_enter(c);
    /* A peer that has not taken its answers yet is the write timeout's business; one in line has asked. */
    bool behind = c->state == CONN_IDLE ? out_pending(c) > 0 || c->waits_turn : c->blocked;
    if (c->state == CONN_HANDSHAKE || c->state == CONN_LINGER || (c->state == CONN_IDLE && !behind))
        conn_close(c);
    else if (behind)
        conn_set_state(c, c->state);
    else if (c->state == CONN_HEAD)
        conn_refuse(c, 408, "The head of the request did not arrive in time.");
    else
        conn_refuse(c, 408, "The body of the request did not arrive in time.");
    conn_leave(c);
}

/* Moves input behind what is in c->in, as far as a head may reach. False when there is none, or no room for
 * more. */
static bool fill(struct http_conn *c)
{
    struct buffer *in = &c->in;
    size_t have = in->len - c->start, most = c->server->o.max_head - have;
    if (most == 0 || !c->readable)
        return false;
    if (c->start > 0 && in->cap - in->len < most) {
        memmove(in->data, in->data + c->start, have);
        in->len = have;
        c->start = 0;
    }
    if (in->cap - in->len < LEAST_IN && !buffer_reserve(in, FIRST_IN)) {
        conn_close(c);
        return false;
    }
    size_t room = in->cap - in->len;
    size_t got = in_take(c, in->data + in->len, room < most ? room : most);
    if (c->state == CONN_CLOSED)
        return false;
    in->len += got;
    return got > 0;
}

static void refuse(struct http_conn *c, const struct http_refusal *why)
{
    if (why->status == 413)
        conn_refuse_body(c);
    else
        conn_refuse(c, why->status, why->detail);
}

static void dispatch(struct http_conn *c)
{
    struct http_server *s = c->server;
    conn_set_state(c, CONN_HANDLER);
    c->last = !c->request.head.keep_alive;
    c->request.unanswered = true;
    trace_begin(c);
    s->handler(&c->request, s->arg);
}

static void follow(struct http_conn *c, enum http_progress p, const struct http_refusal *why)
{
    if (p == HTTP_DONE)
        dispatch(c);
    else if (p == HTTP_REFUSED)
        refuse(c, why);
    else if (c->state != CONN_BODY)
        conn_set_state(c, CONN_BODY);
}

/* One whole head is at c->start. */
static void take_head(struct http_conn *c)
{
    struct http_refusal why;
    char *head = (char *)c->in.data + c->start;
    if (http_parse_head(&c->request.head, head + c->scan.begin, c->scan.end - c->scan.begin, &why) != 0) {
        refuse(c, &why);
        return;
    }
    size_t end = c->start + c->scan.end;
    enum http_progress p = body_begin(c, end, &why);
    if (p == HTTP_MORE && c->request.head.expect_continue && c->in.len == end && !body_invite(c))
        return;
    follow(c, p, &why);
}

/* The three steps return whether there may be more to do at once. */
static bool step_head(struct http_conn *c)
{
    struct http_refusal why;
    enum http_progress p = HTTP_MORE;
    if (c->blocked)
        return false;
    do {
        if (c->in.len > c->start)
            p = http_scan_head(&c->scan, (const char *)c->in.data + c->start, c->in.len - c->start,
                               c->server->o.max_head, &why);
    } while (p == HTTP_MORE && fill(c));
    if (c->state == CONN_CLOSED)
        return false;
    if (p == HTTP_MORE) {
        if (c->eof)
            conn_set_state(c, CONN_FLUSH);
        else if (c->state == CONN_IDLE && c->in.len > c->start)
            conn_set_state(c, CONN_HEAD);
        return false;
    }
    c->request.head.method = HTTP_OTHER;
    if (p == HTTP_DONE)
        take_head(c);
    else
        refuse(c, &why);
    return true;
}

static bool step_body(struct http_conn *c)
{
    struct http_refusal why;
    enum http_progress p = body_more(c, &why);
    if (p == HTTP_MORE) {
        if (c->eof)
            conn_set_state(c, CONN_FLUSH);
        return false;
    }
    follow(c, p, &why);
    return true;
}

static void ignore_input(struct http_conn *c)
{
    c->stream.ignored += (uint32_t)in_drop(c);
    if (c->stream.ignored > MAX_IGNORED || c->eof)
        conn_close(c);
}

void conn_stream(struct http_conn *c)
{
    buffer_free(&c->in);
    buffer_free(&c->body);
    c->start = c->next = 0;
    conn_set_state(c, CONN_STREAM);
    ignore_input(c);
    if (c->bev)
        update_reading(c);
}

static bool step(struct http_conn *c)
{
    switch (c->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        return step_head(c);
    case CONN_BODY:
        return step_body(c);
    case CONN_LINGER:
        in_drop(c);
        if (c->eof)
            conn_close(c);
        return false;
    case CONN_STREAM:
        ignore_input(c);
        return false;
    default:
        return false;
    }
}

/* One request a turn: whoever sends many at once, and perhaps never reads, waits for the others in between.
 */
void conn_run(struct http_conn *c)
{
    while (c->bev && step(c)) {
        if (c->state == CONN_IDLE && (c->in.len > c->start || c->readable) && !pace_again(c))
            return;
    }
}

void conn_answered(struct http_conn *c)
{
    if (c->state != CONN_HANDLER)
        return;
    c->scan = (struct http_scan){0};
    c->request.head.n_fields = 0; /* a refusal before the next head is whole must not look at this one's */
    c->start = c->next;
    if (c->start == c->in.len) {
        c->start = c->in.len = 0;
        if (c->in.cap > KEEP_IN)
            buffer_free(&c->in);
    }
    if (c->body.cap > KEEP_IN)
        buffer_free(&c->body);
    buffer_clear(&c->body);
    conn_set_state(c, c->last ? CONN_FLUSH : CONN_IDLE);
}

void conn_drain(struct http_conn *c)
{
    char byte;
    if (c->state == CONN_STREAM) {
        conn_enter(c);
        http_stream_gone *gone = c->stream.gone;
        void *arg = c->stream.arg;
        http_stream_end(&c->stream);
        gone(arg, false);
        conn_leave(c);
    }
    if (c->state != CONN_IDLE)
        return;
    conn_enter(c);
    if (out_pending(c) > 0)
        conn_set_state(c, CONN_FLUSH);
    else if (!c->waits_turn && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        conn_close(c);
    /* else a request is here or on its way: it is still answered */
    conn_leave(c);
}

/* The peer's end may only be that of its sending side: what it asked for is still answered. */
void conn_readable(struct http_conn *c)
{
    char byte;
    conn_enter(c);
    c->readable = true;
    if (c->state == CONN_HANDLER)
        in_peek(c, &byte, 1); /* a peer that is gone must not wait for its answer */
    if (c->bev && !pace_hold(c))
        conn_run(c);
    else if (c->bev && c->waits_turn)
        fill(c); /* of what stays with the kernel it would tell in each turn */
    conn_leave(c);
}

/* Called when the peer took output and no more than half of max_unread is left. */
static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct http_conn *c = arg;
    conn_enter(c);
    if (c->blocked) {
        c->blocked = false;
        conn_run(c);
    }
    conn_leave(c);
}

/* A plain connection's bufferevent only writes. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    struct http_conn *c = arg;
    conn_enter(c);
    c->stream.slow = what & BEV_EVENT_TIMEOUT;
    if (c->tls)
        secure_event(c, what);
    else
        conn_close(c);
    conn_leave(c);
}

/* Only of TLS: others read themselves. */
static void on_decrypted(struct bufferevent *bev, void *arg)
{
    (void)bev;
    conn_readable(arg);
}

static void set_bufferevent(struct http_conn *c, struct bufferevent *bev, int fd, bool tls)
{
    const struct http_options *o = &c->server->o;
    struct timeval write_limit = {.tv_sec = o->write_s};
    c->bev = bev;
    c->fd = fd;
    c->tls = tls;
    bufferevent_setcb(bev, on_decrypted, on_written, on_event, c);
    bufferevent_setwatermark(bev, EV_WRITE, o->max_unread / 2, 0);
    bufferevent_set_timeouts(bev, NULL, o->write_s > 0 ? &write_limit : NULL);
}

int conn_make_plain(struct http_conn *c, int fd)
{
    struct bufferevent *bev = bufferevent_socket_new(c->server->base, fd, 0);
    if (!bev)
        return ERR_NOMEM;
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    bufferevent_free(c->bev);
    c->reading = false;
    set_bufferevent(c, bev, fd, false);
    return 0;
}

int conn_new(struct http_server *s, int fd, const struct http_address *address, struct http_peer *peer,
             bool tls)
{
    struct http_conn *c = calloc(1, sizeof *c);
    struct bufferevent *bev = NULL;
    if (c)
        bev = tls ? secure_new(s, fd) : bufferevent_socket_new(s->base, fd, 0);
    if (!bev) {
        free(c);
        return ERR_NOMEM;
    }
    c->server = s;
    c->peer = peer;
    c->address = *address;
    set_bufferevent(c, bev, fd, tls);
    TAILQ_INSERT_TAIL(&s->all, c, all);
    s->n_connections++;
    if (s->counters)
        counter_add(s->counters, http_connections, 1);
    conn_enter(c);
    conn_set_state(c, tls ? CONN_HANDSHAKE : CONN_IDLE);
    conn_leave(c);
    return 0;
}
