#include "web/rate_table.h"

#include <stdatomic.h>
#include <stdlib.h>

#define WAYS 8 /* buckets in which a tag may be */
#define TRIES 4
#define UNITS 16 /* of a nanosecond: a rate is exact to 1e-5, and 63 bits last for 18 years */
#define STEP (INT64_C(10000000) * UNITS) /* more than the clock's */

struct bucket {
    _Atomic uint64_t tag; /* 0: nobody's yet */
    _Atomic int64_t full; /* when it is full again, in units */
};

struct rate_table {
    size_t mask; /* of the groups of WAYS buckets */
    struct bucket buckets[];
};

struct rate rate_of(unsigned per_second, unsigned burst)
{
    struct rate r = {0};
    r.spacing = (INT64_C(1000000000) * UNITS + per_second - 1) / per_second;
    r.depth = r.spacing * burst;
    if (r.depth < r.spacing + STEP)
        r.depth = r.spacing + STEP;
    return r;
}

struct rate_table *rate_table_new(size_t slots)
{
    struct rate_table *t = calloc(1, sizeof *t + slots * sizeof t->buckets[0]);
    if (t)
        t->mask = slots / WAYS - 1;
    return t;
}

void rate_table_free(struct rate_table *t)
{
    free(t);
}

static struct bucket *fullest(struct bucket *group)
{
    struct bucket *best = group;
    int64_t least = atomic_load_explicit(&group->full, memory_order_relaxed);
    for (int i = 1; i < WAYS; i++) {
        int64_t full = atomic_load_explicit(&group[i].full, memory_order_relaxed);
        if (full < least) {
            least = full;
            best = &group[i];
        }
    }
    return best;
}

/* Two threads may meet in a new tag; the one that comes second then finds the first one's bucket, or has
 * taken one token from another: a limit may be passed by one request a thread, once. */
static struct bucket *find(struct rate_table *t, uint64_t tag)
{
    struct bucket *group = &t->buckets[((tag >> 32) & t->mask) * WAYS], *b = group;
    for (int try = 0; try < TRIES; try++) {
        for (int i = 0; i < WAYS; i++) {
            if (atomic_load_explicit(&group[i].tag, memory_order_relaxed) == tag)
                return &group[i];
        }
        b = fullest(group);
        uint64_t old = atomic_load_explicit(&b->tag, memory_order_relaxed);
        if (old == tag || atomic_compare_exchange_strong_explicit(&b->tag, &old, tag, memory_order_relaxed,
                                                                  memory_order_relaxed))
            return b;
    }
    return b;
}

void rate_table_bound(struct rate_table *t, const struct rate *r, int64_t now_ns)
{
    int64_t most = now_ns * UNITS + r->depth;
    for (size_t i = 0; i < (t->mask + 1) * WAYS; i++) {
        int64_t full = atomic_load_explicit(&t->buckets[i].full, memory_order_relaxed);
        while (full > most &&
               !atomic_compare_exchange_weak_explicit(&t->buckets[i].full, &full, most, memory_order_relaxed,
                                                      memory_order_relaxed))
            ;
    }
}

int64_t rate_take(struct rate_table *t, uint64_t tag, const struct rate *r, int64_t now_ns)
{
    struct bucket *b = find(t, tag);
    int64_t now = now_ns * UNITS, full = atomic_load_explicit(&b->full, memory_order_relaxed), next;
    do {
        next = (full > now ? full : now) + r->spacing;
        if (next - now > r->depth)
            return (next - now - r->depth + UNITS - 1) / UNITS;
    } while (!atomic_compare_exchange_weak_explicit(&b->full, &full, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 0;
}
