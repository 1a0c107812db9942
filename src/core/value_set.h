/* A set of values for $in and its like: sorted when it is made, so that looking is O(log n). */
#ifndef COHORT_CORE_VALUE_SET_H
#define COHORT_CORE_VALUE_SET_H

#include "core/arena.h"
#include "core/attr.h"

struct value_set;

/* The values of an array, copied into the arena as compactly as they go (a text: its bytes and 4 more).
 * Arrays and objects among them are not copied: they stay where they are. `fold`: texts are compared
 * without regard to case. NULL when out of memory. */
const struct value_set *value_set_new(struct arena *a, const struct attr *array, bool fold);

/* Same type and same value as one of them. NULL set: empty. */
bool value_set_has(const struct value_set *s, const struct attr *v);

/* Distinct values that are neither array nor object, and the place of one among them (SIZE_MAX: not there).
 */
size_t value_set_scalars(const struct value_set *s);
size_t value_set_place(const struct value_set *s, const struct attr *v);

/* What one value_set_has may cost: 1, and the size of the arrays and objects in the set. */
size_t value_set_price(const struct value_set *s);

#endif
