#include "web/streams.h"

#include <event2/event.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/plan_state.h"
#include "web/freshness.h"

#define SLICE_US 10000 /* how often some are told while a change is under way */
#define SLICES 50      /* over which an edit is spread at the most, */
#define SLICES_STOP 25 /* and a guardrail's stop */
#define LEAST 20       /* streams told in a slice at the least */
#define LEAST_STOP 100
#define BUSY_US 20000     /* a loop that worked so long since the last slice tells half as many */
#define ASKING_US 5000000 /* how long after a change those who were told may come */

#define TICK_S 1
#define ALIVE_AFTER_S 15 /* something is sent to each stream this often, and … */
#define ALIVE_TICKS 8    /* … this many ticks later at the most: proxies give up after 30 s or more */

#define CLOCKS_DIFFER_US 1000000 /* those of servers, by less */

#define RETRY_LEAST_MS 1000 /* how long clients wait before they come back: each has its own number */
#define RETRY_MOST_MS 15000

#define MESSAGE_MAX 320
#define STATE_TEXT (2 * (size_t)PLAN_STATE_BYTES)

struct stream {
    struct http_stream *http;
    struct source *source;
    TAILQ_ENTRY(stream) in_source, in_quiet;
    uint64_t told;  /* the source's news it knows */
    int64_t sent_s; /* when anything was sent to it */
    int32_t key_id;
};

TAILQ_HEAD(stream_list, stream);

/* What an environment's streams listen to. */
struct source {
    struct streams *owner;
    const struct plan *plan;
    uint8_t state[PLAN_STATE_BYTES];
    char mark[STREAM_MARK_TEXT + 1];
    int64_t looked_s;           /* when the state was computed */
    int64_t changed_s;          /* since 1970; when it changed, as far as this worker saw */
    uint64_t news;              /* how often it changed */
    int64_t tell_us;            /* not to be told earlier */
    bool hurry;                 /* one of the changes being told is a stop */
    struct stream_list streams; /* those that know least first: who is told goes to the end */
    size_t n;
};

struct streams {
    struct event *slice, *tick;
    struct counters *counters;
    struct source **sources;
    size_t n_sources, n;
    struct stream_list quiet; /* by sent_s */
    int64_t slice_us;         /* when the last one was; 0: nothing is under way */
    int64_t worked_us;        /* processor time the thread had had by then */
    int64_t news_us;          /* when anything changed last */
    bool draining;
};

/* --- marks --- */

struct mark {
    int64_t version, stop;
    const char *state;
};

/* Digits and a dash; *text moves behind them. */
static bool read_version(const char **text, int64_t *out)
{
    size_t n = strspn(*text, "0123456789");
    if (n == 0 || n > 18 || (*text)[n] != '-')
        return false;
    *out = strtoll(*text, NULL, 10);
    *text += n + 1;
    return true;
}

static bool read_mark(const char *text, struct mark *out)
{
    if (!read_version(&text, &out->version) || !read_version(&text, &out->stop))
        return false;
    out->state = text;
    return strspn(text, "0123456789abcdef") == STATE_TEXT && text[STATE_TEXT] == '\0';
}

bool stream_mark_same(const char *a, const char *b)
{
    struct mark x, y;
    return read_mark(a, &x) && read_mark(b, &y) && strcmp(x.state, y.state) == 0;
}

bool stream_mark_ahead(const char *mark, const struct plan *p)
{
    struct mark m;
    return read_mark(mark, &m) && (m.version > plan_version(p) || m.stop > plan_stop_version(p));
}

static void write_mark(struct source *e)
{
    char state[STATE_TEXT + 1];
    sodium_bin2hex(state, sizeof state, e->state, sizeof e->state);
    snprintf(e->mark, sizeof e->mark, "%" PRId64 "-%" PRId64 "-%s", plan_version(e->plan),
             plan_stop_version(e->plan), state);
}

/* --- streams --- */

static void forget(struct stream *x)
{
    struct streams *s = x->source->owner;
    TAILQ_REMOVE(&x->source->streams, x, in_source);
    TAILQ_REMOVE(&s->quiet, x, in_quiet);
    x->source->n--;
    s->n--;
    counter_add(s->counters, streams, -1);
    free(x);
}

static void on_gone(void *arg, bool slow)
{
    struct stream *x = arg;
    if (slow)
        counter_add(x->source->owner->counters, streams_dropped, 1);
    forget(x);
}

static void end(struct stream *x)
{
    http_stream_end(x->http);
    forget(x);
}

/* False: it is gone. */
static bool say(struct stream *x, const char *text, size_t len)
{
    struct streams *s = x->source->owner;
    x->sent_s = clock_monotonic_us() / 1000000;
    TAILQ_REMOVE(&s->quiet, x, in_quiet);
    TAILQ_INSERT_TAIL(&s->quiet, x, in_quiet);
    return http_stream_send(x->http, text, len);
}

