/* The rows of a batch in the order of their table's key: neighbours fall on the same pages of its index, and
 * servers lock rows in the same order. Every key begins with the unit. */
#ifndef COHORT_STORE_SHIP_ORDER_H
#define COHORT_STORE_SHIP_ORDER_H

#include "store/ship_batch.h"

/* The first bytes of its key behind the unit tell nearly any two rows apart, without a look at their records.
 */
struct ship_row {
    uint64_t first;
    const struct record *record;
};

/* Rows of one unit that came one after the other, as those of a bulk do: they move together. */
struct ship_run {
    uint64_t first; /* bytes of the unit */
    const struct ship_row *rows;
    size_t n;
};

/* Memory kept from batch to batch. Zero-initialised is valid. */
struct ship_order {
    struct ship_row *came, *sorted;
    struct ship_run *runs;
    size_t cap;
};

void ship_order_free(struct ship_order *o);

/* Makes room for n rows. ERR_NOMEM. */
int ship_order_reserve(struct ship_order *o, size_t n);

/* Leaves the rows of this kind among the first n records of the batch in o->sorted; returns how many. Dead
 * letters, which have no key, stay as they came. */
size_t ship_order(struct ship_order *o, const struct ship_batch *b, size_t n, enum record_kind kind);

#endif
