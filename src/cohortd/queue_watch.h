/* Says in the log how the spool fares: when its level changes, and how many records were lost meanwhile.
 * Never more than one line of each a call, however many requests suffer. */
#ifndef COHORT_COHORTD_QUEUE_WATCH_H
#define COHORT_COHORTD_QUEUE_WATCH_H

#include "base/counters.h"
#include "spool/spool.h"

/* Zero-initialise. */
struct queue_watch {
    enum spool_level level; /* as last told */
    int64_t lost;           /* as last told */
};

/* Once a second or so, on one thread. */
void queue_watch_tick(struct queue_watch *w, const struct spool *s, const struct counters *c);

#endif
