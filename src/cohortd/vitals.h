/* What this process takes of its machine, for /metrics, under the names that Prometheus has for it. */
#ifndef COHORT_COHORTD_VITALS_H
#define COHORT_COHORTD_VITALS_H

#include "base/counters.h"

/* Once, at start. */
void vitals_start(struct counters *c);
/* About once a second. */
void vitals_update(struct counters *c);

#endif
