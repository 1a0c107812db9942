/* The simulated customers' events on their way to the server, through libcohort-client: some happen later,
 * some are reported twice, and the program that reports them can crash. */
#ifndef COHORT_COHORTCTL_SIM_EVENTS_H
#define COHORT_COHORTCTL_SIM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cohort_client.h"
#include "core/error.h"

struct sim_events;

struct sim_events_counts {
    uint64_t accepted, rejected; /* of those reported, those reported twice counted twice */
    uint64_t waiting;            /* not happened yet, or not answered yet */
    uint64_t twice, retries, crashes;
};

/* server: its address, key and CA, whose texts must outlive it. crashes: whether sim_events_crash will be
 * called: events then wait in a file of the system's temporary directory. */
int sim_events_open(struct sim_events **out, const struct cohort_options *server, bool crashes,
                    struct error *e);
/* What was not sent is lost. NULL is fine. */
void sim_events_close(struct sim_events *s);

/* An outcome of that customer, delay_us from now; twice: it is reported two times, as a program might that
 * tried again by itself. Any thread. */
int sim_events_add(struct sim_events *s, const char *name, const char *customer, int64_t delay_us, bool twice,
                   struct error *e);

/* Reports what has happened by now. all: does not wait for the rest to happen. */
int sim_events_run(struct sim_events *s, bool all, struct error *e);

/* The reporting program ends, whatever it was doing, and another begins with what was left. */
int sim_events_crash(struct sim_events *s, struct error *e);

/* Sends what was reported; false: not all of it is answered within that time. */
bool sim_events_flush(struct sim_events *s, unsigned ms);

void sim_events_counts(struct sim_events *s, struct sim_events_counts *out);

/* NULL, or the server's words when it refuses the key. */
const char *sim_events_trouble(const struct sim_events *s);

#endif
