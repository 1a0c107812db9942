/* What the leader does by the clock, after the verdicts: starts and ends of schedules, steps of ramps,
 * overrides whose time has come, seals of the audit, days of events that are kept no longer. */
#ifndef COHORT_STORE_CHORES_H
#define COHORT_STORE_CHORES_H

#include <stdint.h>

#include "store/pg.h"

/* keep_days: how long outcomes and decisions are kept, 0 for ever. p must hold the leader's lock with this
 * epoch. Each chore is a transaction of its own: one that fails is logged by the caller from *e and tried
 * again with the next pass, and the others are done all the same. Returns the first failure; ERR_STATE:
 * another node leads now. Logs what was started, stopped, opened, held or rolled back. */
int chores_run(struct pg *p, int64_t epoch, int64_t keep_days, struct pg_error *e);

#endif
