/* Token buckets: exactly the rate and the burst, over all threads, and a table that forgets nobody's debt. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "suite.h"
#include "web/rate_table.h"

#define SECOND INT64_C(1000000000)
#define TAG(i) (((uint64_t)(i) + 1) * UINT64_C(0x9E3779B97F4A7C15))

static unsigned taken(struct rate_table *t, uint64_t tag, const struct rate *r, int64_t now, unsigned tries)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++)
        n += rate_take(t, tag, r, now) == 0;
    return n;
}

START_TEST(burst_then_rate)
{
    static const unsigned rates[][2] = {{1, 1}, {3, 7}, {20, 200}, {700000, 700000}, {1000000, 10001}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        unsigned per_second = rates[i][0], burst = rates[i][1];
        struct rate_table *t = rate_table_new(8);
        struct rate r = rate_of(per_second, burst);
        int64_t now = 5 * SECOND;
        ck_assert_uint_eq(taken(t, TAG(1), &r, now, burst + 10), burst);
        /* the wait that is told is the wait that helps, and a nanosecond less does not */
        int64_t wait = rate_take(t, TAG(1), &r, now);
        ck_assert_int_gt(wait, 0);
        ck_assert_int_gt(rate_take(t, TAG(1), &r, now + wait - 1), 0);
        ck_assert_int_eq(rate_take(t, TAG(1), &r, now + wait), 0);
        /* full again after burst / rate, and no fuller after a year */
        now += 366 * 86400 * SECOND;
        ck_assert_uint_eq(taken(t, TAG(1), &r, now, burst + 10), burst);
        rate_table_free(t);
    }
}
END_TEST

/* Asked in steps of 4 ms, as the clock goes, by someone who always wants more: the rate to 1e-4. */
START_TEST(long_run)
{
    static const unsigned rates[] = {1, 20, 333, 5000, 700000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct rate_table *t = rate_table_new(8);
        struct rate r = rate_of(rates[i], 1);
        uint64_t n = 0;
        for (int64_t now = SECOND; now < 11 * SECOND; now += 4000000)
            while (rate_take(t, TAG(1), &r, now) == 0)
                n++;
        ck_assert_uint_le(n, 10 * rates[i] + 1 + rates[i] / 100);
        ck_assert_uint_ge(n, 10 * rates[i] - rates[i] / 250 - 1);
        rate_table_free(t);
    }
}
END_TEST

/* One who is out of tokens asks under as many other names as the table has room for, and more: he has none
 * then either, nor has any name more than its own. */
START_TEST(no_forgetting)
{
    enum { SLOTS = 64, NAMES = 5000 };
    struct rate_table *t = rate_table_new(SLOTS);
    struct rate r = rate_of(1, 10);
    ck_assert_uint_eq(taken(t, TAG(0), &r, SECOND, 20), 10);
    for (unsigned i = 1; i < NAMES; i++) {
        ck_assert_uint_le(taken(t, TAG(i), &r, SECOND, 20), 10);
        ck_assert_uint_eq(taken(t, TAG(0), &r, SECOND, 1), 0);
    }
    rate_table_free(t);
}
END_TEST

/* While there is room, nobody pays for others; and who has been quiet makes room. */
START_TEST(nobody_pays_for_others)
{
    enum { SLOTS = 8192, NAMES = 2000 };
    struct rate_table *t = rate_table_new(SLOTS);
    struct rate r = rate_of(1, 3);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NAMES; i++)
            ck_assert_uint_eq(taken(t, TAG(round * NAMES + i), &r, (1 + 10 * round) * SECOND, 5), 3);
    }
    rate_table_free(t);
}
END_TEST

/* Who owes an hour under one limit, owes what the next one can hold at the most. */
START_TEST(another_rate)
{
    struct rate_table *t = rate_table_new(8);
    struct rate slow = rate_of(1, 3600), fast = rate_of(10, 20);
    int64_t now = 5 * SECOND;
    ck_assert_uint_eq(taken(t, TAG(1), &slow, now, 4000), 3600);
    rate_table_bound(t, &fast, now);
    ck_assert_int_eq(rate_take(t, TAG(1), &fast, now), SECOND / 10);
    ck_assert_uint_eq(taken(t, TAG(1), &fast, now + SECOND, 20), 10);
    rate_table_bound(t, &slow, now + SECOND); /* and nobody is given tokens */
    ck_assert_uint_eq(taken(t, TAG(1), &slow, now + SECOND, 4000), 3598);
    rate_table_free(t);
}
END_TEST

struct hammer {
    struct rate_table *t;
    const struct rate *r;
    uint64_t tag;
    _Atomic unsigned *taken;
    pthread_barrier_t *start;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    pthread_barrier_wait(h->start);
    atomic_fetch_add(h->taken, taken(h->t, h->tag, h->r, SECOND, 20000));
    return NULL;
}

START_TEST(threads_share_a_bucket)
{
    enum { THREADS = 4, BURST = 30000 };
    struct rate_table *t = rate_table_new(8);
    struct rate r = rate_of(1, BURST);
    pthread_t threads[THREADS];
    _Atomic unsigned n = 0;
    pthread_barrier_t start;
    struct hammer h = {t, &r, TAG(1), &n, &start};
    pthread_barrier_init(&start, NULL, THREADS);
    ck_assert_int_eq(rate_take(t, TAG(1), &r, SECOND), 0); /* the tag is known before they meet */
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, &h), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(n, BURST - 1);
    pthread_barrier_destroy(&start);
    rate_table_free(t);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("rate");
    tcase_add_test(tc, burst_then_rate);
    tcase_add_test(tc, long_run);
    tcase_add_test(tc, no_forgetting);
    tcase_add_test(tc, nobody_pays_for_others);
    tcase_add_test(tc, another_rate);
    tcase_add_test(tc, threads_share_a_bucket);
    return run_case("rate", tc);
}
