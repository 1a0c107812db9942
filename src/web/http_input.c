/* The way in: straight from the kernel into the buffers of a request. (A bufferevent would ask for the number
 * of bytes first and copy them once more, in memory it allocates for each read.) */
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "web/http_conn.h"

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conn_readable(arg);
}

int in_watch(struct http_conn *c)
{
    if (c->tls)
        return secure_watch(c);
    if (!event_initialized(&c->readable_event) &&
        event_assign(&c->readable_event, c->server->base, c->fd, EV_READ | EV_PERSIST, on_readable, c) != 0)
        return ERR_NOMEM;
    c->reading = event_add(&c->readable_event, NULL) == 0;
    return c->reading ? 0 : ERR_NOMEM;
}

void in_unwatch(struct http_conn *c)
{
    if (c->tls) {
        secure_unwatch(c);
        return;
    }
    if (c->reading)
        event_del(&c->readable_event);
    c->reading = false;
}

/* Less than was asked for is all there is: the event tells of more. */
static size_t receive(struct http_conn *c, void *to, size_t n, int flags)
{
    if (!c->readable || n == 0)
        return 0;
    ssize_t got = recv(c->fd, to, n, flags | MSG_DONTWAIT);
    if (got > 0) {
        c->readable = (size_t)got == n;
        return (size_t)got;
    }
    c->readable = false;
    if (got == 0)
        c->eof = true;
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        c->stream.slow = errno == ETIMEDOUT;
        conn_close(c);
    }
    return 0;
}

size_t in_take(struct http_conn *c, void *to, size_t n)
{
    if (c->tls)
        return secure_take(c, to, n, false);
    return receive(c, to, n, 0);
}

size_t in_peek(struct http_conn *c, void *to, size_t n)
{
    if (c->tls)
        return secure_take(c, to, n, true);
    size_t got = receive(c, to, n, MSG_PEEK);
    c->readable = c->readable || got > 0;
    return got;
}

size_t in_drop(struct http_conn *c)
{
    char piece[4096];
    return in_take(c, piece, sizeof piece);
}
