/* Turns that grow long: who is served, who is refused, and who must not be. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_bed.h"
#include "http_bed_tls.h"
#include "suite.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* Statuses of the answers so far: how many, and how many of them 503. */
static unsigned count_busy(const struct client *c, unsigned *no)
{
    struct answer a;
    size_t at = 0;
    unsigned n = 0;
    for (*no = 0; answer_next(c, &at, false, &a); n++)
        *no += a.status == 503;
    return n;
}

static void on_paused(evutil_socket_t fd, short what, void *paused)
{
    (void)fd;
    (void)what;
    *(bool *)paused = true;
}

/* 40 clients ask for 34 times half a millisecond at once. What one turn takes is served; then the server says
 * that it can't keep up, but not to those with another kind of work, and after a pause to nobody. It takes as
 * long to say so, and all of them ask on: still most of the time goes into work, and each gets some of it. */
static void check_overload(unsigned max_wait_ms, bool refuses)
{
    enum { N = 40, ASKS = 34 };
    struct http_options o;
    struct bed b;
    static struct client c[N];
    struct client other;
    unsigned no, all_no = 0;
    bool paused = false;
    struct timeval pause = {.tv_usec = 100000};
    http_options_default(&o);
    o.max_wait_ms = max_wait_ms;
    bed_start(&b, &o);
    b.busy_us = b.refuse_us = 500;
    client_open(&other, &b);
    for (unsigned i = 0; i < N; i++) {
        client_open(&c[i], &b);
        for (unsigned n = 0; n < ASKS; n++)
            client_say(&c[i], GET("/busy"));
    }
    for (unsigned n = 0; n < 4; n++) {
        client_say(&other, GET("/busy?other"));
        ck_assert_int_eq(answer_wait(&other, n).status, 200);
    }
    for (unsigned i = 0; i < N; i++) {
        BED_UNTIL(&b, count_busy(&c[i], &no) == ASKS);
        ck_assert_uint_lt(no, ASKS);
        all_no += no;
    }
    ck_assert_msg(refuses ? all_no > 0 && all_no < N * ASKS / 2 : all_no == 0, "%u refused", all_no);
    event_base_once(b.base, -1, EV_TIMEOUT, on_paused, &paused, &pause);
    BED_UNTIL(&b, paused);
    b.busy_us = 20; /* all of them are no long turn, also when the kernel tells of them in two */
    for (unsigned i = 0; i < N; i++)
        client_say(&c[i], GET("/busy"));
    for (unsigned i = 0; i < N; i++) {
        ck_assert_int_eq(answer_wait(&c[i], ASKS).status, 200);
        client_close(&c[i]);
    }
    client_close(&other);
    bed_stop(&b);
}

/* In plain, and over TLS. */
START_TEST(overload)
{
    bed_over_tls = _i;
    check_overload(10, true);
    check_overload(0, false);
}
END_TEST

static void start(struct bed *b, unsigned max_wait_ms)
{
    struct http_options o;
    http_options_default(&o);
    o.max_wait_ms = max_wait_ms;
    o.max_connections_per_address = 2000;
    bed_start(b, &o);
}

static unsigned refusals(const struct client *c, unsigned n)
{
    unsigned no, all_no = 0;
    for (unsigned i = 0; i < n; i++) {
        count_busy(&c[i], &no);
        all_no += no;
    }
    return all_no;
}

/* All of them ask once more; how many are refused. */
static unsigned ask_all(struct client *c, unsigned n, const char *text)
{
    unsigned due = answers(&c[0]) + 1, before = refusals(c, n);
    for (unsigned i = 0; i < n; i++)
        client_say(&c[i], text);
    for (unsigned i = 0; i < n; i++)
        BED_UNTIL(c->bed, answers(&c[i]) == due);
    return refusals(c, n) - before;
}

static void close_all(struct client *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        client_close(&c[i]);
}

/* How clients begin that speak TLS. */
static size_t a_hello(char *to, size_t cap)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct bed_secure *s = bed_secure_new(pair[0], NULL);
    ssize_t n = recv(pair[1], to, cap, 0);
    ck_assert_int_gt(n, 0);
    bed_secure_free(s);
    close(pair[0]);
    close(pair[1]);
    return (size_t)n;
}

