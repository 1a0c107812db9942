/* What the leader learns from the log, beside the monitor and on a connection of its own: models of
 * contextual bandits, what challengers would have earned, and promotions that need no person. */
#ifndef COHORT_STORE_LEARN_H
#define COHORT_STORE_LEARN_H

#include <stdint.h>

#include "store/pg.h"

/* What one model is fitted to at most: the latest rows, as many as keep rows x columns within the second, and
 * as many as keep their attributes within the third. That is about 150 MB at worst. */
#define TRAIN_ROWS_MAX 50000
#define TRAIN_NUMBERS_MAX 4000000
#define TRAIN_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct learner {
    struct pg *p;
    int64_t epoch;               /* this node leads with; its writes check it */
    bool (*stopping)(void *arg); /* asked between the parts of a long pass */
    void *arg;
};

/* One pass: every model that is due, every challenger about which the log knows more, every promotion that is
 * due. Reads without a lock; each result is one short transaction fenced by the epoch. ERR_STATE: another
 * node leads. Errors of one experiment don't keep the others waiting; the first is told. */
int learn_pass(const struct learner *l, struct pg_error *e);

/* The parts of it (learn_train.c, learn_policies.c). */
int learn_models(const struct learner *l, struct pg_error *e);
int learn_policies(const struct learner *l, struct pg_error *e);

/* A statement of the leader's: *rows for the caller to PQclear, or NULL. ERR_STATE: another node leads. */
int learn_exec(const struct learner *l, const char *sql, int n, const char *const *params, PGresult **rows,
               struct pg_error *e);

#endif
