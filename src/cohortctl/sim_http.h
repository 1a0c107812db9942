/* Many requests at once, for the simulation: a fixed number of calls in flight over kept connections. */
#ifndef COHORT_COHORTCTL_SIM_HTTP_H
#define COHORT_COHORTCTL_SIM_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct sim_http;

/* What a call is about: the caller's own words. */
struct sim_tag {
    int kind;
    uint64_t number;
};

/* A call has ended. status 0: no answer, and text says why. The text lives until done returns. From within
 * done, new calls may be started. */
typedef void sim_done_fn(void *arg, struct sim_tag tag, long status, const char *text, size_t len);

/* url: without a slash at the end. connections: at most so many calls at a time. */
int sim_http_new(struct sim_http **out, const char *url, unsigned connections, sim_done_fn *done, void *arg,
                 struct error *e);
void sim_http_free(struct sim_http *h);

/* How many more calls may start now. */
unsigned sim_http_room(const struct sim_http *h);
unsigned sim_http_busy(const struct sim_http *h);

/* Starts POST (body: copied) or GET (body NULL) of path with that key. There must be room. */
int sim_http_start(struct sim_http *h, struct sim_tag tag, const char *path, const char *key,
                   const char *body, size_t len, struct error *e);

/* Moves all calls on, waiting at most wait_ms for something to happen. */
int sim_http_run(struct sim_http *h, int wait_ms, struct error *e);

#endif
