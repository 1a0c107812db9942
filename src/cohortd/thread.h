/* Threads that leave the signals to the main thread, and conditions on the monotonic clock. */
#ifndef COHORT_COHORTD_THREAD_H
#define COHORT_COHORTD_THREAD_H

#include <pthread.h>
#include <signal.h>

#include "core/error.h"

/* While blocked, threads that others start inherit a mask without signals. */
void signals_block(sigset_t *before);
void signals_restore(const sigset_t *before);

int thread_start(pthread_t *out, void *(*fn)(void *), void *arg, struct error *e);

/* A condition whose time-outs are of clock_monotonic_us(). */
void condition_init(pthread_cond_t *c);

#endif
