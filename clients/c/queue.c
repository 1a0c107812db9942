#include "clients/c/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "clients/c/journal.h"
#include "codec/json_in.h"

#define BODY_BYTES ((size_t)1 << 20) /* a server takes 4 MiB */
#define REWRITE_BYTES ((size_t)4 << 20)

struct queue_event {
    TAILQ_ENTRY(queue_event) link;
    int64_t ts_us, since_us;
    unsigned group; /* only its own are sent with it: half of a batch that was refused */
    char kind;
    bool on_its_way, restamped;
    char id[JOURNAL_ID + 1];
    size_t len;
    char text[];
};

TAILQ_HEAD(event_list, queue_event);

struct queue {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t news;  /* for the sender */
    pthread_cond_t empty; /* for who waits until it is */
    struct event_list events;
    size_t n, on_their_way, max, bytes;
    unsigned groups, hurried;
    bool ended;
    struct journal *journal;
    struct say *say;
    struct queue_counts counts;
};

static int init_condition(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
    return failed;
}

/* False when the moment came first. */
static bool wait_until(struct queue *q, pthread_cond_t *c, int64_t until_us)
{
    struct timespec t = {until_us / 1000000, until_us % 1000000 * 1000};
    if (until_us == INT64_MAX) {
        pthread_cond_wait(c, &q->lock);
        return true;
    }
    return pthread_cond_timedwait(c, &q->lock, &t) != ETIMEDOUT;
}

static struct queue_event *make_event(char kind, const char *id, int64_t ts_us, const char *text)
{
    size_t len = strlen(text);
    struct queue_event *v = calloc(1, sizeof *v + len + 1);
    if (!v)
        return NULL;
    v->kind = kind;
    v->ts_us = ts_us;
    v->since_us = clock_monotonic_us();
    v->len = len;
    memcpy(v->id, id, JOURNAL_ID);
    memcpy(v->text, text, len + 1);
    return v;
}

static void append(struct queue *q, struct queue_event *v)
{
    TAILQ_INSERT_TAIL(&q->events, v, link);
    q->n++;
    q->bytes += v->len;
    q->counts.kept++;
}

/* Of the file: what a client before this one left. */
static int on_found(void *arg, char kind, const char *id, int64_t ts_us, const char *text)
{
    struct queue_event *v = make_event(kind, id, ts_us, text);
    if (!v)
        return COHORT_NOMEM;
    append(arg, v);
    return COHORT_OK;
}

int queue_open(struct queue **out, size_t max, const char *file, struct say *say, struct cohort_error *e)
{
    struct queue *q = calloc(1, sizeof *q);
    if (!q)
        return COHORT_NOMEM;
    pthread_mutex_init(&q->lock, NULL);
    init_condition(&q->news);
    init_condition(&q->empty);
    TAILQ_INIT(&q->events);
    q->max = max;
    q->say = say;
    int code = file ? journal_open(&q->journal, file, on_found, q, e) : COHORT_OK;
    if (code != COHORT_OK)
        queue_close(q);
    else
        *out = q;
    return code;
}

