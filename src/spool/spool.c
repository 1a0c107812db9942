/* Pushing, and the writer thread that makes groups durable. */
#include "spool/spool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "spool/group.h"
#include "spool/spool_internal.h"

enum {
    WAITING_MAX = 64 << 20, /* bytes in memory between push and commit */
    BACKLOG_GROUPS = 4,     /* a backlog is committed in groups of up to so many times the usual size */
};

bool spool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us)
{
    struct timespec t = {until_us / 1000000, until_us % 1000000 * 1000};
    return pthread_cond_timedwait(cond, lock, &t) != 0;
}

static bool has_room(const struct spool *s, size_t len)
{
    if (len > WAITING_MAX || s->waiting > WAITING_MAX - len)
        return false;
    uint64_t max = s->options.max_bytes, used = s->unshipped_bytes + s->waiting;
    return used <= max && len <= max - used;
}

int spool_push(struct spool *s, const uint8_t *bytes, size_t len, unsigned n_records, spool_done_fn *done,
               void *arg)
{
    struct spool_push *push = len <= WAITING_MAX ? malloc(sizeof *push + len) : NULL;
    if (!push)
        return len <= WAITING_MAX ? ERR_NOMEM : ERR_LIMIT;
    push->next = NULL;
    push->done = done;
    push->arg = arg;
    push->n_records = n_records;
    push->len = len;
    if (len > 0)
        memcpy(push->bytes, bytes, len);
    pthread_mutex_lock(&s->lock);
    int code = s->closing ? ERR_STATE : has_room(s, len) ? ERR_OK : ERR_LIMIT;
    if (code == ERR_OK) {
        bool was_empty = s->first == NULL, was_small = s->waiting < s->options.group_bytes;
        *s->last = push;
        s->last = &push->next;
        s->waiting += len;
        s->stats.pushed_records += n_records;
        if (was_empty)
            s->oldest_us = clock_monotonic_us();
        if (was_empty || (was_small && s->waiting >= s->options.group_bytes))
            pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    if (code != ERR_OK)
        free(push);
    return code;
}

/* A group in the making: pushes taken off the queue. */
struct batch {
    struct spool_push *first;
    size_t len;
    unsigned n_records;
};

static size_t group_max(const struct spool *s)
{
    return BACKLOG_GROUPS * s->options.group_bytes;
}

/* Waits for a group's worth of pushes; false: closing, and nothing is left. */
static bool take_batch(struct spool *s, struct batch *b)
{
    *b = (struct batch){0};
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->closing)
        pthread_cond_wait(&s->work, &s->lock);
    int64_t until = s->oldest_us + s->options.group_us;
    while (s->first && !s->closing && s->waiting < s->options.group_bytes) {
        if (spool_cond_wait(&s->work, &s->lock, until))
            break;
    }
    struct spool_push **end = &b->first;
    while (s->first && (!b->first || b->len + s->first->len <= group_max(s))) {
        struct spool_push *push = s->first;
        s->first = push->next;
        push->next = NULL;
        *end = push;
        end = &push->next;
        b->len += push->len;
        b->n_records += push->n_records;
    }
    if (!s->first)
        s->last = &s->first;
    else
        s->oldest_us = 0; /* what stays has waited long enough */
    pthread_mutex_unlock(&s->lock);
    return b->first != NULL;
}

static int room_for_group(struct spool *s, size_t n, struct error *e)
{
    if (n <= s->group_cap)
        return ERR_OK;
    uint8_t *group = realloc(s->group, n);
    if (!group)
        return error_set(e, ERR_NOMEM, s->path, "out of memory for a group of %zu bytes", n);
    s->group = group;
    s->group_cap = n;
    return ERR_OK;
}

static int commit_batch(struct spool *s, const struct batch *b, uint64_t number, struct error *e)
{
    size_t n = GROUP_HEADER + b->len, at = GROUP_HEADER;
    int code = room_for_group(s, n, e);
    if (code != ERR_OK)
        return code;
    for (const struct spool_push *p = b->first; p; p = p->next) {
        if (p->len > 0)
            memcpy(s->group + at, p->bytes, p->len);
        at += p->len;
    }
    group_seal(s->group, number, b->n_records, b->len);
    return spool_file_append(&s->writer, number, b->n_records, clock_wall_us(), s->group, n, e);
}

static void account(struct spool *s, const struct batch *b, uint64_t number, int code)
{
    pthread_mutex_lock(&s->lock);
    s->waiting -= b->len;
    if (code == ERR_OK) {
        s->last_group = number;
        s->unshipped_bytes += b->len;
        s->stats.groups++;
        s->stats.bytes += b->len;
        s->stats.records += b->n_records;
        s->stats.commits++;
        pthread_cond_broadcast(&s->arrived);
    } else {
        s->stats.failed_records += b->n_records;
    }
    pthread_mutex_unlock(&s->lock);
}

static void complete(struct batch *b, int code, const struct error *e)
{
    while (b->first) {
        struct spool_push *push = b->first;
        b->first = push->next;
        if (push->done)
            push->done(push->arg, code, e);
        free(push);
    }
}

/* A burst can need a large group; keep no more than usual between groups. */
static void trim_group(struct spool *s)
{
    if (s->group_cap <= 2 * group_max(s))
        return;
    free(s->group);
    s->group = NULL;
    s->group_cap = 0;
}

void *spool_writer_main(void *arg)
{
    struct spool *s = arg;
    struct batch b;
    uint64_t next = s->last_group + 1;
    while (take_batch(s, &b)) {
        struct error e;
        error_clear(&e);
#ifdef SPOOL_MUTANT_ACK_EARLY /* a test builds this to show that it would notice */
        for (struct spool_push *p = b.first; p; p = p->next) {
            if (p->done)
                p->done(p->arg, ERR_OK, &e);
            p->done = NULL;
        }
#endif
        pthread_mutex_lock(&s->file_lock);
        int code = commit_batch(s, &b, next, &e);
        account(s, &b, next, code);
        pthread_mutex_unlock(&s->file_lock);
        complete(&b, code, &e);
        if (code == ERR_OK)
            next++; /* a failed group's number is used again: numbers have no gaps */
        trim_group(s);
        pthread_mutex_lock(&s->file_lock);
        spool_file_checkpoint(&s->writer);
        pthread_mutex_unlock(&s->file_lock);
    }
    return NULL;
}

void spool_stats(const struct spool *s, struct spool_stats *out)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock; /* reading is const to the caller */
    pthread_mutex_lock(lock);
    *out = s->stats;
    pthread_mutex_unlock(lock);
}
