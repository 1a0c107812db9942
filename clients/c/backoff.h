/* How long to wait after a failure. */
#ifndef COHORT_CLIENT_BACKOFF_H
#define COHORT_CLIENT_BACKOFF_H

#include <stdint.h>

struct backoff {
    unsigned min_ms, max_ms;
    unsigned failures; /* in a row */
};

/* Counts a failure; microseconds to wait: between half of min_ms x 2^failures and all of it, at most max_ms;
 * never less than retry_after_s seconds (-1: not told). random: any bits. */
int64_t backoff_next_us(struct backoff *b, long retry_after_s, uint32_t random);

#endif
