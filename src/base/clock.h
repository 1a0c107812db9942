/* Time, read in one place; everything below takes `now` as an argument. */
#ifndef COHORT_BASE_CLOCK_H
#define COHORT_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void);      /* microseconds since 1970, can jump */
int64_t clock_monotonic_us(void); /* never goes back */
int64_t clock_thread_us(void);    /* of processor time that the calling thread has had */

/* A version 7 UUID (RFC 9562): milliseconds of now_us, then random bits. */
void uuid7(int64_t now_us, uint8_t out[16]);

/* Random bytes made from the system's, many at a time: a system call for each UUID costs as much as half a
 * decision. What was given out can't be computed from what is there (the seed is replaced each time).
 * Zero-initialised is valid; for one thread. */
struct random_stock {
    uint8_t bytes[1024]; /* the next seed, and what is given out */
    unsigned left, rounds;
};
void uuid7_from(struct random_stock *s, int64_t now_us, uint8_t out[16]);

#endif