/* Clients that connect, and begin to speak TLS only when they are told to. */
static void open_all(struct client *c, unsigned n, struct bed *b)
{
    int64_t before = counter_get(&b->counters, http_connections);
    bed_over_tls = false;
    for (unsigned i = 0; i < n; i++)
        client_open(&c[i], b);
    bed_over_tls = true;
    BED_UNTIL(b, counter_get(&b->counters, http_connections) == before + n);
}

/* Behind a request two hundred begin a handshake at once, which takes many turns' time; of the few who ask
 * behind them nobody is refused, for that would make nobody wait less. Four times, until the event loop,
 * which begins with 32 at a time, looks at all of them in one turn. */
START_TEST(handshakes)
{
    enum { ASKING = 5, COMING = 200, TIMES = 4 };
    static struct client first, asking[ASKING], coming[TIMES][COMING];
    struct bed b;
    char hello[4096];
    size_t n = a_hello(hello, sizeof hello);
    bed_over_tls = true;
    start(&b, 2);
    client_open(&first, &b);
    for (unsigned i = 0; i < ASKING; i++)
        client_open(&asking[i], &b);
    ck_assert_uint_eq(ask_all(&first, 1, GET("/busy")) + ask_all(asking, ASKING, GET("/busy")), 0);
    for (unsigned k = 0; k < TIMES; k++) {
        open_all(coming[k], COMING, &b);
        client_say(&first, GET("/busy"));
        for (unsigned i = 0; i < COMING; i++)
            client_send(&coming[k][i], hello, n);
        ck_assert_uint_eq(ask_all(asking, ASKING, GET("/busy")) + refusals(&first, 1), 0);
    }
    client_close(&first);
    close_all(asking, ASKING);
    for (unsigned k = 0; k < TIMES; k++)
        close_all(coming[k], COMING);
    bed_stop(&b);
}
END_TEST

/* Far too many batches are refused, which takes long. Then too many decisions come: what it takes to refuse
 * those is not owed for the batches, so they are told at once, and only few wait in line. */
START_TEST(refused_after_batches)
{
    enum { N = 150 };
    static struct client c[N];
    struct bed b;
    start(&b, 20);
    for (unsigned i = 0; i < N; i++)
        client_open(&c[i], &b);
    ask_all(c, N, GET("/nothing"));
    b.busy_us = b.refuse_us = 2000;
    ck_assert_uint_gt(ask_all(c, N, GET("/busy?batch")), N / 2);
    b.busy_us = 6000;
    b.refuse_us = 0;
    unsigned no = ask_all(c, N, GET("/busy"));
    ck_assert_msg(no > N * 3 / 4, "%u refused", no);
    close_all(c, N);
    bed_stop(&b);
}
END_TEST

/* The server drains while many wait in line, unread: each of them gets its answer before its end. */
START_TEST(drained_in_line)
{
    enum { N = 150 };
    static struct client c[N];
    struct bed b;
    unsigned n = 0;
    start(&b, 10);
    b.busy_us = b.refuse_us = 1000;
    for (unsigned i = 0; i < N; i++)
        client_open(&c[i], &b);
    BED_UNTIL(&b, counter_get(&b.counters, http_connections) == N);
    for (unsigned i = 0; i < N; i++)
        client_say(&c[i], GET("/busy"));
    BED_UNTIL(&b, refusals(c, N) > 0);
    for (unsigned i = 0; i < N; i++)
        n += answers(&c[i]);
    ck_assert_uint_lt(n, N);
    http_server_drain(b.server);
    for (unsigned i = 0; i < N; i++) {
        client_wait_eof(&c[i]);
        ck_assert_uint_eq(answers(&c[i]), 1);
        client_close(&c[i]);
    }
    bed_stop(&b);
}
END_TEST

/* As which request of all it was answered. */
static unsigned order_of(const struct answer *a)
{
    return (unsigned)strtoul(a->body, NULL, 10);
}

static unsigned last_answered(const struct client *c, unsigned n)
{
    struct answer a;
    unsigned last = 0;
    for (unsigned i = 0; i < n; i++) {
        size_t at = 0;
        while (answer_next(&c[i], &at, false, &a))
            last = a.status == 200 && order_of(&a) > last ? order_of(&a) : last;
    }
    return last;
}

static unsigned unanswered(const struct client *c, unsigned n, unsigned due)
{
    unsigned no = 0;
    for (unsigned i = 0; i < n; i++)
        no += answers(&c[i]) < due;
    return no;
}

enum { CROWD = 200 };

