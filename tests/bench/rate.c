/* What limits cost a request, in nanoseconds of CPU: no limit set; a key's or an address's bucket; a table in
 * which every bucket is another's; a bucket that two and four threads want at once; a peer's hash, once a
 * connection; the clock that every request reads, beside the exact one. Usage: rate [SECONDS per number].
 * Build with -O2 and without sanitizers. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/plan.h"
#include "web/http_address.h"
#include "web/http_shared.h"
#include "web/rate_limits.h"
#include "web/rate_table.h"

#define ROUND 100000

static double seconds = 1.0;

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct work {
    struct rate_limits *none;
    struct rate_table *table;
    struct rate rate;
    struct http_shared *shared;
    struct http_address address;
    struct plan_api_key key;
    int64_t now;
    uint64_t n, sum;
};

typedef void round_fn(struct work *w);

static void no_limit(struct work *w)
{
    for (int i = 0; i < ROUND; i++)
        w->sum += rate_check_key(w->none, NULL, &w->key) + rate_check_address(w->none, RATE_ADDRESS, NULL);
}

static void one_of_sixteen(struct work *w)
{
    for (uint64_t i = 0; i < ROUND; i++)
        w->sum += (uint64_t)rate_take(w->table, ((i & 15) + 1) * UINT64_C(0x9E3779B97F4A7C15), &w->rate,
                                      w->now += 100);
}

static void always_new(struct work *w)
{
    for (uint64_t i = 0; i < ROUND; i++)
        w->sum +=
            (uint64_t)rate_take(w->table, ++w->n * UINT64_C(0x9E3779B97F4A7C15), &w->rate, w->now += 100);
}

static void same(struct work *w)
{
    for (uint64_t i = 0; i < ROUND; i++)
        w->sum += (uint64_t)rate_take(w->table, 1, &w->rate, w->now += 4000);
}

static void hash(struct work *w)
{
    for (int i = 0; i < ROUND; i++) {
        w->address.bytes[15] = (uint8_t)i;
        w->sum += http_shared_tag(w->shared, &w->address);
    }
}

static void coarse_clock(struct work *w)
{
    for (int i = 0; i < ROUND; i++)
        w->sum += (uint64_t)read_ns(CLOCK_MONOTONIC_COARSE);
}

static void exact_clock(struct work *w)
{
    for (int i = 0; i < ROUND; i++)
        w->sum += (uint64_t)read_ns(CLOCK_MONOTONIC);
}

static double cost(round_fn *fn, struct work *w)
{
    int64_t end = read_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9),
            begin = read_ns(CLOCK_THREAD_CPUTIME_ID);
    double rounds = 0;
    while (read_ns(CLOCK_MONOTONIC) < end) {
        fn(w);
        rounds++;
    }
    return (double)(read_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / (rounds * ROUND);
}

struct thread {
    struct work work;
    double ns;
};

static void *run(void *arg)
{
    struct thread *t = arg;
    t->ns = cost(same, &t->work);
    return NULL;
}

static void together(const struct work *w, int n)
{
    struct thread t[4];
    pthread_t threads[4];
    double sum = 0;
    for (int i = 0; i < n; i++) {
        t[i].work = *w;
        if (pthread_create(&threads[i], NULL, run, &t[i]) != 0)
            abort();
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        sum += t[i].ns;
    }
    printf("one bucket, %d threads at once    %7.1f ns\n", n, sum / n);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *what;
        round_fn *fn;
    } rows[] = {
        {"no limit is set                 ", no_limit},
        {"a key's or an address's bucket  ", one_of_sixteen},
        {"an address never seen, table full", always_new},
        {"an address's hash               ", hash},
        {"the coarse clock                ", coarse_clock},
        {"the exact clock                 ", exact_clock},
    };
    struct counters counters;
    memset(&counters, 0, sizeof counters);
    if (argc > 1)
        seconds = atof(argv[1]);
    if (sodium_init() < 0)
        return 1;
    struct work w = {.none = rate_limits_new(&counters),
                     .table = rate_table_new(65536),
                     .rate = rate_of(1000000, 1000000),
                     .shared = http_shared_new(1000, 1000),
                     .now = read_ns(CLOCK_MONOTONIC)};
    if (!w.none || !w.table || !w.shared)
        return 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf("%s  %7.1f ns\n", rows[i].what, cost(rows[i].fn, &w));
    together(&w, 1);
    together(&w, 2);
    together(&w, 4);
    rate_limits_free(w.none);
    rate_table_free(w.table);
    http_shared_free(w.shared);
    return w.sum == 1;
}
