/* Answers without an end: a head now, pieces of body whenever there are some. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "web/http_conn.h"

#define MAX_CHUNK_FRAME 24 /* bytes around a chunk: its size, and two line ends */

static const char last_chunk[] = "0\r\n\r\n";

static struct http_conn *conn_of_stream(const struct http_stream *s)
{
    return (struct http_conn *)((uintptr_t)s - offsetof(struct http_conn, stream));
}

/* A peer that vanished, or never reads, is found by what it does not acknowledge: the pieces are so small
 * that the kernel's buffer alone would take them for hours. */
static void bound_silence(const struct http_conn *c)
{
    unsigned ms = c->server->o.write_s * 1000;
    if (ms > 0 && !c->address.local)
        setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

/* False when the connection is gone, or nothing more follows (HEAD). */
static bool begin(struct http_conn *c, const char *content_type)
{
    bool whole = c->request.head.method == HTTP_HEAD;
    c->last = true;
    if (!reply_head(c, content_type)) {
        conn_close(c);
        return false;
    }
    c->stream = (struct http_stream){.chunked = c->request.head.minor > 0};
    if (whole)
        return false;
    bound_silence(c);
    conn_stream(c);
    out_flush(c);
    return c->state == CONN_STREAM;
}

struct http_stream *http_stream_begin(struct http_request *r, const char *content_type,
                                      http_stream_gone *gone, void *arg)
{
    struct http_conn *c = conn_of(r);
    struct http_stream *s = NULL;
    conn_enter(c);
    if (c->bev && begin(c, content_type)) {
        s = &c->stream;
        s->gone = gone;
        s->arg = arg;
    }
    request_clear(r);
    buffer_free(&r->extra);
    r->unanswered = false;
    if (!s)
        conn_answered(c);
    conn_leave(c);
    return s;
}

static bool put(struct http_conn *c, const void *bytes, size_t len)
{
    char *p = out_reserve(c, len + MAX_CHUNK_FRAME);
    size_t n = 0;
    if (!p)
        return false;
    if (c->stream.chunked)
        n = (size_t)snprintf(p, MAX_CHUNK_FRAME, "%zx\r\n", len);
    memcpy(p + n, bytes, len);
    n += len;
    if (c->stream.chunked) {
        memcpy(p + n, "\r\n", 2);
        n += 2;
    }
    out_added(c, n);
    return true;
}

bool http_stream_send(struct http_stream *s, const void *bytes, size_t len)
{
    struct http_conn *c = conn_of_stream(s);
    conn_enter(c);
    s->slow = out_pending(c) + len > c->server->o.max_unread;
    if (s->slow || (len > 0 && !put(c, bytes, len)))
        conn_close(c);
    out_flush(c);
    bool open = c->state == CONN_STREAM;
    conn_leave(c);
    return open;
}

void http_stream_end(struct http_stream *s)
{
    struct http_conn *c = conn_of_stream(s);
    conn_enter(c);
    s->gone = NULL;
    char *p = s->chunked ? out_reserve(c, sizeof last_chunk - 1) : NULL;
    if (p) {
        memcpy(p, last_chunk, sizeof last_chunk - 1);
        out_added(c, sizeof last_chunk - 1);
    }
    conn_set_state(c, CONN_FLUSH);
    conn_leave(c);
}

void stream_gone(struct http_conn *c)
{
    http_stream_gone *gone = c->stream.gone;
    c->stream.gone = NULL;
    if (gone)
        gone(c->stream.arg, c->stream.slow);
}
