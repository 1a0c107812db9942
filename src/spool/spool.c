/* Pushing, and the writer thread that makes groups durable. */
#include "spool/spool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
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

/* How much of a bound is used. */
static enum spool_level fullness(uint64_t used, uint64_t max)
{
    if (used >= max || max - used < max / 64)
        return SPOOL_FULL;
    return used / 4 > max / 5 ? SPOOL_HIGH : SPOOL_OK;
}

void spool_update_level(struct spool *s)
{
    enum spool_level file = fullness(s->unshipped_bytes + s->waiting, s->options.max_bytes);
    enum spool_level memory = fullness(s->waiting, WAITING_MAX);
    int level = s->failing ? SPOOL_FAILING : file > memory ? file : memory;
    if (level != atomic_load_explicit(&s->level, memory_order_relaxed))
        atomic_store_explicit(&s->level, level, memory_order_relaxed);
}

enum spool_level spool_level(const struct spool *s)
{
    int64_t writing = atomic_load_explicit(&s->writing_us, memory_order_relaxed);
    if (writing && clock_monotonic_us() - writing > SPOOL_HANGS_US)
        return SPOOL_FAILING;
    return (enum spool_level)atomic_load_explicit(&s->level, memory_order_relaxed);
}

uint64_t spool_last(const struct spool *s)
{
    return atomic_load(&s->last_group);
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
        spool_update_level(s);
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

static size_t group_max(const struct spool *s)
{
    return BACKLOG_GROUPS * s->options.group_bytes;
}

enum what { BATCH, PROBE, END };

/* With the lock held: waits for a group's worth of pushes, or until a failing disk should be tried again. */
static enum what wait_for_work(struct spool *s)
{
    int64_t probe = clock_monotonic_us() + SPOOL_PROBE_MS * INT64_C(1000);
    while (!s->first && !s->closing) {
        if (!s->failing)
            pthread_cond_wait(&s->work, &s->lock);
        else if (spool_cond_wait(&s->work, &s->lock, probe))
            return s->first || s->closing ? BATCH : PROBE;
    }
    int64_t until = s->oldest_us + s->options.group_us;
    while (s->first && !s->closing && s->waiting < s->options.group_bytes) {
        if (spool_cond_wait(&s->work, &s->lock, until))
            break;
    }
    return BATCH;
}

/* Takes a group's worth of pushes into s->batch. */
static enum what take_batch(struct spool *s)
{
    struct spool_batch *b = &s->batch;
    pthread_mutex_lock(&s->lock);
    enum what what = wait_for_work(s);
    struct spool_push **end = &b->first;
    while (s->first && !s->abandoned && (!b->first || b->len + s->first->len <= group_max(s))) {
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
    if (what == BATCH && !b->first)
        what = END;
    pthread_mutex_unlock(&s->lock);
    return what;
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

static int commit_batch(struct spool *s, const struct spool_batch *b, uint64_t number, struct error *e)
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
    group_seal(s->group, number, s->accepted + b->n_records, b->n_records, b->len);
    return spool_file_append(&s->writer, number, b->n_records, clock_wall_us(), s->group, n, e);
}

static void account(struct spool *s, const struct spool_batch *b, uint64_t number, int code)
{
    pthread_mutex_lock(&s->lock);
    s->waiting -= b->len;
    s->failing = code != ERR_OK;
    if (code == ERR_OK) {
        atomic_store(&s->last_group, number);
        s->accepted += b->n_records;
        s->unshipped_bytes += b->len;
        s->stats.groups++;
        s->stats.bytes += b->len;
        s->stats.records += b->n_records;
        s->stats.commits++;
        pthread_cond_broadcast(&s->arrived);
    } else {
        s->stats.failed_records += b->n_records;
    }
    spool_update_level(s);
    pthread_mutex_unlock(&s->lock);
}

static void call_back(struct spool_push *first, int code, const struct error *e)
{
    while (first) {
        struct spool_push *push = first;
        first = push->next;
        if (push->done)
            push->done(push->arg, code, e);
        free(push);
    }
}

/* Unless spool_close did it: then nobody may be called any more. */
static void complete(struct spool *s, int code, const struct error *e)
{
    pthread_mutex_lock(&s->lock);
    bool ours = !s->abandoned;
    s->completing = ours;
    pthread_mutex_unlock(&s->lock);
    if (!ours)
        return;
    call_back(s->batch.first, code, e);
    pthread_mutex_lock(&s->lock);
    s->batch = (struct spool_batch){0};
    s->completing = false;
    pthread_cond_broadcast(&s->arrived);
    pthread_mutex_unlock(&s->lock);
}

void spool_fail_waiting(struct spool *s, int code, const struct error *e)
{
    pthread_mutex_lock(&s->lock);
    struct spool_push *first = s->first;
    s->first = NULL;
    s->last = &s->first;
    for (const struct spool_push *p = first; p; p = p->next) {
        s->waiting -= p->len;
        s->stats.failed_records += p->n_records;
    }
    pthread_mutex_unlock(&s->lock);
    call_back(first, code, e);
}

void spool_put_mark(struct spool *s)
{
    struct mark_content c = {.last = atomic_load(&s->last_group),
                             .accepted = s->accepted,
                             .gone = s->facts.gone,
                             .gone_accepted = s->facts.gone_accepted};
    memcpy(c.id, s->id, sizeof c.id);
    spool_mark_put(&s->mark, &c);
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

static void say_change(const struct spool *s, bool was_failing, int code, const struct error *e)
{
    if (!was_failing && code != ERR_OK)
        log_error("spool", "%s; nothing is accepted until it can be written again", e->text);
    else if (was_failing && code == ERR_OK)
        log_info("spool", "%s: it can be written again", s->path);
}

/* Damage is not accounted at the first attempt: a repair follows. */
static int commit_and_mark(struct spool *s, bool again, struct error *e)
{
    pthread_mutex_lock(&s->file_lock);
    uint64_t number = s->last_group + 1; /* a failed group's number is used again: numbers have no gaps */
    int code = commit_batch(s, &s->batch, number, e);
    if (code != ERR_DAMAGED || again)
        account(s, &s->batch, number, code);
    if (code == ERR_OK)
        spool_put_mark(s);
    pthread_mutex_unlock(&s->file_lock);
    return code;
}

static int fail_batch(struct spool *s, int code)
{
    pthread_mutex_lock(&s->file_lock);
    account(s, &s->batch, 0, code);
    pthread_mutex_unlock(&s->file_lock);
    return code;
}

static void write_batch(struct spool *s)
{
    struct error e;
    bool was_failing = s->failing; /* only this thread changes it */
    error_clear(&e);
#ifdef SPOOL_MUTANT_ACK_EARLY /* a test builds this to show that it would notice */
    for (struct spool_push *p = s->batch.first; p; p = p->next) {
        if (p->done)
            p->done(p->arg, ERR_OK, &e);
        p->done = NULL;
    }
#endif
    atomic_store_explicit(&s->writing_us, clock_monotonic_us(), memory_order_relaxed);
    int code = commit_and_mark(s, false, &e);
    if (code == ERR_DAMAGED) {
        pthread_mutex_lock(&s->reader_lock);
        int repaired = spool_repair(s, &e);
        pthread_mutex_unlock(&s->reader_lock);
        code = repaired == ERR_OK ? commit_and_mark(s, true, &e) : fail_batch(s, repaired);
    }
    atomic_store_explicit(&s->writing_us, 0, memory_order_relaxed);
    complete(s, code, &e);
    say_change(s, was_failing, code, &e);
    if (code != ERR_OK && s->closing)
        spool_fail_waiting(s, code, &e); /* one attempt is enough then */
    trim_group(s);
    pthread_mutex_lock(&s->file_lock);
    spool_file_checkpoint(&s->writer);
    pthread_mutex_unlock(&s->file_lock);
}

/* Nobody may push while the spool says that it is failing, so it finds out by itself when that is over. A
 * connection that does not recover is made anew. */
static void probe(struct spool *s, unsigned attempt)
{
    struct error e;
    pthread_mutex_lock(&s->file_lock);
    if (attempt % 4 == 3) {
        spool_file_close(&s->writer);
        if (spool_file_open(&s->writer, s->path, SPOOL_FILE_WRITER, &e) != ERR_OK)
            log_debug("spool", "%s", e.text);
    }
    int code = spool_file_probe(&s->writer, &e);
    pthread_mutex_unlock(&s->file_lock);
    pthread_mutex_lock(&s->lock);
    s->failing = code != ERR_OK;
    spool_update_level(s);
    pthread_mutex_unlock(&s->lock);
    say_change(s, true, code, &e);
}

void *spool_writer_main(void *arg)
{
    struct spool *s = arg;
    unsigned attempts = 0;
    pthread_setname_np(pthread_self(), "spool");
    for (enum what what; (what = take_batch(s)) != END;) {
        if (what == PROBE) {
            probe(s, attempts++);
            continue;
        }
        write_batch(s);
        if (!s->failing)
            attempts = 0;
    }
    pthread_mutex_lock(&s->lock);
    s->finished = true;
    pthread_cond_broadcast(&s->arrived);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void spool_stats(const struct spool *s, struct spool_stats *out)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock; /* reading is const to the caller */
    pthread_mutex_lock(lock);
    *out = s->stats;
    out->damaged += s->facts.lost;
    out->damaged_records = s->facts.lost_records;
    out->accepted_records = s->accepted - s->facts.base;
    out->deleted_records =
        s->facts.gone_accepted > s->facts.base ? s->facts.gone_accepted - s->facts.base : 0;
    out->unshipped_bytes = s->unshipped_bytes;
    out->max_bytes = s->options.max_bytes;
    out->level = spool_level(s);
    pthread_mutex_unlock(lock);
}
