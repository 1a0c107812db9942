#include "web/rate_limits.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/plan.h"
#include "web/http.h"
#include "web/rate_table.h"

#define KEYS 8192       /* that are told apart: 128 KiB */
#define ADDRESSES 65536 /* 1 MiB for each kind of limit */

struct limit {
    _Atomic int64_t spacing, depth; /* struct rate; spacing 0: no limit */
    struct rate_table *table;
    _Atomic int64_t logged_second;
    _Atomic int unlogged;
};

struct rate_limits {
    struct counters *counters;
    struct limit limits[RATE_KINDS];
};

struct rate_limits *rate_limits_new(struct counters *c)
{
    struct rate_limits *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->counters = c;
    for (int i = 0; i < RATE_KINDS; i++) {
        l->limits[i].table = rate_table_new(i == RATE_KEY ? KEYS : ADDRESSES);
        if (!l->limits[i].table) {
            rate_limits_free(l);
            return NULL;
        }
    }
    return l;
}

void rate_limits_free(struct rate_limits *l)
{
    if (!l)
        return;
    for (int i = 0; i < RATE_KINDS; i++)
        rate_table_free(l->limits[i].table);
    free(l);
}

static void show(struct counters *c, enum rate_kind kind, unsigned per_second)
{
    if (kind == RATE_KEY)
        counter_set(c, rate_per_key, per_second);
    else if (kind == RATE_ADDRESS)
        counter_set(c, rate_per_address, per_second);
    else
        counter_set(c, rate_failed_auth, per_second);
}

void rate_limits_set(struct rate_limits *l, enum rate_kind kind, struct rate_option o)
{
    struct limit *limit = &l->limits[kind];
    struct rate r = {0};
    if (o.per_second > 0)
        r = rate_of(o.per_second, o.burst > 0 ? o.burst : o.per_second);
    atomic_store_explicit(&limit->depth, r.depth, memory_order_relaxed);
    atomic_store_explicit(&limit->spacing, r.spacing, memory_order_relaxed);
    if (r.spacing > 0)
        rate_table_bound(limit->table, &r, clock_monotonic_us() * 1000);
    show(l->counters, kind, o.per_second);
}

static void count(struct counters *c, enum rate_kind kind)
{
    if (kind == RATE_KEY)
        counter_add(c, limited_keys, 1);
    else if (kind == RATE_ADDRESS)
        counter_add(c, limited_addresses, 1);
    else
        counter_add(c, limited_failed, 1);
}

/* A line a second names whom it met, which is most likely whoever sends most. */
static void log_refusal(struct rate_limits *l, enum rate_kind kind, struct http_request *r, int32_t key_id)
{
    static const char *const texts[] = {
        [RATE_KEY] = "an API key sends more requests than it may",
        [RATE_ADDRESS] = "an address sends more requests than rate_per_address allows",
        [RATE_FAILED] = "an address sends more requests without a good key than rate_failed_auth allows",
    };
    int64_t second = clock_monotonic_us() / 1000000;
    struct limit *limit = &l->limits[kind];
    int unlogged = atomic_fetch_add(&limit->unlogged, 1) + 1;
    if (atomic_exchange(&limit->logged_second, second) == second)
        return;
    atomic_fetch_sub(&limit->unlogged, unlogged);
    struct log_field fields[] = {
        kind == RATE_KEY ? (struct log_field){.name = "key_id", .number = key_id}
                         : (struct log_field){.name = "address", .text = http_client(r)},
        {.name = "request_id", .text = http_request_id(r)},
        {.name = "refused", .number = unlogged},
    };
    log_fields(LOG_WARN, "rate", fields, 3, "%s", texts[kind]);
}

/* Whole seconds, rounded up. */
static unsigned seconds(int64_t ns)
{
    return (unsigned)((ns + 999999999) / 1000000000);
}

static unsigned check(struct rate_limits *l, enum rate_kind kind, uint64_t tag, const struct rate *rate,
                      struct http_request *r, int32_t key_id)
{
    int64_t wait = rate_take(l->limits[kind].table, tag, rate, http_began_ns(r));
    if (wait == 0)
        return 0;
    count(l->counters, kind);
    log_refusal(l, kind, r, key_id);
    return seconds(wait);
}

static struct rate rate_now(struct limit *limit)
{
    return (struct rate){atomic_load_explicit(&limit->spacing, memory_order_relaxed),
                         atomic_load_explicit(&limit->depth, memory_order_relaxed)};
}

/* Keys' ids are ours, so any spreading will do. */
static uint64_t key_tag(int32_t id)
{
    return ((uint64_t)(uint32_t)id + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

unsigned rate_check_key(struct rate_limits *l, struct http_request *r, const struct plan_api_key *key)
{
    if (!l)
        return 0;
    struct rate rate =
        key->rate_limit > 0 ? rate_of(key->rate_limit, key->rate_limit) : rate_now(&l->limits[RATE_KEY]);
    return rate.spacing == 0 ? 0 : check(l, RATE_KEY, key_tag(key->id), &rate, r, key->id);
}

unsigned rate_check_address(struct rate_limits *l, enum rate_kind kind, struct http_request *r)
{
    if (!l)
        return 0;
    struct rate rate = rate_now(&l->limits[kind]);
    return rate.spacing == 0 ? 0 : check(l, kind, http_client_tag(r), &rate, r, 0);
}
