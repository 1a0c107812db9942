/* Tells webhooks of stops, alerts and verdicts while this node leads: a thread and a connection of its own,
 * so that a receiver that is slow or dead delays neither the monitor nor anything else. */
#ifndef COHORT_COHORTD_WEBHOOKS_H
#define COHORT_COHORTD_WEBHOOKS_H

#include <stdint.h>

#include "core/error.h"

struct webhooks;

/* epoch: the one this node leads with, 0 while it does not; asked on the thread. conninfo outlives it. */
int webhooks_start(struct webhooks **out, const char *conninfo, int64_t (*epoch)(void *), void *arg,
                   struct error *e);
/* Cuts off what is under way: the next leader sends it again. NULL is fine. */
void webhooks_stop(struct webhooks *w);

#endif
