/* Limits of the server: deadlines, connections in all and per address, descriptors, drain, listening. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_bed.h"
#include "web/http_address.h"
#include "web/http_peers.h"
#include "web/http_shared.h"

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

static struct http_options short_limits(void)
{
    struct http_options o;
    http_options_default(&o);
    o.header_s = o.body_s = 1;
    o.idle_s = 2;
    o.write_s = 1;
    return o;
}

static int only_status(struct client *c)
{
    client_wait_eof(c);
    ck_assert_uint_eq(answers(c), 1);
    return answer_wait(c, 0).status;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct client *c = arg;
    if (!c->eof)
        client_say(c, "a");
}

static struct event *trickle(struct client *c)
{
    struct timeval tick = {.tv_usec = 50000};
    struct event *e = event_new(c->bed->base, -1, EV_PERSIST, on_tick, c);
    event_add(e, &tick);
    return e;
}

/* Clients that take too long in different ways, at once: deadlines are absolute, a byte now and then does not
 * help. */
START_TEST(deadlines)
{
    enum { HEAD, SLOW_HEAD, BODY, SLOW_BODY, CHUNKED, FRESH, USED, ASKED, N };
    static const char *const texts[N] = {
        [HEAD] = "GET / HTTP/1.1\r\n",
        [SLOW_HEAD] = "GET / HTTP/1.1\r\n" H "X: ",
        [BODY] = "POST / HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\n",
        [SLOW_BODY] = "POST / HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n",
        [CHUNKED] = "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        [FRESH] = "",
        [USED] = GET("/"),
        [ASKED] = GET("/later"),
    };
    struct http_options o = short_limits();
    struct client c[N];
    struct bed b;
    bed_start(&b, &o);
    int64_t from = clock_monotonic_us();
    for (int i = 0; i < N; i++) {
        client_open(&c[i], &b);
        client_say(&c[i], texts[i]);
    }
    struct event *t1 = trickle(&c[SLOW_HEAD]), *t2 = trickle(&c[SLOW_BODY]);
    for (int i = HEAD; i <= CHUNKED; i++)
        ck_assert_int_eq(only_status(&c[i]), 408);
    int64_t took = clock_monotonic_us() - from;
    ck_assert_int_ge(took, 990000);
    /* not before their time, which a machine that halts may have let pass meanwhile */
    ck_assert((!c[FRESH].eof && !c[USED].eof) || clock_monotonic_us() - from >= 1990000);
    client_wait_eof(&c[FRESH]);
    ck_assert_uint_eq(c[FRESH].in.len, 0);
    ck_assert_int_eq(only_status(&c[USED]), 200);
    ck_assert_int_ge(clock_monotonic_us() - from, 1990000);
    /* a handler has no deadline */
    ck_assert(!c[ASKED].eof);
    http_reply(b.waiting[0], 200, "text/plain", "x", 1);
    b.n_waiting = 0;
    ck_assert_int_eq(answer_wait(&c[ASKED], 0).status, 200);
    event_free(t1);
    event_free(t2);
    for (int i = 0; i < N; i++)
        client_close(&c[i]);
    bed_stop(&b);
}
END_TEST

START_TEST(peer_that_never_reads)
{
    struct http_options o = short_limits();
    struct bed b;
    struct client c;
    bed_start(&b, &o);
    b.reply_len = 20000000;
    client_open_small(&c, &b, 4096);
    client_pause(&c, true);
    client_say(&c, GET("/large") GET("/smuggled"));
    BED_UNTIL(&b, http_server_connections(b.server) == 1);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    ck_assert_uint_eq(b.handled, 1);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* A peer that does not close after our end is not waited for longer than a moment. */
START_TEST(lingering_ends)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, "BAD\r\n\r\n");
    ck_assert_int_eq(only_status(&c), 400);
    ck_assert_uint_eq(http_server_connections(b.server), 1);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(slow_loris)
{
    enum { N = 150 };
    static struct client c[N];
    struct http_options o = short_limits();
    struct bed b;
    struct client good;
    bed_start(&b, &o);
    for (unsigned i = 0; i < N; i++) {
        client_open(&c[i], &b);
        client_say(&c[i], "GET / HTTP/1.1\r\nX");
    }
    client_open(&good, &b);
    client_say(&good, GET("/"));
    ck_assert_int_eq(answer_wait(&good, 0).status, 200);
    for (unsigned i = 0; i < N; i++)
        ck_assert_int_eq(only_status(&c[i]), 408);
    for (unsigned i = 0; i < N; i++)
        client_close(&c[i]);
    client_close(&good);
    bed_stop(&b);
}
END_TEST

