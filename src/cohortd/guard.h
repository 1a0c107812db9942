/* What keeps clients within bounds over all workers: connections, rates, whose word is taken for an address;
 * and how requests are logged. Made from the configuration, and changed by it while the server runs. */
#ifndef COHORT_COHORTD_GUARD_H
#define COHORT_COHORTD_GUARD_H

#include "base/counters.h"
#include "cohortd/config.h"

struct guard;
struct http_shared;
struct rate_limits;

/* max_connections: those of c, or as many as the system allows. */
int guard_new(struct guard **out, const struct config *c, unsigned max_connections, struct counters *counters,
              struct error *e);
/* When no worker is left. NULL is fine. */
void guard_free(struct guard *g);

/* Takes what c says from now on. Any thread. */
int guard_set(struct guard *g, const struct config *c, unsigned max_connections, struct error *e);

struct http_shared *guard_http(struct guard *g);
struct rate_limits *guard_limits(struct guard *g);

#endif
