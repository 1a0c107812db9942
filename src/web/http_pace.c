/* Turns: who is looked at when, and whether the server keeps up.
 *
 * All that is ready when the event loop wakes is one turn; what comes meanwhile waits for the next. A turn
 * that took long enough leaves the others in line: what they sent is taken from the kernel, which would tell
 * of it in each turn, and waits. From then on whoever comes waits behind them, and each turn serves some from
 * the front. The line holds what can be served in time. Whoever comes when it is full is refused at once
 * (http_overloaded): that is quickly told, and nobody waits for longer. Refused is only the kind of work that
 * takes the time: large batches must not cost anybody their decisions, nor must the handshakes of many who
 * come at once, each of which takes as long as tens of decisions.
 *
 * A refusal costs nearly as much as a decision: four fifths of both are the kernel's `recv` and `send`.
 * Clients that stay away when they are told soon are few. Those that come again at once would have the server
 * do little else; so refusals have a part of the time only, saved up for a while, and when it is used up the
 * line grows.
 */
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "web/http_conn.h"

#define REFUSALS 16       /* one part in so many is for refusals */
#define CROWD 64          /* so many ready connections can make a long turn */
#define WHOLE_CORE 1024   /* http_pace.share */
#define SHORT_TURN 2000   /* microseconds; one that is shorter says little of the share */
#define LINE 50           /* per cent of max_wait_ms */
#define FIRST_GUESS 20000 /* http_pace.cost */

static int64_t longest_wait_us(const struct http_server *s)
{
    return (int64_t)s->o.max_wait_ms * 1000;
}

/* Whoever comes in a long turn waits for the rest of it and for the next one. */
static int64_t turn_us(const struct http_server *s)
{
    return longest_wait_us(s) * 2 / 5;
}

/* Short, for whoever comes meanwhile is to be told soon; not too short, for each turn costs something for
 * everybody in line. */
static int64_t slice_us(const struct http_server *s)
{
    return longest_wait_us(s) / 5;
}

