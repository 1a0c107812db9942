/* A thread's database connection that comes back after a loss, and that another thread can stop. */
#ifndef COHORT_COHORTD_LINK_H
#define COHORT_COHORTD_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/pg.h"

/* Treat the inside as opaque. */
struct link {
    const char *conninfo, *part;
    int statement_ms;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping; /* under lock */
    struct pg *pg; /* set under lock */
    unsigned back_off_ms;
    int64_t connected_us;
    bool down;    /* a line was logged, another is due when it is back */
    bool standby; /* the last one that answered was, and that was said */
};

/* part: for the log and the application's name ("monitor"). The strings outlive it. */
void link_init(struct link *l, const char *conninfo, const char *part, int statement_ms);
void link_fini(struct link *l);

/* The owner's thread: one attempt. The pause before it grows with each, up to a second; false once stopping.
 */
bool link_pause(struct link *l);
int link_open(struct link *l, struct pg **out, struct pg_error *e);
/* The owner's thread: a connection, however long it takes; NULL once stopping. */
struct pg *link_connect(struct link *l);
/* The owner's thread: closes it. why: an error to log, or NULL. */
void link_disconnect(struct link *l, const char *why);

/* The owner's thread: false once stopping, true when clock_monotonic_us() has reached until_us. */
bool link_wait_until(struct link *l, int64_t until_us);
bool link_stopping(struct link *l);

/* Any thread: interrupts what runs. */
void link_stop(struct link *l);

#endif
