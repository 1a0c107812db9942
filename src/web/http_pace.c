/* Turns: who is looked at when, and whether the server keeps up.
 *
 * All that is ready when the event loop wakes is one turn; what comes meanwhile waits for the next. So a turn
 * that takes long is a wait about as long for whoever comes last, and again for whoever comes next. After a
 * long turn the next one is counted: when it has been as much work as a turn may be, the rest of it is
 * refused (http_overloaded), so that what is served is served in time. Refused is only the kind of work that
 * takes the time: large batches must not cost anybody their decisions.
 *
 * A refusal costs more than half of a decision, nearly all of it the kernel's `recv` and `send`. Clients that
 * come again at once would have the server do little else; so it refuses for a part of each turn only, and
 * whoever is left is not even read but waits in line, where it costs nothing. */
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "web/http_conn.h"

#define REFUSALS 8 /* a turn is this many parts of work and one of refusals */

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
    p->from = p->seen_at = now;
    p->full = false;
    if (!p->late)
        return;
    p->cpu_from = clock_thread_us();
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

/* Time by the clock is cheap to ask for, and never less than processor time. */
bool http_overloaded(struct http_request *r, enum http_work work)
{
    struct http_server *s = conn_of(r)->server; /* NULL: the peer has gone, and nobody waits behind it */
    if (!s || !s->pace.late)
        return false;
    struct http_pace *p = &s->pace;
    int64_t now = clock_monotonic_us(), most = long_turn_us(s);
    p->spent[p->work] += now - p->seen_at;
    p->seen_at = now;
    p->work = work;
    if (now - p->from <= most || p->spent[work] * 2 < now - p->from)
        return false;
    int64_t used = clock_thread_us() - p->cpu_from;
    /* Who waits in line may want something else: only where most is decisions, which are all refused. */
    p->full = p->full || (work == HTTP_WORK_SHORT && used > most + most / REFUSALS);
    return used > most;
}

static bool ask_for_turn(struct http_server *s)
{
    struct timeval next_turn = {0, 0};
    return event_add(s->waiting_event, &next_turn) == 0;
}

/* Those who ask for another turn at once get the next one, as far as it reaches. */
static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_server *s = arg;
    struct http_conn *c;
    unsigned n = s->n_waiting;
    pace_turn(s);
    for (; n > 0 && !s->pace.full && (c = TAILQ_FIRST(&s->waiting)); n--) {
        conn_enter(c);
        pace_unwait(c);
        conn_run(c);
        conn_leave(c);
    }
    s->pace.queued = s->pace.full;
    if (s->n_waiting > 0)
        ask_for_turn(s); /* there is memory for it: that of the turn which is over */
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
    if (c->waits_turn)
        return;
    c->waits_turn = true;
    s->n_waiting++;
    TAILQ_INSERT_TAIL(&s->waiting, c, turn);
    if (s->n_waiting == 1 && !ask_for_turn(s))
        conn_close(c);
}

/* Only where a request begins: one that is half here has been let in. */
bool pace_hold(struct http_conn *c)
{
    struct http_pace *p = &c->server->pace;
    if (c->state != CONN_IDLE)
        return false;
    if (!c->waits_turn && !p->full && !p->queued)
        return false;
    p->queued = p->queued || p->full;
    pace_wait(c);
    return true;
}

void pace_unwait(struct http_conn *c)
{
    if (!c->waits_turn)
        return;
    c->waits_turn = false;
    c->server->n_waiting--;
    TAILQ_REMOVE(&c->server->waiting, c, turn);
}