void queue_close(struct queue *q)
{
    if (!q)
        return;
    for (struct queue_event *v; (v = TAILQ_FIRST(&q->events)) != NULL;) {
        TAILQ_REMOVE(&q->events, v, link);
        free(v);
    }
    journal_close(q->journal);
    pthread_cond_destroy(&q->news);
    pthread_cond_destroy(&q->empty);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void on_disk(struct queue *q, bool ok)
{
    if (ok)
        say_over(q->say, COHORT_TROUBLE_FILE);
    else
        say_once(q->say, COHORT_TROUBLE_FILE,
                 "the queue file can't be written (%s): events wait in memory only", strerror(errno));
}

static void write_anew(struct queue *q)
{
    struct queue_event *v;
    bool whole = true;
    if (journal_bytes(q->journal) < REWRITE_BYTES + 4 * q->bytes || !journal_begin(q->journal))
        return;
    TAILQ_FOREACH(v, &q->events, link)
    whole = whole && journal_add(q->journal, v->kind, v->id, v->ts_us, v->text);
    journal_commit(q->journal, whole);
}

static void leave(struct queue *q, struct queue_event *v)
{
    TAILQ_REMOVE(&q->events, v, link);
    q->n--;
    q->on_their_way -= v->on_its_way;
    q->bytes -= v->len;
    on_disk(q, journal_remove(q->journal, v->id));
    free(v);
    if (q->n > 0) {
        write_anew(q);
    } else {
        journal_empty(q->journal);
        say_over(q->say, COHORT_TROUBLE_FULL);
        pthread_cond_broadcast(&q->empty);
    }
}

/* Those on their way don't count: an answer will come for them. */
static void make_room(struct queue *q)
{
    struct queue_event *v = TAILQ_FIRST(&q->events), *next;
    for (; v && q->n - q->on_their_way >= q->max; v = next) {
        next = TAILQ_NEXT(v, link);
        if (v->on_its_way)
            continue;
        q->counts.dropped++;
        leave(q, v);
    }
}

int queue_push(struct queue *q, char kind, const char *id, int64_t ts_us, const char *text)
{
    struct queue_event *v = make_event(kind, id, ts_us, text);
    if (!v)
        return COHORT_NOMEM;
    pthread_mutex_lock(&q->lock);
    bool full = q->n - q->on_their_way >= q->max;
    make_room(q);
    append(q, v);
    on_disk(q, journal_add(q->journal, kind, v->id, ts_us, text));
    pthread_cond_signal(&q->news);
    pthread_mutex_unlock(&q->lock);
    if (full)
        say_once(q->say, COHORT_TROUBLE_FULL,
                 "%zu events wait already: the oldest are dropped, and counted, until some can be sent",
                 q->max);
    return COHORT_OK;
}

void queue_counts(struct queue *q, struct queue_counts *out)
{
    pthread_mutex_lock(&q->lock);
    *out = q->counts;
    out->waiting = q->n;
    pthread_mutex_unlock(&q->lock);
}

static struct queue_event *oldest(struct queue *q)
{
    struct queue_event *v;
    TAILQ_FOREACH(v, &q->events, link)
    if (!v->on_its_way)
        return v;
    return NULL;
}

/* When the oldest is due. */
static int64_t due_us(struct queue *q, const struct queue_wait *w)
{
    const struct queue_event *v = oldest(q);
    if (!v)
        return INT64_MAX;
    int64_t at = q->n >= w->n || q->hurried > 0 || v->group > 0 ? 0 : v->since_us + w->flush_us;
    return at > w->not_before_us ? at : w->not_before_us;
}

bool queue_wait(struct queue *q, const struct queue_wait *w)
{
    bool due = false;
    pthread_mutex_lock(&q->lock);
    while (!q->ended && !due) {
        int64_t at = due_us(q, w);
        due = at <= clock_monotonic_us();
        if (!due)
            wait_until(q, &q->news, at);
    }
    due = due && !q->ended;
    pthread_mutex_unlock(&q->lock);
    return due;
}

void queue_hurry(struct queue *q, bool on)
{
    pthread_mutex_lock(&q->lock);
    q->hurried += on ? 1 : -1u;
    pthread_cond_broadcast(&q->news);
    pthread_mutex_unlock(&q->lock);
}

void queue_end(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ended = true;
    pthread_cond_broadcast(&q->news);
    pthread_mutex_unlock(&q->lock);
}

static void set_on_its_way(struct queue *q, struct queue_event *v, bool on)
{
    q->on_their_way += on ? 1 : -(size_t)1;
    v->on_its_way = on;
}

static void write_event(struct buffer *body, const struct queue_event *v)
{
    char ts[28];
    time_format(v->ts_us, ts);
    buffer_printf(body, "{\"id\":\"%s\",\"ts\":\"%s\",", v->id, ts);
    buffer_add(body, v->text, v->len);
    buffer_add_str(body, "}");
}

bool queue_take(struct queue *q, size_t max, struct queue_batch *b)
{
    struct queue_event *v, *first;
    buffer_clear(&b->body);
    b->n = 0;
    pthread_mutex_lock(&q->lock);
    first = v = oldest(q);
    buffer_add_str(&b->body, "{\"events\":[");
    for (; v && b->n < max && b->body.len < BODY_BYTES; v = TAILQ_NEXT(v, link)) {
        if (v->on_its_way || v->kind != first->kind || v->group != first->group)
            continue;
        if (b->n > 0)
            buffer_add_str(&b->body, ",");
        write_event(&b->body, v);
        b->events[b->n++] = v;
    }
    buffer_add_str(&b->body, "]}");
    bool ok = b->n > 0 && !b->body.failed;
    for (size_t i = 0; i < b->n && ok; i++)
        set_on_its_way(q, b->events[i], true);
    if (ok)
        b->kind = first->kind;
    pthread_mutex_unlock(&q->lock);
    return ok;
}

const char *queue_event_id(const struct queue_event *v)
{
    return v->id;
}

void queue_accepted(struct queue *q, struct queue_event *v)
{
    pthread_mutex_lock(&q->lock);
    q->counts.accepted++;
    leave(q, v);
    pthread_mutex_unlock(&q->lock);
}

void queue_refused(struct queue *q, struct queue_event *v)
{
    pthread_mutex_lock(&q->lock);
    q->counts.refused++;
    leave(q, v);
    pthread_mutex_unlock(&q->lock);
}

void queue_again(struct queue *q, struct queue_event *v)
{
    pthread_mutex_lock(&q->lock);
    set_on_its_way(q, v, false);
    pthread_mutex_unlock(&q->lock);
}

bool queue_restamp(struct queue *q, struct queue_event *v, int64_t shift_us)
{
    pthread_mutex_lock(&q->lock);
    bool first = !v->restamped;
    if (first) {
        v->restamped = true;
        set_on_its_way(q, v, false);
        v->ts_us += shift_us;
        on_disk(q, journal_add(q->journal, v->kind, v->id, v->ts_us, v->text));
    }
    pthread_mutex_unlock(&q->lock);
    return first;
}

void queue_split(struct queue *q, struct queue_batch *b)
{
    pthread_mutex_lock(&q->lock);
    unsigned group = q->groups + 1;
    q->groups += 2;
    for (size_t i = 0; i < b->n; i++) {
        b->events[i]->group = i < b->n / 2 ? group : group + 1;
        set_on_its_way(q, b->events[i], false);
    }
    pthread_mutex_unlock(&q->lock);
}

bool queue_drained(struct queue *q, int64_t until_us)
{
    bool in_time = true;
    pthread_mutex_lock(&q->lock);
    while (q->n > 0 && in_time)
        in_time = wait_until(q, &q->empty, until_us);
    bool drained = q->n == 0;
    pthread_mutex_unlock(&q->lock);
    return drained;
}