/* As many more ask than are served in time, and to refuse them takes so long that most of them wait in line:
 * it stays full for many turns, in each of which there is time for a refusal again. */
static void start_crowded(struct bed *b, struct client *c)
{
    start(b, 50);
    for (unsigned i = 0; i < CROWD; i++)
        client_open(&c[i], b);
    ask_all(c, CROWD, GET("/nothing"));
    b->busy_us = b->refuse_us = 2000;
    for (unsigned i = 0; i < CROWD; i++)
        client_say(&c[i], GET("/busy"));
    BED_UNTIL(b, refusals(c, CROWD) > 0);
    unsigned handled = b->handled;
    BED_UNTIL(b, b->handled > handled + 24); /* more than it takes to save up what refusals took too much */
    ck_assert_uint_gt(unanswered(c, CROWD, 2), CROWD / 5);
    b->refuse_us = 0;
}

static void stop_crowded(struct bed *b, struct client *c)
{
    BED_UNTIL(b, unanswered(c, CROWD, 2) == 0);
    close_all(c, CROWD);
    bed_stop(b);
}

/* Who comes when the line is full is refused before those in it are answered, also when the request comes in
 * pieces. */
START_TEST(refused_at_once)
{
    static struct client c[CROWD], late;
    struct bed b;
    start_crowded(&b, c);
    client_open(&late, &b);
    client_say(&late, GET("/busy"));
    ck_assert_int_eq(answer_wait(&late, 0).status, 503);
    client_say(&late, "POST /busy HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
    bed_turn(&b);
    client_say(&late, "x");
    struct answer a = answer_wait(&late, 1);
    unsigned order = order_of(&a);
    ck_assert_int_eq(a.status, 503);
    BED_UNTIL(&b, unanswered(c, CROWD, 2) == 0);
    ck_assert_uint_lt(order, last_answered(c, CROWD));
    client_close(&late);
    stop_crowded(&b, c);
}
END_TEST

/* Batches are not refused where decisions take the time; but who sends many at once has the first only before
 * those in line. */
START_TEST(batches_beside_decisions)
{
    enum { BATCHES = 30 };
    static struct client c[CROWD], late;
    struct bed b;
    start_crowded(&b, c);
    client_open(&late, &b);
    for (unsigned i = 0; i < BATCHES; i++)
        client_say(&late, GET("/busy?batch"));
    struct answer a = answer_wait(&late, 0);
    unsigned first = order_of(&a);
    a = answer_wait(&late, 1);
    unsigned second = order_of(&a);
    BED_UNTIL(&b, unanswered(c, CROWD, 2) == 0);
    ck_assert_uint_lt(first, last_answered(c, CROWD));
    ck_assert_uint_gt(second, last_answered(c, CROWD));
    BED_UNTIL(&b, answers(&late) == BATCHES);
    ck_assert_uint_eq(refusals(&late, 1), 0);
    client_close(&late);
    stop_crowded(&b, c);
}
END_TEST

/* Who sends requests without end is read no faster than they are answered, one a turn: what waits for its
 * turn stays with the kernel, which takes 10 MiB at most. */
START_TEST(endless)
{
    enum { MIB = 1 << 20 };
    static char requests[65536 / (sizeof GET("/nothing") - 1) * (sizeof GET("/nothing") - 1)];
    const size_t one = sizeof GET("/nothing") - 1;
    struct bed b;
    struct client c;
    size_t sent = 0, at = 0;
    for (size_t i = 0; i < sizeof requests; i += one)
        memcpy(requests + i, GET("/nothing"), one);
    bed_over_tls = _i;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_ready(&c);
    for (unsigned turns = 0; sent < 32 * MIB && turns < 3000; turns++) {
        ssize_t n = client_try(&c, requests + at, sizeof requests - at);
        sent += n > 0 ? (size_t)n : 0;
        at = (at + (n > 0 ? (size_t)n : 0)) % sizeof requests;
        event_base_loop(b.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    ck_assert_uint_gt(b.handled, 1);
    ck_assert_uint_lt(sent - b.handled * one, 16 * MIB);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pace");
    tcase_add_loop_test(t, overload, 0, 2);
    tcase_add_test(t, handshakes);
    tcase_add_test(t, refused_after_batches);
    tcase_add_test(t, drained_in_line);
    tcase_add_test(t, refused_at_once);
    tcase_add_test(t, batches_beside_decisions);
    tcase_add_loop_test(t, endless, 0, 2);
    return run_case("http pace", t);
}
