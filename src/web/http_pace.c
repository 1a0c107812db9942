/* Turns: who is looked at when, and whether the server keeps up.
 *
 * All that is ready when the event loop wakes is one turn; what comes meanwhile waits for the next. So a turn
 * that takes long is a wait about as long for whoever comes last, and again for whoever comes next. After a
 * long turn the next one is counted: when it has been as much work as a turn may be, the rest of it is
 * refused (http_overloaded), so that what is served is served in time. Refused is only the kind of work that
 * takes the time: large batches must not cost anybody their decisions. */
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "web/http_conn.h"

/* How much work a turn may be: a request may have waited for one whole turn already. */
static int64_t long_turn_us(const struct http_server *s)
{
    return (int64_t)s->o.max_wait_ms * 1000 / 2;
}

/* The turn before was short, or nothing was waiting behind it. On a busy machine a turn takes long without
 * being much work, and refusing some of it helps nobody: what counts is processor time, which is asked for
 * only once turns take long. */
static bool is_calm(const struct http_pace *p, int64_t now, int64_t most)
{
    return most == 0 || now - p->worked_at > most || p->worked_at - p->from < most ||
           (p->late && clock_thread_us() - p->cpu_from < most);
}

static void begin_turn(struct http_server *s)
{
    struct http_pace *p = &s->pace;
    int64_t now = clock_monotonic_us();
    p->late = !is_calm(p, now, long_turn_us(s));
    p->from = now;
    if (!p->late)
        return;
    p->cpu_from = p->cpu_at = clock_thread_us();
    memset(p->spent, 0, sizeof p->spent);
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

bool http_overloaded(struct http_request *r, enum http_work work)
{
    struct http_server *s = conn_of(r)->server; /* NULL: the peer has gone, and nobody waits behind it */
    if (!s || !s->pace.late)
        return false;
    struct http_pace *p = &s->pace;
    int64_t now = clock_thread_us();
    p->spent[p->work] += now - p->cpu_at;
    p->cpu_at = now;
    p->work = work;
    return now - p->cpu_from > long_turn_us(s) && p->spent[work] * 2 >= now - p->cpu_from;
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
    s->pace.from = s->pace.worked_at = clock_monotonic_us();
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
