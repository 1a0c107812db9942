/* Results as people read them: written by the leader after its verdicts, for the runs whose counts changed
 * since they were last written. cohort.results(key) and GET /v1/experiments/{key}/results read what is
 * written. */
#ifndef COHORT_STORE_RESULTS_H
#define COHORT_STORE_RESULTS_H

#include <stdint.h>

#include "store/pg.h"

/* p must hold the leader's lock with this epoch. One query when nothing changed; each run is written in a
 * transaction of its own. Returns the first failure, after the other runs; ERR_STATE: another node leads. */
int results_pass(struct pg *p, int64_t epoch, struct pg_error *e);

#endif
