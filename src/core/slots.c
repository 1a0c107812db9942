#include "core/slots.h"

#include <stdlib.h>
#include <string.h>

static int by_lo(const void *a, const void *b)
{
    const struct slot_range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

static int check_ranges(const struct slot_range *r, size_t n, struct error *e)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].lo >= r[i].hi || r[i].hi > SLOTS)
            return error_set(e, ERR_INVALID, NULL, "slots [%u,%u) are not a range within [0,%u)", r[i].lo,
                             r[i].hi, SLOTS);
    return 0;
}

static size_t join_neighbours(struct slot_range *r, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && r[kept - 1].owner == r[i].owner && r[kept - 1].hi == r[i].lo)
            r[kept - 1].hi = r[i].hi;
        else
            r[kept++] = r[i];
    }
    return kept;
}

int slots_build(struct arena *a, const struct slot_range *ranges, size_t n, struct slots *out,
                struct error *e)
{
    *out = (struct slots){0};
    if (n == 0)
        return 0;
    int rc = check_ranges(ranges, n, e);
    if (rc)
        return rc;
    /* More ranges than slots must overlap; said before memory is taken for them. */
    struct slot_range *r = n <= SLOTS ? arena_alloc(a, n * sizeof *r) : NULL;
    if (!r)
        return n > SLOTS ? error_set(e, ERR_INVALID, NULL, "%zu ranges of slots overlap", n)
                         : error_set(e, ERR_NOMEM, NULL, "out of memory");
    memcpy(r, ranges, n * sizeof *r);
    qsort(r, n, sizeof *r, by_lo);
    uint32_t total = r[0].hi - r[0].lo;
    for (size_t i = 1; i < n; i++) {
        if (r[i].lo < r[i - 1].hi)
            return error_set(e, ERR_INVALID, NULL, "slots [%u,%u) and [%u,%u) overlap", r[i - 1].lo,
                             r[i - 1].hi, r[i].lo, r[i].hi);
        total += r[i].hi - r[i].lo;
    }
    *out = (struct slots){.ranges = r, .n = join_neighbours(r, n), .total = total};
    return 0;
}

/* The first range that ends behind the slot, or NULL. */
static const struct slot_range *range_at(const struct slots *s, uint32_t slot)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->ranges[mid].hi <= slot)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n ? &s->ranges[lo] : NULL;
}

uint32_t slots_owner(const struct slots *s, uint32_t slot)
{
    const struct slot_range *r = range_at(s, slot);
    return r && r->lo <= slot ? r->owner : SLOTS_NOBODY;
}

uint32_t slots_sole_owner(const struct slots *s)
{
    /* Neighbours of one owner are joined, so a sole owner has one range. */
    return s->n == 1 && s->total == SLOTS ? s->ranges[0].owner : SLOTS_NOBODY;
}

bool slots_contain(const struct slots *s, const struct slot_range *r)
{
    const struct slot_range *at = range_at(s, r->lo);
    return at && at->owner == r->owner && at->lo <= r->lo && r->hi <= at->hi;
}

bool slots_meet(const struct slots *a, const struct slots *b)
{
    size_t i = 0, k = 0;
    while (i < a->n && k < b->n) {
        const struct slot_range *x = &a->ranges[i], *y = &b->ranges[k];
        if (x->lo < y->hi && y->lo < x->hi)
            return true;
        if (x->hi <= y->hi)
            i++;
        else
            k++;
    }
    return false;
}
