/* A group that PostgreSQL refuses as data: finds the records it is about, and stores the rest. */
#ifndef COHORT_STORE_SHIP_REFUSED_H
#define COHORT_STORE_SHIP_REFUSED_H

#include "store/ship_rows.h"

/* True when the error is about the rows sent (SQLSTATE classes 22 and 23, and 54000: a value too large for an
 * index), so that sending the same again can't succeed. */
bool ship_is_refusal(const struct pg_error *e);

/* Commits the batch with a dead letter in the place of every record that PostgreSQL refuses; *refused counts
 * them. Any other failure is returned, and nothing is committed. */
int ship_refused(struct ship_rows *r, const struct ship_target *t, struct ship_batch *b,
                 struct ship_result *out, size_t *refused, struct pg_error *e);

#endif
