#include "cohortctl/sim_events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/json_in.h"
#include "cohort_client.h"

#define QUEUE_MAX 100000000 /* nothing is dropped here */
#define BATCH_EVENTS 500
#define FLUSH_MS 100
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 2000

/* One that has not happened yet. */
struct later {
    int64_t due_us; /* on the monotonic clock */
    bool twice;
    char *name, *customer;
};

struct sim_events {
    struct cohort_options server;
    struct cohort_client *client;
    char file[64];        /* "" without crashes */
    pthread_mutex_t lock; /* of the heap */
    struct later *heap;   /* the earliest first */
    size_t n, cap;
    uint64_t reported, twice, crashes, retries_before;
    atomic_ulong rejected;
    atomic_bool refused;
    char trouble[400];
};

/* On the client's thread. */
static void on_trouble(void *arg, const struct cohort_trouble *t)
{
    struct sim_events *s = arg;
    if (t->kind == COHORT_TROUBLE_REFUSED)
        atomic_fetch_add(&s->rejected, 1);
    if (t->kind != COHORT_TROUBLE_KEY || atomic_load(&s->refused))
        return;
    snprintf(s->trouble, sizeof s->trouble, "%s", t->text);
    atomic_store(&s->refused, true);
}

static int open_client(struct sim_events *s, struct error *e)
{
    struct cohort_error why;
    struct cohort_options o = s->server;
    o.timeout_ms = 30000;
    o.queue_max = QUEUE_MAX;
    o.batch_max = BATCH_EVENTS;
    o.flush_ms = FLUSH_MS;
    o.backoff_min_ms = BACKOFF_MIN_MS;
    o.backoff_max_ms = BACKOFF_MAX_MS;
    o.queue_file = s->file[0] ? s->file : NULL;
    o.on_trouble = on_trouble;
    o.arg = s;
    if (cohort_open(&s->client, &o, &why) == COHORT_OK)
        return 0;
    return error_set(e, ERR_INVALID, "", "%s", why.text);
}

int sim_events_open(struct sim_events **out, const struct cohort_options *server, bool crashes,
                    struct error *e)
{
    struct sim_events *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    s->server = *server;
    pthread_mutex_init(&s->lock, NULL);
    int rc = 0;
    if (crashes) {
        strcpy(s->file, "/tmp/cohortctl-events.XXXXXX");
        int fd = mkstemp(s->file);
        if (fd >= 0)
            close(fd);
        else
            rc = error_set(e, ERR_IO, s->file, "the events' file can't be made");
    }
    if (rc == 0)
        rc = open_client(s, e);
    if (rc < 0)
        sim_events_close(s);
    else
        *out = s;
    return rc;
}

static void free_later(struct later *v)
{
    free(v->name);
    free(v->customer);
}

void sim_events_close(struct sim_events *s)
{
    if (!s)
        return;
    cohort_close(s->client, 0);
    for (size_t i = 0; i < s->n; i++)
        free_later(&s->heap[i]);
    if (s->file[0])
        unlink(s->file);
    pthread_mutex_destroy(&s->lock);
    free(s->heap);
    free(s);
}

/* --- the heap --- */

static void swap(struct sim_events *s, size_t a, size_t b)
{
    struct later v = s->heap[a];
    s->heap[a] = s->heap[b];
    s->heap[b] = v;
}

static int put(struct sim_events *s, struct later v)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 256;
        struct later *more = realloc(s->heap, cap * sizeof *more);
        if (!more)
            return ERR_NOMEM;
        s->heap = more;
        s->cap = cap;
    }
    s->heap[s->n] = v;
    for (size_t i = s->n++; i > 0 && s->heap[i].due_us < s->heap[(i - 1) / 2].due_us; i = (i - 1) / 2)
        swap(s, i, (i - 1) / 2);
    return 0;
}

static bool take(struct sim_events *s, int64_t now_us, struct later *out)
{
    if (s->n == 0 || s->heap[0].due_us > now_us)
        return false;
    *out = s->heap[0];
    s->heap[0] = s->heap[--s->n];
    for (size_t i = 0;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < s->n && s->heap[left].due_us < s->heap[least].due_us)
            least = left;
        if (right < s->n && s->heap[right].due_us < s->heap[least].due_us)
            least = right;
        if (least == i)
            return true;
        swap(s, i, least);
        i = least;
    }
}

int sim_events_add(struct sim_events *s, const char *name, const char *customer, int64_t delay_us, bool twice,
                   struct error *e)
{
    struct later v = {.due_us = clock_monotonic_us() + delay_us,
                      .twice = twice,
                      .name = strdup(name),
                      .customer = strdup(customer)};
    int rc = ERR_NOMEM;
    if (v.name && v.customer) {
        pthread_mutex_lock(&s->lock);
        rc = put(s, v);
        pthread_mutex_unlock(&s->lock);
    }
    if (rc == 0)
        return 0;
    free_later(&v);
    return error_set(e, ERR_NOMEM, "", "out of memory");
}

/* --- reporting --- */

static bool report(struct sim_events *s, const struct later *v)
{
    uint8_t bytes[16];
    char id[37];
    int64_t now_us = clock_wall_us();
    struct cohort_context *who = cohort_context_new(v->customer);
    uuid7(now_us, bytes);
    uuid_format(bytes, id);
    const struct cohort_outcome o = {.size = sizeof o, .name = v->name, .id = id, .ts_us = now_us};
    bool ok = who && cohort_track_outcome(s->client, who, &o) == COHORT_OK;
    s->reported += ok;
    if (ok && v->twice) {
        ok = cohort_track_outcome(s->client, who, &o) == COHORT_OK;
        s->reported += ok;
        s->twice += ok;
    }
    cohort_context_free(who);
    return ok;
}

int sim_events_run(struct sim_events *s, bool all, struct error *e)
{
    struct later v;
    int64_t now_us = all ? INT64_MAX : clock_monotonic_us();
    for (bool ok = true;;) {
        pthread_mutex_lock(&s->lock);
        bool due = take(s, now_us, &v);
        pthread_mutex_unlock(&s->lock);
        if (!due)
            return 0;
        ok = report(s, &v);
        free_later(&v);
        if (!ok)
            return error_set(e, ERR_NOMEM, "", "out of memory");
    }
}

static uint64_t retries(const struct sim_events *s)
{
    struct cohort_stats stats = {.size = sizeof stats};
    cohort_stats(s->client, &stats);
    return s->retries_before + stats.failures;
}

int sim_events_crash(struct sim_events *s, struct error *e)
{
    s->retries_before = retries(s);
    cohort_close(s->client, 0);
    s->client = NULL;
    s->crashes++;
    return open_client(s, e);
}

bool sim_events_flush(struct sim_events *s, unsigned ms)
{
    return cohort_flush(s->client, ms) == COHORT_OK;
}

void sim_events_counts(struct sim_events *s, struct sim_events_counts *out)
{
    struct cohort_stats stats = {.size = sizeof stats};
    cohort_stats(s->client, &stats);
    uint64_t rejected = atomic_load(&s->rejected);
    pthread_mutex_lock(&s->lock);
    *out = (struct sim_events_counts){.accepted = s->reported - stats.waiting - rejected,
                                      .rejected = rejected,
                                      .waiting = stats.waiting + s->n,
                                      .twice = s->twice,
                                      .retries = retries(s),
                                      .crashes = s->crashes};
    pthread_mutex_unlock(&s->lock);
}

const char *sim_events_trouble(const struct sim_events *s)
{
    return atomic_load(&s->refused) ? s->trouble : NULL;
}
