/* Token buckets in a table of fixed size, shared by threads without a lock. The generic cell rate algorithm
 * (ITU-T I.371): a bucket is one number, the time at which it would be full again, so a decision is one
 * compare-and-swap. */
#ifndef COHORT_WEB_RATE_TABLE_H
#define COHORT_WEB_RATE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct rate_table;

/* What a bucket allows. Zeroed: everything. */
struct rate {
    int64_t spacing,
        depth; /* from one token to the next, and of a full bucket; in sixteenths of a nanosecond */
};

/* per_second: 1 to 1,000,000; burst: the tokens of a full bucket, 1 or more. At the least it holds what comes
 * in 10 ms, beside the one that is taken: the clock of http_began_ns goes in steps of some milliseconds. */
struct rate rate_of(unsigned per_second, unsigned burst);

/* slots: a power of two, 8 or more; how many buckets are told apart. NULL when out of memory. */
struct rate_table *rate_table_new(size_t slots);
void rate_table_free(struct rate_table *t);

/* Takes a token from the bucket of tag (not 0), a number that an attacker can't choose; now_ns: monotonic.
 * Returns 0, or the nanoseconds until there is one again, and then takes none. Any thread.
 *
 * A new tag takes the place of the one whose bucket is fullest, with what that bucket lacks (Metwally,
 * Agrawal and El Abbadi 2005, "Space-Saving"): nobody gets more than his rate by making the table forget him,
 * and as long as the table has room nobody pays for others. */
int64_t rate_take(struct rate_table *t, uint64_t tag, const struct rate *r, int64_t now_ns);

/* From now on another rate is asked for: no bucket lacks more than all of that one's tokens. Any thread. */
void rate_table_bound(struct rate_table *t, const struct rate *r, int64_t now_ns);

#endif
