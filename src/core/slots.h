/* Who owns which slots: half-open ranges of [0, SLOTS), sorted, never overlapping. */
#ifndef COHORT_CORE_SLOTS_H
#define COHORT_CORE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/draw.h"
#include "core/error.h"

#define SLOTS_NOBODY UINT32_MAX

/* Slots lo to hi - 1 belong to the owner, an index of the caller's. */
struct slot_range {
    uint32_t lo, hi, owner;
};

struct slots {
    const struct slot_range *ranges; /* by lo */
    size_t n;
    uint32_t total; /* slots owned by anyone: their share in ppm */
};

/* A sorted copy of the ranges in the arena, neighbours of one owner joined. ERR_INVALID when a range is empty
 * or leaves [0, SLOTS), or when two overlap (of one owner too); ERR_NOMEM. */
int slots_build(struct arena *a, const struct slot_range *ranges, size_t n, struct slots *out,
                struct error *e);

/* The owner of a slot, or SLOTS_NOBODY. */
uint32_t slots_owner(const struct slots *s, uint32_t slot);

/* The owner of every slot there is, or SLOTS_NOBODY when they have several, or none: then a draw decides. */
uint32_t slots_sole_owner(const struct slots *s);

/* True when some slot has an owner in both. */
bool slots_meet(const struct slots *a, const struct slots *b);

/* True when the range's owner owns all of it. */
bool slots_contain(const struct slots *s, const struct slot_range *r);

#endif
