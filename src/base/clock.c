#include "base/clock.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

#define ROUNDS 100      /* of a stock, until the system is asked again */
#define RANDOM_BYTES 10 /* of a version 7 UUID */

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_thread_us(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Over ten random bytes at out + 6. */
static void make_uuid7(int64_t now_us, uint8_t out[16])
{
    uint64_t ms = (uint64_t)(now_us / 1000);
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)(0x70 | (out[6] & 0x0F));
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3F));
}

void uuid7(int64_t now_us, uint8_t out[16])
{
    randombytes_buf(out + 6, RANDOM_BYTES);
    make_uuid7(now_us, out);
}

static void refill(struct random_stock *s)
{
    uint8_t seed[randombytes_SEEDBYTES];
    if (s->rounds-- == 0) {
        randombytes_buf(s->bytes, sizeof seed);
        s->rounds = ROUNDS;
    }
    memcpy(seed, s->bytes, sizeof seed);
    randombytes_buf_deterministic(s->bytes, sizeof s->bytes, seed);
    sodium_memzero(seed, sizeof seed);
    s->left = sizeof s->bytes - sizeof seed;
}

void uuid7_from(struct random_stock *s, int64_t now_us, uint8_t out[16])
{
    if (s->left < RANDOM_BYTES)
        refill(s);
    s->left -= RANDOM_BYTES;
    memcpy(out + 6, s->bytes + randombytes_SEEDBYTES + s->left, RANDOM_BYTES);
    make_uuid7(now_us, out);
}