static unsigned refused(struct bed *b)
{
    return (unsigned)counter_get(&b->counters, http_refused);
}

static void check_caps(unsigned total, unsigned per_address)
{
    struct http_options o;
    struct bed b;
    struct client c[4];
    http_options_default(&o);
    o.max_connections = total;
    o.max_connections_per_address = per_address;
    bed_start(&b, &o);
    for (unsigned i = 0; i < 4; i++)
        client_open(&c[i], &b);
    client_wait_eof(&c[3]);
    ck_assert_uint_eq(http_server_connections(b.server), 3);
    ck_assert_uint_eq(refused(&b), 1);
    client_close(&c[3]);
    client_close(&c[0]);
    BED_UNTIL(&b, http_server_connections(b.server) == 2);
    client_open(&c[0], &b);
    client_say(&c[0], GET("/"));
    ck_assert_int_eq(answer_wait(&c[0], 0).status, 200);
    for (unsigned i = 0; i < 3; i++)
        client_close(&c[i]);
    bed_stop(&b);
}

START_TEST(connection_caps)
{
    check_caps(3, 100);
    check_caps(100, 3);
}
END_TEST

/* Two servers of one process, as two workers are: the caps are of both together, whichever takes the client.
 */
static void check_shared_caps(unsigned total, unsigned per_address)
{
    struct http_options o;
    struct bed b[2];
    struct client c[4];
    http_options_default(&o);
    o.shared = http_shared_new(total, per_address);
    ck_assert_ptr_nonnull(o.shared);
    bed_start(&b[0], &o);
    bed_start(&b[1], &o);
    for (unsigned i = 0; i < 3; i++) {
        client_open(&c[i], &b[i % 2]);
        client_say(&c[i], GET("/"));
        ck_assert_int_eq(answer_wait(&c[i], 0).status, 200);
    }
    client_open(&c[3], &b[1]);
    client_wait_eof(&c[3]);
    ck_assert_uint_eq(refused(&b[0]), 0);
    ck_assert_uint_eq(refused(&b[1]), 1);
    client_close(&c[0]);
    BED_UNTIL(&b[0], http_server_connections(b[0].server) == 1);
    client_close(&c[3]);
    client_open(&c[3], &b[1]);
    client_say(&c[3], GET("/"));
    ck_assert_int_eq(answer_wait(&c[3], 0).status, 200);
    for (unsigned i = 1; i < 4; i++)
        client_close(&c[i]);
    bed_stop(&b[0]);
    bed_stop(&b[1]);
    http_shared_free(o.shared);
}

START_TEST(caps_hold_over_servers)
{
    check_shared_caps(3, 100);
    check_shared_caps(100, 3);
}
END_TEST

/* A trusted proxy's connections are many clients': only the cap of all counts. */
START_TEST(proxies_have_no_cap_of_their_own)
{
    struct http_options o;
    struct http_trust *trust;
    struct error e;
    struct bed b;
    struct client c[3];
    http_options_default(&o);
    o.shared = http_shared_new(2, 1);
    ck_assert_int_eq(http_trust_new(&trust, "127.0.0.1", &e), ERR_OK);
    ck_assert_int_eq(http_shared_set_trust(o.shared, trust, &e), ERR_OK);
    bed_start(&b, &o);
    for (unsigned i = 0; i < 3; i++)
        client_open(&c[i], &b);
    client_wait_eof(&c[2]);
    ck_assert_uint_eq(http_server_connections(b.server), 2);
    for (unsigned i = 0; i < 3; i++)
        client_close(&c[i]);
    bed_stop(&b);
    http_shared_free(o.shared);
}
END_TEST

static struct http_peer *add(struct http_peers *t, const char *text, unsigned max)
{
    struct http_address a;
    ck_assert(http_address_parse(&a, text, strlen(text)));
    return http_peers_add(t, &a, max);
}

