/* SIGTERM and SIGINT ask us to stop; a second one ends us at once. SIGHUP asks for a reload, or, when the
 * terminal we were started from is gone, for a stop. SIGCHLD only wakes. */
#ifndef COHORT_COHORTD_STOP_SIGNAL_H
#define COHORT_COHORTD_STOP_SIGNAL_H

#include <stdbool.h>

#include "core/error.h"

/* Once, in the main thread, before all others. */
int stop_signal_init(struct error *e);

bool stop_signal_came(void);

/* Whether a reload was asked for since the last call. */
bool reload_signal_take(void);

/* Until a signal comes, at most ms. */
void stop_signal_wait(int ms);

#endif