static int64_t most_saved_us(const struct http_server *s)
{
    return longest_wait_us(s) / 2;
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

/* What one request takes, of many; `anew`: as it is here, whatever it was. */
static void learn_cost(struct http_pace *p, int64_t used_us, unsigned requests, bool anew)
{
    if (requests == 0)
        return;
    int64_t cost = used_us * 1000 / requests;
    p->cost += anew ? cost - p->cost : (cost - p->cost) / 4;
    if (p->cost < 1000)
        p->cost = 1000;
}

/* Up to when the turn was last looked at. */
static bool takes_most(const struct http_pace *p, enum http_work work)
{
    return p->spent[work] * 2 >= p->seen_at - p->from;
}

static void save_up(struct http_server *s, int64_t us)
{
    struct http_pace *p = &s->pace;
    p->for_refusals += us;
    if (p->for_refusals > most_saved_us(s))
        p->for_refusals = most_saved_us(s);
}

/* What it took since it was last looked at was the work's that was begun then. A refusal never takes longer
 * than a request: what is more, somebody else had the core. */
static void look(struct http_pace *p)
{
    int64_t now = clock_monotonic_us(), took = now - p->seen_at;
    if (!p->handshake) {
        p->spent[p->work] += took;
        if (p->refusing)
            p->for_refusals -= took * 1000 < p->cost ? took : p->cost / 1000;
    }
    p->refusing = false;
    p->seen_at = now;
}

static void end_turn(struct http_server *s, int64_t now)
{
    struct http_pace *p = &s->pace;
    int64_t used = now - p->from;
    if (p->measured) {
        look(p);
        used = clock_thread_us() - p->cpu_from;
        learn_share(p, used);
    }
    save_up(s, used / REFUSALS);
}

/* The turn before was short, or nothing was waiting behind it. */
static bool is_calm(const struct http_server *s, int64_t now)
{
    const struct http_pace *p = &s->pace;
    return !p->queued && (now - p->worked_at > turn_us(s) || p->worked_at - p->from < turn_us(s));
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
    p->measured = s->o.max_wait_ms > 0 &&
                  (!calm || event_base_get_num_events(s->base, EVENT_BASE_COUNT_ACTIVE) > CROWD);
    if (!p->measured)
        return;
    p->most = turn_us(s) * p->share / WHOLE_CORE;
    p->slice = slice_us(s) * p->share / WHOLE_CORE;
    p->cpu_from = clock_thread_us();
    p->looks = 0;
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
static bool has_used(const struct http_pace *p, int64_t from, int64_t cpu_from, int64_t most)
{
    return p->seen_at - from > most && clock_thread_us() - cpu_from > most;
}

/* As many as are served in time; more, while there is no time to refuse them. */
static bool has_room(const struct http_server *s)
{
    const struct http_pace *p = &s->pace;
    int64_t line_us = (int64_t)s->n_waiting * p->cost / 1000;
    return p->for_refusals <= 0 || line_us <= longest_wait_us(s) * LINE / 100 * p->share / WHOLE_CORE;
}

bool http_overloaded(struct http_request *r, enum http_work work)
{
    const struct http_conn *c = conn_of(r);
    struct http_server *s = c->server; /* NULL: the peer has gone, and nobody waits behind it */
    if (!s || !s->pace.measured)
        return false;
    struct http_pace *p = &s->pace;
    look(p);
    p->work = work;
    p->looks++;
    if (work == HTTP_WORK_LONG)
        return takes_most(p, work) && has_used(p, p->from, p->cpu_from, p->most);
    p->refusing = p->queued && c->no_room && !has_room(s);
    if (!p->queued && takes_most(p, work) && has_used(p, p->from, p->cpu_from, p->slice)) {
        learn_cost(p, clock_thread_us() - p->cpu_from, p->looks, true);
        p->queued = true;
    }
    return p->refusing;
}

/* Whoever comes waits in line; one for whom there is no room is looked at, and refused as soon as the request
 * is whole. */
static bool is_let_in(struct http_conn *c)
{
    look(&c->server->pace); /* what the one before it took has been paid for */
    c->no_room = !has_room(c->server);
    return !c->no_room;
}

static bool ask_for_turn(struct http_server *s)
{
    struct timeval next_turn = {0, 0};
    return event_add(s->waiting_event, &next_turn) == 0;
}

/* Some from the front of the line; all, while there is time for all. */
static void serve_line(struct http_server *s)
{
    struct http_pace *p = &s->pace;
    struct http_conn *c;
    int64_t from = clock_monotonic_us(), cpu_from = p->measured ? clock_thread_us() : 0;
    unsigned served = 0, n = s->n_waiting;
    for (; n > 0 && (c = TAILQ_FIRST(&s->waiting)); n--) {
        conn_enter(c);
        pace_unwait(c);
        conn_run(c);
        conn_leave(c);
        served++;
        if (!p->measured)
            continue;
        look(p);
        if (has_used(p, from, cpu_from, p->slice))
            break;
    }
    if (p->measured)
        learn_cost(p, clock_thread_us() - cpu_from, served, false);
}

static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_server *s = arg;
    struct http_pace *p = &s->pace;
    pace_turn(s);
    serve_line(s);
    p->queued = p->queued && s->n_waiting > 0 && takes_most(p, HTTP_WORK_SHORT);
    if (s->n_waiting > 0)
        ask_for_turn(s); /* there is memory for it: that of the turn which is over */
}

int pace_init(struct http_server *s)
{
    s->pace.from = s->pace.worked_at = clock_monotonic_us();
    s->pace.share = WHOLE_CORE;
    s->pace.cost = FIRST_GUESS;
    save_up(s, most_saved_us(s));
    s->waiting_event = event_new(s->base, -1, 0, on_waiting, s);
    return s->waiting_event ? 0 : ERR_NOMEM;
}

void pace_fini(struct http_server *s)
{
    if (s->waiting_event)
        event_free(s->waiting_event);
}

static void wait_in_line(struct http_conn *c)
{
    struct http_server *s = c->server;
    c->waits_turn = true;
    c->no_room = false;
    s->n_waiting++;
    TAILQ_INSERT_TAIL(&s->waiting, c, turn);
    if (s->n_waiting == 1 && !ask_for_turn(s))
        conn_close(c);
}

bool pace_again(struct http_conn *c)
{
    const struct http_pace *p = &c->server->pace;
    bool served = c->no_room && !p->refusing; /* it was none to refuse, and came before those in line */
    if (p->queued && !served && !is_let_in(c))
        return true;
    wait_in_line(c);
    return false;
}

/* Only where a request begins: one that is half here has been let in. */
bool pace_hold(struct http_conn *c)
{
    if (c->state != CONN_IDLE)
        return false;
    if (c->waits_turn)
        return true;
    c->no_room = false;
    if (!c->server->pace.queued || !is_let_in(c))
        return false;
    wait_in_line(c);
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
