/* The leader's queue of webhooks' deliveries: made from events, claimed for an attempt, finished. */
#ifndef COHORT_STORE_WEBHOOK_QUEUE_H
#define COHORT_STORE_WEBHOOK_QUEUE_H

#include <stdint.h>

#include "store/pg.h"

/* A delivery that is this node's to send until its lease ends. Texts live as long as the result. */
struct webhook_job {
    const char *id, *webhook, *environment, *url, *secret, *event, *body;
    int attempt; /* 1: the first */
};

/* Makes deliveries of events that have none; *made may be NULL. */
int webhook_queue_fill(struct pg *p, int *made, struct pg_error *e);

/* Claims at most max, and at most one a webhook. *rows: to be cleared with PQclear when none of jobs is used
 * any more. ERR_STATE: the epoch leads no longer. */
int webhook_queue_claim(struct pg *p, int64_t epoch, int max, int lease_s, PGresult **rows,
                        struct webhook_job *jobs, int *n, struct pg_error *e);

/* status: of the answer, 0 for none. state: "delivered", "pending" (sent again later), "failed" (given up),
 * or
 * "" when another attempt of it is under way. */
int webhook_queue_finish(struct pg *p, const char *id, int attempt, int status, const char *why,
                         char state[16], struct pg_error *e);

#endif
