/* SIGTERM, SIGINT and SIGHUP ask us to stop; a second one ends us at once. SIGCHLD only wakes. */
#ifndef COHORT_COHORTD_STOP_SIGNAL_H
#define COHORT_COHORTD_STOP_SIGNAL_H

#include <stdbool.h>

#include "core/error.h"

/* Once, in the main thread, before all others. */
int stop_signal_init(struct error *e);

bool stop_signal_came(void);

/* Until a signal comes, at most ms. */
void stop_signal_wait(int ms);

#endif
