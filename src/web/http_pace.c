/* Turns: who is looked at when, and whether the server keeps up.
 *
 * All that is ready when the event loop wakes is one turn; what comes meanwhile waits for the next. So a turn
 * that takes long is a wait about as long for whoever comes last, and again for whoever comes next. One such
 * turn may be a burst, which serving it ends. Turns that stay long without a pause are more than the server
 * can do: then waiting helps nobody, and what a turn comes to late is refused at once (http_overloaded), so
 * that the rest is served in time. */
#include <event2/event.h>

#include "base/clock.h"
#include "web/http_conn.h"

#define PATIENCE_US 100000    /* turns may be long for this long */
#define REMEMBERED_US 1000000 /* less patience, this long after the last time */

/* How long a turn may take: a request may have waited for one whole turn already. A loop that slept as long
 * had nothing waiting. */
static int64_t long_turn_us(const struct http_server *s)
{
    return (int64_t)s->o.max_wait_ms * 1000 / 2;
}

static void begin_turn(struct http_server *s)
{
    struct http_pace *p = &s->pace;
    int64_t now = clock_monotonic_us();
    if (p->late)
        p->late_at = now;
    if (now - p->worked_at > long_turn_us(s) || p->worked_at - p->from < long_turn_us(s))
        p->calm_at = now;
    p->from = now;
    p->late = s->o.max_wait_ms > 0 && now - p->calm_at > (now - p->late_at < REMEMBERED_US ? 0 : PATIENCE_US);
}

void pace_turn(struct http_server *s)
{
    struct timeval turn;
    event_base_gettimeofday_cached(s->base, &turn);
    if (turn.tv_usec == s->pace.turn.tv_usec && turn.tv_sec == s->pace.turn.tv_sec)
        return;
    s->pace.turn = turn;
    begin_turn(s);
}

bool http_overloaded(const struct http_request *r)
{
    const struct http_server *s = conn_of(r)->server;
    return s && s->pace.late && clock_monotonic_us() - s->pace.from > long_turn_us(s);
}

/* Those who ask for another turn at once get the next one. */
static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_server *s = arg;
    struct http_conn *c;
    for (unsigned n = s->n_waiting; n > 0 && (c = TAILQ_FIRST(&s->waiting)); n--) {
        conn_enter(c);
        pace_unwait(c);
        conn_run(c);
        conn_leave(c);
    }
}

int pace_init(struct http_server *s)
{
    s->pace.from = s->pace.worked_at = s->pace.calm_at = clock_monotonic_us();
    s->waiting_event = event_new(s->base, -1, 0, on_waiting, s);
    return s->waiting_event ? 0 : ERR_NOMEM;
}

void pace_fini(struct http_server *s)
{
    if (s->waiting_event)
        event_free(s->waiting_event);
}

void pace_wait(struct http_conn *c)
{
    struct http_server *s = c->server;
    struct timeval next_turn = {0, 0};
    if (c->waits_turn)
        return;
    c->waits_turn = true;
    s->n_waiting++;
    TAILQ_INSERT_TAIL(&s->waiting, c, turn);
    if (event_add(s->waiting_event, &next_turn) != 0)
        conn_close(c);
}

void pace_unwait(struct http_conn *c)
{
    if (!c->waits_turn)
        return;
    c->waits_turn = false;
    c->server->n_waiting--;
    TAILQ_REMOVE(&c->server->waiting, c, turn);
}
