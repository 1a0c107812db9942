/* The simulated customers' events: gathered, sent in batches, sent again when the server could not take them.
 */
#ifndef COHORT_COHORTCTL_SIM_EVENTS_H
#define COHORT_COHORTCTL_SIM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "cohortctl/sim_http.h"
#include "cohortctl/sim_tally.h"

#define SIM_BATCHES 4 /* in flight at most */

/* Zero-initialised is empty. */
struct sim_events {
    struct buffer pending; /* JSON objects with commas between */
    unsigned n_pending;
    int64_t since_us; /* of the oldest pending one, monotonic */
    int64_t retry_us; /* nothing is sent before */
    struct sim_batch {
        struct buffer text;
        unsigned n; /* events; 0: this place is free */
    } batches[SIM_BATCHES];
};

void sim_events_free(struct sim_events *s);

/* One outcome of that customer, now. */
void sim_events_add(struct sim_events *s, const char *name, const char *customer, int64_t wall_us,
                    int64_t now_us);

/* Sends a batch when one is due (or `flush`) and there is a place; kind: of the call's tag. */
int sim_events_send(struct sim_events *s, struct sim_http *h, int kind, const char *key, int64_t now_us,
                    bool flush, struct error *e);

/* A batch's answer: counts it, or keeps the batch for another try. An error when the key is refused. */
int sim_events_answer(struct sim_events *s, uint64_t number, long status, const char *text, size_t len,
                      int64_t now_us, struct sim_tally *t, struct error *e);

/* Events that are not answered yet. */
unsigned sim_events_open(const struct sim_events *s);

#endif
