/* How long to wait after a failure: one rule for all clients (clients/README.md). */
#ifndef COHORT_CLIENT_BACKOFF_H
#define COHORT_CLIENT_BACKOFF_H

#include <stdint.h>

struct backoff {
    unsigned min_ms, max_ms;
    unsigned failures; /* in a row */
};

/* Seconds that a Retry-After asks for, an hour at most; -1: it is no whole seconds, as a date is not. */
long backoff_told_s(const char *retry_after);

/* Counts a failure; microseconds to wait: between half of min_ms x 2^failures and all of it, at most max_ms;
 * or, when that is longer, retry_after_s seconds (-1: not told) and up to a quarter more. random: any bits.
 */
int64_t backoff_next_us(struct backoff *b, long retry_after_s, uint32_t random);

#endif