START_TEST(peers_are_told_apart)
{
    struct http_peers *t = http_peers_new(10);
    struct http_peer *a = add(t, "10.0.0.1", 2);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_eq(add(t, "::ffff:10.0.0.1", 2), a);
    ck_assert_ptr_null(add(t, "10.0.0.1", 2));
    ck_assert_ptr_nonnull(add(t, "10.0.0.2", 2));
    http_peers_remove(t, a);
    ck_assert_ptr_nonnull(add(t, "10.0.0.1", 2));
    ck_assert_ptr_nonnull(add(t, "2001:db8:0:1::1", 1));
    ck_assert_ptr_null(add(t, "2001:db8:0:1:ffff::2", 1));
    ck_assert_ptr_nonnull(add(t, "2001:db8:0:2::1", 1));
    ck_assert_ptr_null(add(t, "10.0.0.9", 0));
    http_peers_free(t);
}
END_TEST

/* Lines that reached standard error between the two. */
static int log_saved, log_pipe[2];

static void catch_log(void)
{
    log_saved = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe(log_pipe), 0);
    dup2(log_pipe[1], STDERR_FILENO);
}

static unsigned caught_lines(const char *with)
{
    char text[8192];
    unsigned lines = 0;
    dup2(log_saved, STDERR_FILENO);
    close(log_pipe[1]);
    ssize_t n = read(log_pipe[0], text, sizeof text - 1);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    for (char *p = text; (p = strstr(p, with)); p++)
        lines++;
    close(log_pipe[0]);
    close(log_saved);
    return lines;
}

/* Out of descriptors: those who wait are closed rather than kept waiting, the log gets few lines, and service
 * goes on as soon as there are descriptors again. */
START_TEST(out_of_descriptors)
{
    enum { N = 20 };
    struct rlimit old, low;
    struct bed b;
    struct client c[N], last;
    bed_start(&b, NULL);
    catch_log();
    for (unsigned i = 0; i < N; i++)
        client_open(&c[i], &b);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)c[N - 1].fd + 6;
    setrlimit(RLIMIT_NOFILE, &low);
    BED_UNTIL(&b, refused(&b) >= 3);
    ck_assert_uint_eq(http_server_connections(b.server), 5);
    setrlimit(RLIMIT_NOFILE, &old);
    BED_UNTIL(&b, http_server_connections(b.server) + refused(&b) == N);
    client_open(&last, &b);
    client_say(&last, GET("/"));
    ck_assert_int_eq(answer_wait(&last, 0).status, 200);
    unsigned lines = caught_lines("cannot take connections");
    ck_assert(lines >= 1 && lines <= 2);
    for (unsigned i = 0; i < N; i++)
        client_close(&c[i]);
    client_close(&last);
    bed_stop(&b);
}
END_TEST

