/* Sends webhooks' deliveries over HTTP, several at a time, each signed. One thread's. */
#ifndef COHORT_COHORTD_WEBHOOK_SEND_H
#define COHORT_COHORTD_WEBHOOK_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "store/webhook_queue.h"

#define WEBHOOK_SENDS_MAX 16    /* under way at a time */
#define WEBHOOK_TIMEOUT_MS 5000 /* of one attempt, from connecting to the last byte */

struct webhook_sender;

/* What became of an attempt. */
struct webhook_outcome {
    char id[40], webhook[101], environment[101], event[16];
    int attempt, status; /* status 0: no answer */
    char why[160];       /* when it failed: says neither address nor secret */
};

/* Once, before other threads are started that use libcurl. */
int webhook_sender_new(struct webhook_sender **out, struct error *e);
/* What is under way is cut off: its lease ends, and it is sent again. */
void webhook_sender_free(struct webhook_sender *s);

int webhook_sender_free_slots(const struct webhook_sender *s);
/* Starts an attempt; copies what it needs. now_us: wall clock, for the signature. ERR_NOMEM, or ERR_LIMIT. */
int webhook_sender_start(struct webhook_sender *s, const struct webhook_job *job, int64_t now_us);
/* Moves everything on, for at most wait_ms; true and *out when an attempt is over. */
bool webhook_sender_next(struct webhook_sender *s, int wait_ms, struct webhook_outcome *out);
/* Any thread: a wait ends at once. */
void webhook_sender_wake(struct webhook_sender *s);

/* "t=1790000000,v1=<64 hex digits>": HMAC-SHA-256 of "t.body" under the secret. */
void webhook_signature(const char *secret, const char *body, size_t len, int64_t unix_s, char out[96]);

#endif
