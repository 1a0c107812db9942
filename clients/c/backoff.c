#include "clients/c/backoff.h"

int64_t backoff_next_us(struct backoff *b, long retry_after_s, uint32_t random)
{
    int64_t full = b->min_ms;
    for (unsigned i = 0; i < b->failures && full < b->max_ms; i++)
        full *= 2;
    if (full > b->max_ms)
        full = b->max_ms;
    b->failures++;
    int64_t half_us = full * 500, jitter_us = (int64_t)((uint64_t)half_us * random >> 32);
    int64_t told_us = retry_after_s > 0 ? (int64_t)retry_after_s * 1000000 : 0;
    /* Not all at once, when many were told the same. */
    return told_us > half_us ? told_us + jitter_us : half_us + jitter_us;
}
