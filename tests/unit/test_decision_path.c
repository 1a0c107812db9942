/* The way of a decision from the socket to its record, in one thread: a real server with a plan, a queue that
 * takes everything, and one connection. In steady state no request allocates; a context that is left to
 * jansson does, which shows that the counting works.
 * Usage: test_decision_path [single|bulk REQUESTS], the latter for a profiler. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "plan_fixture.h"
#include "suite.h"
#include "web/api.h"

#define KEY "ck_client_decision_path"
#define FLAGS 20

/* --- counting --- */

static atomic_ulong allocations;

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t n)
{
    (void)p;
    (void)n;
    allocations++;
}

static void on_free(const volatile void *p)
{
    (void)p;
}

static void count_allocations(void)
{
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

static void count_allocations(void)
{
}
#endif

/* --- the server --- */

struct bed {
    struct event_base *base;
    struct counters counters;
    struct api_worker *api;
    struct http_server *http;
    int fd;
    uint64_t records;
    struct event *completion;
    api_pushed_fn *done;
    void *done_arg;
};

static int take_push(void *arg, const uint8_t *bytes, size_t len, unsigned n_records, api_pushed_fn *done,
                     void *done_arg)
{
    struct bed *b = arg;
    (void)bytes;
    (void)len;
    if (b->done)
        return ERR_LIMIT;
    b->records += n_records;
    b->done = done;
    b->done_arg = done_arg;
    event_active(b->completion, 0, 0);
    return ERR_OK;
}

static void on_completion(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct bed *b = arg;
    api_pushed_fn *done = b->done;
    struct error e;
    error_clear(&e);
    b->done = NULL;
    done(b->done_arg, ERR_OK, &e);
}

static enum api_queue level(void *arg)
{
    (void)arg;
    return QUEUE_OK;
}

static struct plan_set *make_plans(void)
{
    static const char *const rules[] = {"x1", "x2", NULL};
    const struct plan_api_key key = {.id = 1, .role = ROLE_CLIENT};
    struct plan_builder *b = fixture_builder();
    uint8_t hash_key[32], hash[32];
    char name[16];
    memset(hash_key, 'h', sizeof hash_key);
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, hash_key, sizeof hash_key);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)KEY, strlen(KEY));
    crypto_auth_hmacsha256_final(&state, hash);
    plan_builder_api_key(b, &key, hash);
    for (int i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "x%d", i);
        plan_builder_experiment(b, fixture_experiment(i, name));
    }
    for (int i = 0; i < FLAGS; i++) {
        snprintf(name, sizeof name, "f%d", i);
        fixture_flag(b, i + 1, name, rules);
    }
    struct plan *p = fixture_finish(b);
    struct plan_set *set;
    struct error e;
    ck_assert_int_eq(plan_set_new(&p, 1, 12, 3, &set, &e), 0);
    plan_unref(p);
    return set;
}

static void bed_start(struct bed *b)
{
    struct error e;
    uint16_t port;
    int listening;
    *b = (struct bed){.base = event_base_new()};
    b->completion = event_new(b->base, -1, 0, on_completion, b);
    struct api_services s = {.arg = b, .counters = &b->counters, .push = take_push, .queue_level = level};
    struct api_options o = {
        .event_max_age_us = INT64_C(86400000000), .cors_origins = "", .max_body = 1 << 20};
    struct http_options h;
    http_options_default(&h);
    h.max_wait_ms = 0; /* however slow the machine is */
    counter_set(&b->counters, plan_confirmed_us, clock_monotonic_us());
    counter_set(&b->counters, monitor_heard_us, clock_monotonic_us());
    ck_assert_int_eq(api_worker_new(&b->api, b->base, &s, &o, &e), 0);
    api_worker_set_plans(b->api, make_plans());
    ck_assert_int_eq(http_listen("127.0.0.1:0", true, &listening, &port, &e), 0);
    ck_assert_int_eq(http_server_new(&b->http, b->base, listening, &h, api_handle, api_body_limit, b->api,
                                     &b->counters, &e),
                     0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    b->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(b->fd, (struct sockaddr *)&to, sizeof to), 0);
}

