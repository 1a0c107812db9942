#include "clients/c/backoff.h"

#include <stdlib.h>
#include <string.h>

#define TOLD_MAX_S 3600 /* a proxy's mistake stops nobody for a day */

long backoff_told_s(const char *retry_after)
{
    size_t digits = strspn(retry_after, "0123456789");
    if (digits == 0 || retry_after[digits] != '\0')
        return -1;
    long n = strtol(retry_after, NULL, 10);
    return n < TOLD_MAX_S ? n : TOLD_MAX_S;
}

int64_t backoff_next_us(struct backoff *b, long retry_after_s, uint32_t random)
{
    int64_t full = b->min_ms;
    for (unsigned i = 0; i < b->failures && full < b->max_ms; i++)
        full *= 2;
    if (full > b->max_ms)
        full = b->max_ms;
    b->failures++;
    int64_t half_us = full * 500, own_us = half_us + (int64_t)((uint64_t)half_us * random >> 32);
    /* Not all at once, when many were told the same. */
    int64_t told_us = retry_after_s > 0 ? (int64_t)retry_after_s * 1000000 : 0;
    told_us += (int64_t)((uint64_t)told_us / 4 * random >> 32);
    return told_us > own_us ? told_us : own_us;
}
