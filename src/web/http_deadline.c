/* Absolute deadlines. All connections in one state wait equally long, so each state has a queue that is in
 * order by itself, and one timer watches the fronts of the queues. */
#include <event2/event.h>

#include "base/clock.h"
#include "web/http_conn.h"

#define LINGER_US 2000000

static int64_t duration_us(const struct http_server *s, enum conn_state state)
{
    switch (state) {
    case CONN_IDLE:
        return (int64_t)s->o.idle_s * 1000000;
    case CONN_HANDSHAKE:
    case CONN_HEAD:
        return (int64_t)s->o.header_s * 1000000;
    case CONN_BODY:
        return (int64_t)s->o.body_s * 1000000;
    case CONN_LINGER:
        return LINGER_US;
    default:
        return 0;
    }
}

static void arm(struct http_server *s, int64_t at, int64_t now)
{
    if (s->timer_at != 0 && s->timer_at <= at)
        return;
    int64_t wait = at > now ? at - now : 0;
    struct timeval tv = {.tv_sec = wait / 1000000, .tv_usec = wait % 1000000};
    if (event_add(s->timer, &tv) == 0)
        s->timer_at = at;
}

void deadline_set(struct http_conn *c)
{
    struct http_server *s = c->server;
    int64_t wait = duration_us(s, c->state);
    if (wait == 0)
        return;
    int64_t now = clock_monotonic_us();
    c->deadline = now + wait;
    s->pace.worked_at = now;
    TAILQ_INSERT_TAIL(&s->queues[c->state], c, queue);
    arm(s, c->deadline, now);
}

void deadline_clear(struct http_conn *c)
{
    if (c->deadline == 0)
        return;
    TAILQ_REMOVE(&c->server->queues[c->state], c, queue);
    c->deadline = 0;
}

/* Each round takes the front out of its queue or puts it back with a later deadline, so this ends. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_server *s = arg;
    int64_t now = clock_monotonic_us(), next = INT64_MAX;
    s->timer_at = 0;
    for (int i = 0; i < CONN_STATES; i++) {
        struct http_conn *c;
        while ((c = TAILQ_FIRST(&s->queues[i])) && c->deadline <= now)
            conn_expired(c);
    }
    for (int i = 0; i < CONN_STATES; i++) {
        struct http_conn *c = TAILQ_FIRST(&s->queues[i]);
        if (c && c->deadline < next)
            next = c->deadline;
    }
    if (next != INT64_MAX)
        arm(s, next, now);
}

int deadlines_init(struct http_server *s)
{
    for (int i = 0; i < CONN_STATES; i++)
        TAILQ_INIT(&s->queues[i]);
    s->timer = event_new(s->base, -1, 0, on_timer, s);
    return s->timer ? 0 : ERR_NOMEM;
}

void deadlines_fini(struct http_server *s)
{
    if (s->timer)
        event_free(s->timer);
}
