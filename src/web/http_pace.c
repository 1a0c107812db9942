/* Turns: who is looked at when, and whether the server keeps up.
 *
 * All that is ready when the event loop wakes is one turn; what comes meanwhile waits for the next. So a turn
 * that takes long is a wait about as long for whoever comes last, and again for whoever comes next. A turn
 * that can become long is measured: when it has been as much work as it may be, the rest of it is refused
 * (http_overloaded), so that what is served is served in time. Refused is only the kind of work that takes
 * the time: large batches must not cost anybody their decisions, nor must the handshakes of many who come at
 * once, each of which takes as long as tens of decisions.
 *
 * A refusal costs nearly as much as a decision: four fifths of both are the kernel's `recv` and `send`.
 * Clients that stay away when they are told are refused all at once, and then are few. Those that come again
 * at once would have the server do little else; so refusals have a part of the time only, saved up for a
 * while, and when it is used up whoever is left is not even read but waits in line, where it costs nothing.
 */
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "web/http_conn.h"

#define REFUSALS 8      /* one part in so many is for refusals */
#define CROWD 64        /* so many ready connections can make a long turn */
#define WHOLE_CORE 1024 /* http_pace.share */
#define SHORT_TURN 2000 /* microseconds; one that is shorter says little of the share */

static int64_t longest_wait_us(const struct http_server *s)
{
    return (int64_t)s->o.max_wait_ms * 1000;
}

/* Whoever comes in a long turn waits for the rest of it and for the next one, and perhaps for refusals; after
 * a short turn nobody has waited yet. */
static int64_t turn_us(const struct http_server *s, bool calm)
{
    return longest_wait_us(s) * (calm ? 3 : 2) / 5;
}

/* How much of a core this thread had: on a busy machine a turn takes longer than it is work. One turn that
 * was held up says little, many in a row are how things are. Never less than half: what it takes to look at
 * all who are ready must stay a small part of a turn. */
static void learn_share(struct http_pace *p, int64_t used)
{
    int64_t took = p->worked_at - p->from;
    if (took < SHORT_TURN)
        return;
    int64_t share = used < took ? used * WHOLE_CORE / took : WHOLE_CORE;
    p->share += (share - p->share) / 4;
    if (p->share < WHOLE_CORE / 2)
        p->share = WHOLE_CORE / 2;
}

/* Up to when the turn was last looked at. */
static bool takes_most(const struct http_pace *p, enum http_work work)
{
    return p->spent[work] * 2 >= p->seen_at - p->from;
}

/* What went on behind a turn's end was refusals, where most of it was decisions. */
static void end_turn(struct http_server *s, int64_t now)
{
    struct http_pace *p = &s->pace;
    int64_t used = now - p->from, most_saved = longest_wait_us(s);
    if (p->measured) {
        used = clock_thread_us() - p->cpu_from;
        learn_share(p, used);
        if (used > p->most && takes_most(p, HTTP_WORK_SHORT))
            p->for_refusals -= used - p->most;
    }
    p->for_refusals += used / REFUSALS;
    if (p->for_refusals > most_saved)
        p->for_refusals = most_saved;
    if (p->for_refusals < -most_saved)
        p->for_refusals = -most_saved;
}

/* The turn before was short, or nothing was waiting behind it. */
static bool is_calm(const struct http_server *s, int64_t now)
{
    const struct http_pace *p = &s->pace;
    return now - p->worked_at > turn_us(s, false) || p->worked_at - p->from < turn_us(s, false);
}

static void begin_turn(struct http_server *s)
{
    struct http_pace *p = &s->pace;
    int64_t now = clock_monotonic_us();
    end_turn(s, now);
    if (now - p->worked_at > longest_wait_us(s))
        p->share = WHOLE_CORE;
    bool calm = is_calm(s, now);
    p->from = p->seen_at = now;
    p->full = false;
    p->measured = s->o.max_wait_ms > 0 &&
                  (!calm || event_base_get_num_events(s->base, EVENT_BASE_COUNT_ACTIVE) > CROWD);
    if (!p->measured)
        return;
    p->most = turn_us(s, calm) * p->share / WHOLE_CORE;
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

/* What it took since it was last looked at was the work's that was begun then. */
static void look(struct http_pace *p)
{
    int64_t now = clock_monotonic_us();
    if (!p->handshake)
        p->spent[p->work] += now - p->seen_at;
    p->seen_at = now;
}

void pace_handshake(struct http_server *s, bool at_work)
{
    struct http_pace *p = &s->pace;
    if (at_work == p->handshake)
        return;
    if (at_work)
        pace_turn(s);
    look(p);
    p->handshake = at_work;
}

/* Time by the clock is cheap to ask for, and never less than processor time. */
bool http_overloaded(struct http_request *r, enum http_work work)
{
    struct http_server *s = conn_of(r)->server; /* NULL: the peer has gone, and nobody waits behind it */
    if (!s || !s->pace.measured)
        return false;
    struct http_pace *p = &s->pace;
    look(p);
    p->work = work;
    if (p->seen_at - p->from <= p->most || !takes_most(p, work))
        return false;
    int64_t over = clock_thread_us() - p->cpu_from - p->most;
    /* Who waits in line may want something else: only where most is decisions, which are all refused. */
    p->full = p->full || (work == HTTP_WORK_SHORT && over > 0 && over > p->for_refusals);
    return over > 0;
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
    s->pace.share = WHOLE_CORE;
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
