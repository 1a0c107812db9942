/* The way out. Answers are put together in one buffer of the server and go straight to the kernel when the
 * connection is left, all answers of a pipeline in one call; only what the kernel does not take now waits in
 * the bufferevent. (Through the bufferevent alone each answer would cost two more epoll_ctl calls.) */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#include "web/http_conn.h"

#define FLUSH_AT 65536
#define KEEP_CAP 262144 /* a buffer that one large answer made larger than this is given back */

size_t out_pending(const struct http_conn *c)
{
    return c->bev ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

char *out_reserve(struct http_conn *c, size_t n)
{
    struct http_server *s = c->server;
    if (!s || !c->bev)
        return NULL;
    if (s->out_of && s->out_of != c)
        out_flush(s->out_of);
    s->out_of = c;
    char *p = (char *)buffer_reserve(&s->out, n);
    if (!p)
        s->out.failed = false; /* this connection is lost, the next one may be small enough */
    return p;
}

void out_added(struct http_conn *c, size_t n)
{
    c->server->out.len += n;
    if (c->server->out.len >= FLUSH_AT)
        out_flush(c);
}

/* How many bytes left; -1: the connection is broken. */
static ssize_t send_plain(struct http_conn *c, const uint8_t *p, size_t n)
{
    ssize_t r = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    return r < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : r;
}

static void write_now(struct http_conn *c, const uint8_t *p, size_t n)
{
    size_t sent = 0;
    if (out_pending(c) == 0) {
        ssize_t r = c->tls ? secure_send(c, p, n) : send_plain(c, p, n);
        if (r < 0) {
            conn_close(c);
            return;
        }
        sent = (size_t)r;
    }
    if (sent < n && bufferevent_write(c->bev, p + sent, n - sent) != 0) {
        conn_close(c);
        return;
    }
    if (out_pending(c) > c->server->o.max_unread)
        c->blocked = true;
}

void out_flush(struct http_conn *c)
{
    struct http_server *s = c->server;
    if (!s || s->out_of != c)
        return;
    s->out_of = NULL;
    if (c->bev && s->out.len > 0)
        write_now(c, s->out.data, s->out.len);
    buffer_clear(&s->out);
    if (s->out.cap > KEEP_CAP)
        buffer_free(&s->out);
}