static void check_nobody_listens(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ne(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    close(fd);
}

START_TEST(drain)
{
    enum { IDLE, LATER, HALF, SENT, QUEUED, N };
    struct bed b;
    struct client c[N];
    bed_start(&b, NULL);
    for (int i = 0; i < QUEUED; i++)
        client_open(&c[i], &b);
    client_say(&c[IDLE], GET("/"));
    ck_assert_int_eq(answer_wait(&c[IDLE], 0).status, 200);
    client_say(&c[LATER], GET("/later") GET("/smuggled"));
    BED_UNTIL(&b, b.n_waiting == 1);
    client_say(&c[HALF], "GET /half HT");
    bed_settle(&b);
    client_say(&c[SENT], GET("/sent"));
    client_open(&c[QUEUED], &b);
    client_say(&c[QUEUED], GET("/queued"));
    http_server_drain(b.server);
    http_server_drain(b.server);
    for (int i = IDLE; i < N; i += i == IDLE ? (int)SENT : 1)
        ck_assert_int_eq(only_status(&c[i]), 200);
    client_say(&c[HALF], "TP/1.1\r\n" H "\r\n");
    ck_assert_int_eq(only_status(&c[HALF]), 200);
    struct answer a = answer_wait(&c[HALF], 0);
    ck_assert(answer_has(&a, "Connection: close"));
    ck_assert(!c[LATER].eof);
    http_reply(b.waiting[0], 200, "text/plain", "x", 1);
    b.n_waiting = 0;
    ck_assert_int_eq(only_status(&c[LATER]), 200);
    ck_assert_uint_eq(b.smuggled, 0);
    for (int i = 0; i < N; i++)
        client_close(&c[i]);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    check_nobody_listens(b.port);
    bed_stop(&b);
}
END_TEST

/* What came with the request before it waits for its turn: it is still answered, and nothing behind it is. */
START_TEST(drain_between_turns)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, GET("/first") GET("/second") GET("/smuggled"));
    BED_UNTIL(&b, b.handled == 1);
    http_server_drain(b.server);
    client_wait_eof(&c);
    struct answer a = answer_wait(&c, 1);
    ck_assert_int_eq(a.status, 200);
    ck_assert(answer_has(&a, "Connection: close"));
    ck_assert_uint_eq(b.handled, 2);
    ck_assert_uint_eq(b.smuggled, 0);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(addresses)
{
    static const char *const bad[] = {
        "",         "8440",      "127.0.0.1", "127.0.0.1:",  "127.0.0.1:65536", ":8440", "127.0.0.1:x",
        "::1:8440", "[::1:8440", "[::1]8440", "127.0.0.1:-1"};
    struct error e;
    uint16_t port;
    int fd;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(http_listen(bad[i], true, &fd, &port, &e) == ERR_INVALID, "%s", bad[i]);
        ck_assert_str_eq(e.place, "listen");
        ck_assert_int_eq(fd, -1);
    }
    ck_assert_int_eq(http_listen("192.0.2.1:0", true, &fd, &port, &e), ERR_INVALID);
    ck_assert_int_eq(http_listen("localhost:0", true, &fd, &port, &e), 0);
    ck_assert_uint_ne(port, 0);
    close(fd);
}
END_TEST

/* A second worker shares the port; a second program, which probes, may not. */
START_TEST(port_in_use)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct error e;
    uint16_t port, again;
    int fd, other;
    char text[32];
    ck_assert_int_eq(http_listen("127.0.0.1:0", true, &fd, &port, &e), 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    ck_assert_int_eq(http_listen(text, false, &other, &again, &e), 0);
    ck_assert_uint_eq(again, port);
    close(other);
    ck_assert_int_eq(http_listen(text, true, &other, &again, &e), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(e.text, "in use"));
    close(fd);
    ck_assert_int_eq(http_listen(text, true, &fd, &port, &e), 0);
    close(fd);
    /* and a program that shares with nobody */
    other = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(other, (struct sockaddr *)&a, sizeof a), 0);
    listen(other, 1);
    ck_assert_int_eq(http_listen(text, false, &fd, &again, &e), ERR_STATE);
    close(other);
}
END_TEST

static void over_tls(void)
{
    bed_over_tls = true;
}

int main(void)
{
    Suite *s = suite_create("http limits");
    TCase *t = tcase_create("limits");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, deadlines);
    tcase_add_test(t, peer_that_never_reads);
    tcase_add_test(t, lingering_ends);
    tcase_add_test(t, slow_loris);
    tcase_add_test(t, connection_caps);
    tcase_add_test(t, caps_hold_over_servers);
    tcase_add_test(t, proxies_have_no_cap_of_their_own);
    tcase_add_test(t, peers_are_told_apart);
    tcase_add_test(t, out_of_descriptors);
    tcase_add_test(t, drain);
    tcase_add_test(t, drain_between_turns);
    tcase_add_test(t, addresses);
    tcase_add_test(t, port_in_use);
    suite_add_tcase(s, t);
    TCase *tls = tcase_create("over TLS");
    tcase_set_timeout(tls, 120);
    tcase_add_checked_fixture(tls, over_tls, NULL);
    tcase_add_test(tls, deadlines);
    tcase_add_test(tls, peer_that_never_reads);
    tcase_add_test(tls, lingering_ends);
    tcase_add_test(tls, slow_loris);
    tcase_add_test(tls, connection_caps);
    tcase_add_test(tls, out_of_descriptors);
    tcase_add_test(tls, drain);
    tcase_add_test(tls, drain_between_turns);
    suite_add_tcase(s, tls);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