static size_t write_message(const struct source *e, char out[MESSAGE_MAX])
{
    return (size_t)snprintf(out, MESSAGE_MAX,
                            "id: %s\nevent: message\n"
                            "data: {\"type\":\"refetchEvaluation\",\"etag\":\"%s\",\"lastModified\":%" PRId64
                            "}\n\n",
                            e->mark, e->mark, e->changed_s);
}

/* --- telling --- */

static bool knows(const struct stream *x)
{
    return x->told == x->source->news;
}

static bool untold(const struct source *e)
{
    const struct stream *first = TAILQ_FIRST(&e->streams);
    return first && !knows(first);
}

/* Tells up to n streams of the source; true when there are more that do not know. */
static bool tell(struct source *e, size_t n)
{
    char message[MESSAGE_MAX];
    size_t len = write_message(e, message);
    struct stream *x;
    while ((x = TAILQ_FIRST(&e->streams)) && !knows(x)) {
        if (n-- == 0)
            return true;
        x->told = e->news;
        TAILQ_REMOVE(&e->streams, x, in_source);
        TAILQ_INSERT_TAIL(&e->streams, x, in_source);
        counter_add(e->owner->counters, stream_messages, 1);
        say(x, message, len);
    }
    e->hurry = false;
    return false;
}

/* How many are told in this slice. A loop that only came late, on a busy machine, makes good one slice. */
static size_t share(const struct source *e, bool busy, bool late)
{
    size_t slices = e->hurry ? SLICES_STOP : SLICES, least = e->hurry ? LEAST_STOP : LEAST;
    size_t n = (e->n + slices - 1) / slices;
    n = n > least ? n : least;
    return busy ? n / 2 : late ? 2 * n : n;
}

static void tell_slice(struct streams *s)
{
    struct timeval soon = {.tv_usec = SLICE_US};
    int64_t now = clock_monotonic_us(), worked = clock_thread_us();
    bool going = s->slice_us != 0, more = false, busy = going && worked - s->worked_us > BUSY_US,
         late = going && now - s->slice_us >= INT64_C(2) * SLICE_US;
    for (size_t i = 0; i < s->n_sources; i++)
        if (s->sources[i]->tell_us <= now)
            more = tell(s->sources[i], share(s->sources[i], busy, late)) || more;
    s->slice_us = more ? now : 0;
    s->worked_us = worked;
    if (more)
        event_add(s->slice, &soon);
}

static void on_slice(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell_slice(arg);
}

/* Looks whether the environment would decide differently now, because a moment has passed: that is told when
 * it has passed on all servers. */
static void look(struct source *e)
{
    uint8_t before[PLAN_STATE_BYTES];
    int64_t now = clock_wall_us();
    memcpy(before, e->state, sizeof before);
    plan_state(e->plan, now, freshness_blind_us(e->owner->counters), e->state);
    e->looked_s = now / 1000000;
    write_mark(e);
    if (memcmp(before, e->state, sizeof before) == 0)
        return;
    e->owner->news_us = clock_monotonic_us();
    if (!untold(e))
        e->tell_us = e->owner->news_us + CLOCKS_DIFFER_US;
    e->news++;
    e->changed_s = now / 1000000;
}

bool streams_expect(const struct streams *s)
{
    return s->news_us != 0 && clock_monotonic_us() - s->news_us < ASKING_US;
}

static void begin_telling(struct streams *s)
{
    if (s->slice_us == 0 && s->n > 0)
        tell_slice(s);
}

const char *streams_mark(struct streams *s, const struct plan *p)
{
    for (size_t i = 0; i < s->n_sources; i++) {
        struct source *e = s->sources[i];
        if (e->plan != p)
            continue;
        if (clock_wall_us() / 1000000 != e->looked_s)
            look(e);
        return e->mark;
    }
    return NULL;
}

static void keep_alive(struct streams *s)
{
    static const char comment[] = ":\n\n";
    int64_t before = clock_monotonic_us() / 1000000 - ALIVE_AFTER_S;
    struct stream *x;
    for (size_t n = s->n / ALIVE_TICKS + 1; n > 0 && (x = TAILQ_FIRST(&s->quiet)) && x->sent_s <= before; n--)
        say(x, comment, sizeof comment - 1);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct streams *s = arg;
    struct timeval next = {.tv_sec = TICK_S};
    for (size_t i = 0; i < s->n_sources; i++)
        if (s->sources[i]->n > 0)
            look(s->sources[i]);
    begin_telling(s);
    keep_alive(s);
    if (s->n > 0)
        event_add(s->tick, &next);
}

/* --- plans --- */

static struct source *new_source(struct streams *s, const struct plan *p)
{
    struct source *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->owner = s;
    e->plan = p;
    TAILQ_INIT(&e->streams);
    look(e);
    return e;
}

static void free_source(struct source *e)
{
    struct stream *x;
    while (e && (x = TAILQ_FIRST(&e->streams)))
        end(x);
    free(e);
}

/* Takes the source of that environment out of the list. */
static struct source *take_source(struct streams *s, const struct plan *p)
{
    for (size_t i = 0; i < s->n_sources; i++) {
        struct source *e = s->sources[i];
        if (!e || strcmp(plan_environment(e->plan), plan_environment(p)) != 0)
            continue;
        s->sources[i] = NULL;
        return e;
    }
    return NULL;
}

