/* What the program hears of trouble: once, until it is over. */
#ifndef COHORT_CLIENT_SAY_H
#define COHORT_CLIENT_SAY_H

#include <stdatomic.h>

#include "clients/c/cohort_client.h"

struct say {
    void (*fn)(void *arg, const struct cohort_trouble *t); /* may be NULL */
    void *arg;
    atomic_uint said; /* a bit for each kind */
};

/* Says it unless it was said and is not over. */
void say_once(struct say *s, enum cohort_trouble_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void say_over(struct say *s, enum cohort_trouble_kind kind);

/* An event was refused: every time. */
void say_refused(struct say *s, const char *event_id, const char *code, const char *text);

#endif
