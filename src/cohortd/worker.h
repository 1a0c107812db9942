/* A worker: a thread with an event loop, listening sockets, the HTTP APIs and one reference of the plans. */
#ifndef COHORT_COHORTD_WORKER_H
#define COHORT_COHORTD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "cohortd/listen.h"
#include "core/plan_set.h"
#include "spool/spool.h"
#include "store/caller.h"
#include "web/api.h"
#include "web/http.h"

struct worker;

struct worker_options {
    const struct worker_socket *sockets; /* copied; the descriptors are the worker's, also on failure */
    size_t n_sockets;
    struct http_tls *tls; /* or NULL; takes a reference of its own */
    struct http_options http;
    struct api_options api;
    struct spool *spool;   /* outlives it */
    struct caller *caller; /* outlives it, except that it may stop once the worker drains */
    struct counters *counters;
};

/* Starts the thread. plans: the first ones; takes a reference of its own. */
int worker_start(struct worker **out, const struct worker_options *o, const struct plan_set *plans,
                 struct error *e);

/* Any thread; takes a reference of its own. The worker swaps soon, between two requests. */
int worker_set_plans(struct worker *w, const struct plan_set *plans);

/* Any thread; api->cors_origins is copied, and tls (or NULL) referenced. The worker takes them soon, between
 * two requests; connections stay as they are. */
int worker_set_options(struct worker *w, const struct http_options *http, const struct api_options *api,
                       struct http_tls *tls);

/* Any thread: a drain will follow; connections are closed after their next answer. */
void worker_announce(struct worker *w);

/* Whether the worker's loop turned within the last limit_us: it is asked, and asked again once it has
 * answered. On one thread. */
bool worker_turns(struct worker *w, int64_t limit_us);

/* Any thread: no new connections, open requests are answered, then the thread ends. at_once: open connections
 * are closed. */
void worker_drain(struct worker *w, bool at_once);

/* Waits for the end of a draining worker, until clock_monotonic_us() is deadline_us; false when it is not
 * over. */
bool worker_wait(struct worker *w, int64_t deadline_us);

/* Waits for the end of a draining worker however long it takes, and frees it. */
void worker_free(struct worker *w);

#endif
