/* Brings a database to this binary's schema, under a lock, in order. */
#ifndef COHORT_STORE_MIGRATE_H
#define COHORT_STORE_MIGRATE_H

#include "store/pg.h"

/* The schema number this binary brings. */
int migrate_target(void);

/* True when the database's schema is older than ours, as one is that was restored from an old backup; *number
 * is its number, 0 without one of ours. */
int migrate_behind(struct pg *p, bool *behind, int *number, struct pg_error *e);

/* Whether the functions in this database are another build's: a newer cohortd has replaced ours. */
int migrate_replaced(struct pg *p, bool *replaced, struct pg_error *e);

/* Applies what is missing, each migration in a transaction of its own, then the functions and views (replaced
 * as a whole when they differ). Refuses, with a sentence that says what to do, a database whose schema is
 * newer. *applied: how many migrations ran. */
int migrate_run(struct pg *p, int *applied, struct pg_error *e);

#endif