static void bed_stop(struct bed *b)
{
    close(b->fd);
    http_server_free(b->http);
    api_worker_flush(b->api);
    while (b->done)
        event_base_loop(b->base, EVLOOP_ONCE);
    api_worker_free(b->api);
    event_free(b->completion);
    event_base_free(b->base);
}

/* --- requests --- */

static size_t make_request(char *out, size_t cap, const char *path, const char *context)
{
    int n = snprintf(out, cap,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:8440\r\nX-API-Key: " KEY "\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n{\"context\":%s}",
                     path, strlen(context) + 12, context);
    return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

/* Sends it and reads one whole answer, which must be a 200. (An assertion that holds allocates too.) */
static void ask(struct bed *b, const char *request, size_t n)
{
    static char answer[65536];
    size_t len = 0, whole = 0;
    if (n == 0 || send(b->fd, request, n, 0) != (ssize_t)n)
        ck_abort_msg("a request could not be sent");
    while (whole == 0 || len < whole) {
        event_base_loop(b->base, EVLOOP_NONBLOCK);
        ssize_t got = recv(b->fd, answer + len, sizeof answer - 1 - len, MSG_DONTWAIT);
        if (got <= 0)
            continue;
        len += (size_t)got;
        answer[len] = '\0';
        const char *body = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
        if (body && length)
            whole = (size_t)(body + 4 - answer) + strtoul(length + 16, NULL, 10);
    }
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0)
        ck_abort_msg("%s", answer);
}

/* Allocations of `times` requests, each of another person. */
static unsigned long allocations_of(struct bed *b, const char *path, const char *attributes, unsigned times)
{
    char request[2048], context[1024];
    unsigned long before = allocations;
    for (unsigned i = 0; i < times; i++) {
        snprintf(context, sizeof context, "{\"targetingKey\":\"customer-%u\",\"country\":\"DE\"%s}", i,
                 attributes);
        size_t n = make_request(request, sizeof request, path, context);
        ask(b, request, n);
    }
    return allocations - before;
}

#define SINGLE "/ofrep/v1/evaluate/flags/f7"
#define BULK "/ofrep/v1/evaluate/flags"
#define PLAIN ",\"plan\":\"pro \\u00e9\",\"age\":31,\"score\":0.25,\"tags\":[\"a\",\"b\"],\"beta\":true"

START_TEST(no_request_allocates)
{
    struct bed b;
    bed_start(&b);
    static const char *const paths[] = {SINGLE, BULK};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        allocations_of(&b, paths[i], PLAIN, 2000); /* buffers reach their sizes */
        unsigned long n = allocations_of(&b, paths[i], PLAIN, 1000);
        /* which are those of as many requests as there are in a millisecond: on a busy machine more come
         * later */
        for (int again = 0; n > 0 && again < 5; again++)
            n = allocations_of(&b, paths[i], PLAIN, 1000);
        ck_assert_msg(n == 0, "%s: %lu allocations in 1000 requests", paths[i], n);
    }
    ck_assert_uint_gt(b.records, 3000);
    ck_assert_int_eq(counter_get(&b.counters, records_lost), 0);
    ck_assert_uint_ge(allocations_of(&b, SINGLE, ",\"long\":12345678901234567890e-3", 100), 100);
    bed_stop(&b);
}
END_TEST

static const char *profiled; /* the path */
static unsigned times;

START_TEST(only_for_a_profiler)
{
    struct bed b;
    bed_start(&b);
    allocations_of(&b, profiled, PLAIN, times);
    bed_stop(&b);
}
END_TEST

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    count_allocations();
    TCase *tc = tcase_create("decision path");
    if (argc == 3) {
        profiled = strcmp(argv[1], "bulk") == 0 ? BULK : SINGLE;
        times = (unsigned)strtoul(argv[2], NULL, 10);
    }
    tcase_add_test(tc, argc == 3 ? only_for_a_profiler : no_request_allocates);
    return run_case("decision path", tc);
}