static void end_revoked(struct source *e)
{
    int32_t known = 0; /* streams of one key mostly stand together */
    struct stream *x = TAILQ_FIRST(&e->streams), *next;
    for (; x; x = next) {
        next = TAILQ_NEXT(x, in_source);
        if (x->key_id == known)
            continue;
        if (plan_api_key_known(e->plan, x->key_id))
            known = x->key_id;
        else
            end(x);
    }
}

static void renew(struct source *e, const struct plan *p)
{
    uint64_t before = e->news;
    bool stop = plan_stop_version(p) > plan_stop_version(e->plan);
    e->plan = p;
    look(e);
    if (e->news != before)
        e->tell_us = 0;
    e->hurry = e->hurry || (stop && e->news != before);
    end_revoked(e);
}

void streams_set_plans(struct streams *s, const struct plan_set *plans)
{
    size_t n = 0, n_new = plan_set_count(plans);
    struct source **sources = calloc(n_new, sizeof *sources);
    for (size_t i = 0; sources && i < n_new; i++) {
        const struct plan *p = plan_set_at(plans, i);
        struct source *e = take_source(s, p);
        if (e)
            renew(e, p);
        else
            e = new_source(s, p);
        if (e)
            sources[n++] = e;
    }
    if (!sources)
        log_error("streams", "out of memory: the open streams are ended");
    for (size_t i = 0; i < s->n_sources; i++)
        free_source(s->sources[i]);
    free(s->sources);
    s->sources = sources;
    s->n_sources = n;
    begin_telling(s);
}

/* --- opening and ending --- */

struct streams *streams_new(struct event_base *base, struct counters *counters)
{
    struct streams *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->counters = counters;
    TAILQ_INIT(&s->quiet);
    s->slice = evtimer_new(base, on_slice, s);
    s->tick = evtimer_new(base, on_tick, s);
    if (!s->slice || !s->tick) {
        streams_free(s);
        return NULL;
    }
    return s;
}

void streams_free(struct streams *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_sources; i++)
        free_source(s->sources[i]);
    free(s->sources);
    if (s->slice)
        event_free(s->slice);
    if (s->tick)
        event_free(s->tick);
    free(s);
}

bool streams_full(const struct streams *s, unsigned max)
{
    return s->draining || counter_get(s->counters, streams) >= max;
}

static uint32_t retry_ms(void)
{
    return RETRY_LEAST_MS + randombytes_uniform(RETRY_MOST_MS - RETRY_LEAST_MS);
}

static struct stream *add(struct source *e, int32_t key_id)
{
    struct streams *s = e->owner;
    struct timeval next = {.tv_sec = TICK_S};
    struct stream *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->source = e;
    x->key_id = key_id;
    x->told = e->news;
    TAILQ_INSERT_TAIL(&e->streams, x, in_source);
    TAILQ_INSERT_TAIL(&s->quiet, x, in_quiet);
    e->n++;
    if (s->n++ == 0)
        event_add(s->tick, &next);
    counter_add(s->counters, streams, 1);
    return x;
}

/* The id without data is no event: it is what Last-Event-ID says when nothing else came. Who holds something
 * newer than this worker is told when that arrives here, too. */
static void greet(struct stream *x, const char *has)
{
    char text[MESSAGE_MAX + 128];
    const struct source *e = x->source;
    size_t n = (size_t)snprintf(text, 128, "retry: %" PRIu32 "\nid: %s\n\n", retry_ms(), e->mark);
    if (!stream_mark_same(has, e->mark) && !stream_mark_ahead(has, e->plan)) {
        n += write_message(e, text + n);
        counter_add(e->owner->counters, stream_messages, 1);
    }
    say(x, text, n);
}

void streams_open(struct streams *s, struct http_request *r, const struct plan *p, int32_t key_id,
                  const char *has)
{
    char held[STREAM_MARK_TEXT + 1] = "";
    struct source *e = NULL;
    streams_mark(s, p); /* up to date */
    for (size_t i = 0; i < s->n_sources; i++)
        if (s->sources[i]->plan == p)
            e = s->sources[i];
    struct stream *x = e ? add(e, key_id) : NULL;
    if (!x) {
        http_reply(r, 503, NULL, NULL, 0);
        return;
    }
    if (has && strlen(has) <= STREAM_MARK_TEXT)
        strcpy(held, has); /* it may lie in the request */
    http_add_header(r, "Cache-Control", "no-store");
    http_add_header(r, "X-Accel-Buffering", "no"); /* nginx would hold messages back */
    x->http = http_stream_begin(r, "text/event-stream", on_gone, x);
    if (x->http)
        greet(x, held);
    else
        forget(x);
}

void streams_drain(struct streams *s)
{
    char text[32];
    struct stream *x;
    s->draining = true;
    while ((x = TAILQ_FIRST(&s->quiet))) {
        int n = snprintf(text, sizeof text, "retry: %" PRIu32 "\n\n", retry_ms());
        if (http_stream_send(x->http, text, (size_t)n))
            end(x);
    }
}
