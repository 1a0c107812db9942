#include "cohortd/learner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/link.h"
#include "cohortd/thread.h"
#include "store/learn.h"

#define STATEMENT_MS 300000 /* the rows of a model are read in one statement */
#define PASS_EVERY_US 2000000

struct learner_thread {
    struct link link;
    int64_t (*epoch)(void *arg);
    void *arg;
    pthread_t thread;
    bool runs;
};

static bool stopping(void *arg)
{
    return link_stopping(arg);
}

/* The same complaint once, not every two seconds. */
static void tell(int code, char told[static 200], const char *why)
{
    if (code == ERR_OK) {
        if (told[0])
            log_info("learner", "passes work again");
        told[0] = '\0';
    } else if (strncmp(told, why, 199) != 0) {
        log_warn("learner", "a pass failed and is tried again every 2 seconds: %s", why);
        snprintf(told, 200, "%.199s", why);
    }
}

static int passes(struct learner_thread *t, struct pg *p, struct pg_error *e)
{
    char told[200] = "";
    int64_t next = clock_monotonic_us();
    struct learner l = {.p = p, .stopping = stopping, .arg = &t->link};
    while (link_wait_until(&t->link, next) && (l.epoch = t->epoch(t->arg)) != 0) {
        int code = learn_pass(&l, e);
        if (code == ERR_STATE || (code != ERR_OK && !pg_alive(p)))
            return code;
        tell(code, told, e->error.text);
        next = clock_monotonic_us() + PASS_EVERY_US;
    }
    return ERR_OK;
}

static void *run(void *arg)
{
    struct learner_thread *t = arg;
    struct pg_error e;
    struct pg *p;
    while (link_wait_until(&t->link, clock_monotonic_us() + PASS_EVERY_US / 4)) {
        if (t->epoch(t->arg) == 0 || !(p = link_connect(&t->link)))
            continue;
        int code = passes(t, p, &e);
        link_disconnect(&t->link, code == ERR_OK || code == ERR_STATE ? NULL : e.error.text);
    }
    return NULL;
}

int learner_start(struct learner_thread **out, const char *conninfo, int64_t (*epoch)(void *), void *arg,
                  struct error *e)
{
    struct learner_thread *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    t->epoch = epoch;
    t->arg = arg;
    link_init(&t->link, conninfo, "learner", STATEMENT_MS);
    int code = thread_start(&t->thread, run, t, e);
    t->runs = code == ERR_OK;
    if (code == ERR_OK)
        *out = t;
    else
        learner_stop(t);
    return code;
}

void learner_stop(struct learner_thread *t)
{
    if (!t)
        return;
    link_stop(&t->link);
    if (t->runs)
        pthread_join(t->thread, NULL);
    link_fini(&t->link);
    free(t);
}
