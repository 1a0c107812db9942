/* The learner's thread: while this node leads, models are fitted and challengers evaluated on a connection
 * and a thread of their own, so that a fit that takes seconds keeps no stop waiting. */
#ifndef COHORT_COHORTD_LEARNER_H
#define COHORT_COHORTD_LEARNER_H

#include <stdint.h>

#include "core/error.h"

struct learner_thread;

/* epoch: that this node leads with, 0 when it does not; called from the thread. conninfo outlives it. */
int learner_start(struct learner_thread **out, const char *conninfo, int64_t (*epoch)(void *arg), void *arg,
                  struct error *e);
/* NULL is fine. Waits until the thread has ended: at most as long as the fit of one variant takes. */
void learner_stop(struct learner_thread *t);

#endif
