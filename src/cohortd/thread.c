#include "cohortd/thread.h"

#include <string.h>
#include <time.h>

void signals_block(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void signals_restore(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

int thread_start(pthread_t *out, void *(*fn)(void *), void *arg, struct error *e)
{
    sigset_t before;
    signals_block(&before);
    int problem = pthread_create(out, NULL, fn, arg);
    signals_restore(&before);
    return problem ? error_set(e, ERR_NOMEM, NULL, "a thread could not be started: %s", strerror(problem))
                   : ERR_OK;
}

void condition_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}
