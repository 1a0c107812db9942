/* Connections: keep-alive, pipelining and its bounds, bodies, answers that come later or too late. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_bed.h"
#include "web/problem.h"

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define POST_CHUNKED "POST /p HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

static bool body_is(const struct answer *a, const char *text)
{
    return a->body_len == strlen(text) && memcmp(a->body, text, a->body_len) == 0;
}

static bool has_text(const struct answer *a, const char *text)
{
    return memmem(a->head, a->head_len + a->body_len, text, strlen(text)) != NULL;
}

START_TEST(one_after_the_other)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    for (unsigned i = 0; i < 20; i++) {
        client_say(&c, "POST /a?b HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nhi");
        struct answer a = answer_wait(&c, i);
        ck_assert_int_eq(a.status, 200);
        ck_assert(body_is(&a, "POST /a?b [hi] 2"));
        ck_assert(has_text(&a, " GMT\r\n"));
        ck_assert(!has_text(&a, "Connection:"));
    }
    ck_assert_uint_eq(http_server_connections(b.server), 1);
    ck_assert_int_eq(counter_get(&b.counters, http_requests), 20);
    client_close(&c);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    ck_assert_int_eq(counter_get(&b.counters, http_connections), 0);
    bed_stop(&b);
}
END_TEST

START_TEST(connection_close)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n" GET("/smuggled"));
    struct answer a = answer_wait(&c, 0);
    ck_assert(answer_has(&a, "Connection: close"));
    client_wait_eof(&c);
    ck_assert(!c.reset);
    ck_assert_uint_eq(answers(&c), 1);
    ck_assert_uint_eq(b.smuggled, 0);
    client_close(&c);
    client_open(&c, &b);
    client_say(&c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    a = answer_wait(&c, 0);
    ck_assert(answer_has(&a, "Connection: keep-alive"));
    client_say(&c, "GET / HTTP/1.0\r\n\r\n");
    client_wait_eof(&c);
    ck_assert_uint_eq(answers(&c), 2);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(head_and_no_content)
{
    struct bed b;
    struct client c;
    struct answer a;
    size_t at = 0;
    bed_start(&b, NULL);
    b.reply_len = 5000;
    client_open(&c, &b);
    client_say(&c, "HEAD /large HTTP/1.1\r\n" H "\r\n" GET("/nothing") GET("/last"));
    BED_UNTIL(&b, c.in.len > 0 && memmem(c.in.data, c.in.len, "GET /last", 9));
    ck_assert(answer_next(&c, &at, true, &a));
    ck_assert(answer_has(&a, "Content-Length: 5000"));
    ck_assert(answer_next(&c, &at, false, &a));
    ck_assert_int_eq(a.status, 204);
    ck_assert(!has_text(&a, "Content-Length"));
    ck_assert(answer_next(&c, &at, false, &a));
    ck_assert(body_is(&a, "GET /last? [] 0"));
    ck_assert_uint_eq(at, c.in.len);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(headers_both_ways)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, "GET /header HTTP/1.1\r\n" H "X-Test:  one \r\nX-Other: 1\r\nx-tEST: two\r\n\r\n");
    struct answer a = answer_wait(&c, 0);
    ck_assert(answer_has(&a, "X-Back: one, two"));
    ck_assert(!has_text(&a, "X-Injected"));
    ck_assert(body_is(&a, "127.0.0.1"));
    client_say(&c, GET("/header"));
    a = answer_wait(&c, 1);
    ck_assert(answer_has(&a, "X-Back: none"));
    client_close(&c);
    bed_stop(&b);
}
END_TEST

static char *repeat(const char *text, unsigned n)
{
    size_t len = strlen(text);
    char *all = malloc(len * n + 1);
    for (unsigned i = 0; i < n; i++)
        memcpy(all + i * len, text, len + 1);
    return all;
}

START_TEST(pipeline)
{
    struct bed b;
    struct client c;
    char *all = repeat(POST_CHUNKED GET("/g"), 500);
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, all);
    BED_UNTIL(&b, b.handled == 1000 && answers(&c) == 1000);
    client_close(&c);
    bed_stop(&b);
    free(all);
}
END_TEST

/* Sends what the kernel takes until it takes no more and the server does nothing any more. */
static size_t send_until_stuck(struct client *c, const char *p, size_t len)
{
    size_t sent = 0;
    for (int quiet = 0; quiet < 3; quiet++) {
        ssize_t n = client_try(c, p + sent, len - sent);
        if (n > 0) {
            sent += (size_t)n;
            quiet = 0;
        }
        bed_settle(c->bed);
    }
    return sent;
}

/* Forgets the whole answers read so far and says how many they were. */
static unsigned take_answers(struct client *c, size_t body_len)
{
    struct answer a;
    size_t at = 0;
    unsigned n = 0;
    for (; answer_next(c, &at, false, &a); n++)
        ck_assert_uint_eq(a.body_len, body_len);
    if (at > 0)
        memmove(c->in.data, c->in.data + at, c->in.len - at);
    c->in.len -= at;
    return n;
}

/* A client that asks for much at once does not keep the server from the others. */
START_TEST(long_pipeline_leaves_room)
{
    enum { N = 1000 };
    struct bed b;
    struct client greedy, other;
    char *all = repeat(GET("/g"), N);
    bed_start(&b, NULL);
    client_open(&greedy, &b);
    client_open(&other, &b);
    client_say(&greedy, all);
    client_say(&other, GET("/later"));
    BED_UNTIL(&b, b.n_waiting == 1);
    ck_assert_uint_lt(b.handled, 20);
    http_reply(b.waiting[0], 200, "text/plain", "x", 1);
    b.n_waiting = 0;
    BED_UNTIL(&b, answers(&greedy) == N);
    ck_assert_uint_eq(answers(&other), 1);
    client_close(&greedy);
    client_close(&other);
    bed_stop(&b);
    free(all);
}
END_TEST

/* A peer that pipelines and does not read: requests stop being looked at, so what waits for the peer is at
 * most what it has room for, a little in the kernel (which would take 4 MiB), max_unread, and one answer. */
START_TEST(slow_reader)
{
    enum { N = 1000, REPLY = 100000, ROOM = 65536 };
    const unsigned most = (2 * ROOM + 65536 + 65536) / REPLY + 2;
    struct bed b;
    struct client c;
    char *all = repeat(GET("/large"), N);
    bed_start(&b, NULL);
    b.reply_len = REPLY;
    client_open_small(&c, &b, ROOM);
    client_ready(&c);
    client_pause(&c, true);
    size_t sent = send_until_stuck(&c, all, strlen(all));
    ck_assert_uint_gt(b.handled, 0);
    ck_assert_uint_le(b.handled, most);
    unsigned handled = b.handled;
    bed_settle(&b);
    ck_assert_uint_eq(b.handled, handled);
    client_pause(&c, false);
    client_say(&c, all + sent);
    for (unsigned done = take_answers(&c, REPLY); done < N; done += take_answers(&c, REPLY))
        bed_turn(&b);
    ck_assert_uint_eq(b.handled, N);
    client_close(&c);
    bed_stop(&b);
    free(all);
}
END_TEST

START_TEST(expect_continue)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    ck_assert_int_eq(answer_wait(&c, 0).status, 100);
    client_say(&c, "hello");
    struct answer a = answer_wait(&c, 1);
    ck_assert(body_is(&a, "POST /? [hello] 5"));
    client_say(&c, "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_int_eq(answer_wait(&c, 2).status, 100);
    client_say(&c, "1\r\nx\r\n0\r\n\r\n");
    a = answer_wait(&c, 3);
    ck_assert(body_is(&a, "POST /? [x] 1"));
    client_say(&c, "POST /small HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    ck_assert_int_eq(answer_wait(&c, 4).status, 413);
    client_wait_eof(&c);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(large_bodies)
{
    enum { LEN = 3000000 };
    struct bed b;
    struct client c;
    char *body = malloc(LEN), head[128];
    memset(body, 'y', LEN);
    bed_start(&b, NULL);
    client_open(&c, &b);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(head, sizeof head, "PUT /l HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", LEN);
        client_say(&c, head);
        client_send(&c, body, LEN);
        struct answer a = answer_wait(&c, 2 * i);
        ck_assert(has_text(&a, "] 3000000"));
        client_say(&c, "PUT /l HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n16E360\r\n");
        client_send(&c, body, 1500000);
        client_say(&c, "\r\n16e360\r\n");
        client_send(&c, body, 1500000);
        client_say(&c, "\r\n0\r\n\r\n");
        a = answer_wait(&c, 2 * i + 1);
        ck_assert(has_text(&a, "] 3000000"));
    }
    client_close(&c);
    bed_stop(&b);
    free(body);
}
END_TEST

/* The answer to a body too large must reach a peer that is still sending it: no reset overtakes it. */
START_TEST(too_large_while_sending)
{
    enum { LEN = 8000000 };
    struct bed b;
    struct client c;
    char *body = calloc(1, LEN);
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, "PUT /l HTTP/1.1\r\n" H "Content-Length: 8000000\r\n\r\n");
    client_send(&c, body, LEN);
    ck_assert_int_eq(answer_wait(&c, 0).status, 413);
    client_wait_eof(&c);
    ck_assert(!c.reset);
    client_close(&c);
    bed_stop(&b);
    free(body);
}
END_TEST

START_TEST(half_closed)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    b.reply_len = 300000;
    client_open(&c, &b);
    client_say(&c, GET("/a") GET("/later") GET("/large") GET("/z"));
    client_end(&c);
    BED_UNTIL(&b, b.n_waiting == 1);
    bed_settle(&b);
    http_reply(b.waiting[0], 200, "text/plain", "late", 4);
    b.n_waiting = 0;
    client_wait_eof(&c);
    ck_assert(!c.reset);
    ck_assert_uint_eq(answers(&c), 4);
    ck_assert_uint_eq(b.freed, 1);
    ck_assert_uint_eq(http_server_connections(b.server), 0);
    client_close(&c);
    /* half a request is no request */
    client_open(&c, &b);
    client_say(&c, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhell");
    client_end(&c);
    client_wait_eof(&c);
    ck_assert_uint_eq(c.in.len, 0);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* An end that comes right behind many requests takes none of them away, wherever the pieces are cut. */
START_TEST(ended_behind_a_pipeline)
{
    enum { N = 600, ROUNDS = 40 };
    struct bed b;
    struct client c;
    char *all = repeat(GET("/g"), N), pad[ROUNDS * 100 + 64];
    bed_start(&b, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        client_open(&c, &b);
        client_ready(&c);
        client_say(&c, all);
        snprintf(pad, sizeof pad, "GET /%0*d HTTP/1.1\r\n" H "\r\n", 1 + i * 100, 0);
        client_say(&c, pad);
        client_say(&c, GET("/z"));
        client_end(&c);
        client_wait_eof(&c);
        ck_assert(!c.reset);
        ck_assert_uint_eq(answers(&c), N + 2);
        client_close(&c);
    }
    bed_stop(&b);
    free(all);
}
END_TEST

/* An end that comes while answers wait for the peer takes none of those away, however much waits: in some of
 * these rounds it is more than nothing and less than what stops the reading. */
START_TEST(ended_while_answers_wait)
{
    enum { REPLY = 30000, MOST = 20 };
    struct bed b;
    struct client c;
    char *all = repeat(GET("/large"), MOST);
    size_t one = strlen(GET("/large"));
    bed_send_bytes = 65536;
    bed_start(&b, NULL);
    b.reply_len = REPLY;
    for (unsigned n = 1; n <= MOST; n++) {
        client_open_small(&c, &b, 65536);
        client_ready(&c);
        client_pause(&c, true);
        client_send(&c, all, one * n);
        client_end(&c);
        for (int i = 0; i < 5; i++)
            bed_settle(&b);
        client_pause(&c, false);
        client_wait_eof(&c);
        ck_assert_msg(answers(&c) == n, "%u of %u answers", answers(&c), n);
        client_close(&c);
    }
    bed_stop(&b);
    free(all);
}
END_TEST

/* One request at a time: what is piped behind one that waits for its answer is not looked at, and more input
 * does not disturb it. */
START_TEST(later_answers)
{
    struct bed b;
    struct client one, two;
    char *more = repeat(GET("/then"), 5000);
    bed_start(&b, NULL);
    client_open(&one, &b);
    client_open(&two, &b);
    client_say(&one, "POST /later/1 HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc" GET("/then"));
    BED_UNTIL(&b, b.n_waiting == 1);
    client_say(&two, GET("/later/2") GET("/later/3"));
    BED_UNTIL(&b, b.n_waiting == 2);
    client_send(&one, more, 100000);
    bed_settle(&b);
    ck_assert_uint_eq(b.handled, 2);
    size_t len;
    const char *body = http_body(b.waiting[0], &len);
    ck_assert(len == 3 && memcmp(body, "abc", 3) == 0);
    ck_assert_str_eq(http_path(b.waiting[0]), "/later/1");
    http_reply(b.waiting[1], 200, "text/plain", "two", 3);
    ck_assert_uint_eq(b.n_waiting, 3);
    http_reply(b.waiting[0], 200, "text/plain", "one", 3);
    http_reply(b.waiting[2], 200, "text/plain", "three", 5);
    b.n_waiting = 0;
    struct answer a = answer_wait(&one, 0);
    ck_assert(body_is(&a, "one"));
    a = answer_wait(&one, 1000);
    ck_assert(body_is(&a, "GET /then? [] 0"));
    a = answer_wait(&two, 1);
    ck_assert(body_is(&a, "three"));
    ck_assert_uint_eq(b.freed, 3);
    client_close(&one);
    client_close(&two);
    bed_stop(&b);
    free(more);
}
END_TEST

START_TEST(peer_is_gone)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, GET("/later/gone"));
    BED_UNTIL(&b, b.n_waiting == 1);
    client_close(&c); /* a reset */
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    ck_assert_str_eq(http_path(b.waiting[0]), "/later/gone");
    ck_assert(!http_overloaded(b.waiting[0], HTTP_WORK_SHORT));
    ck_assert_str_eq(http_client(b.waiting[0]), "127.0.0.1");
    ck_assert_uint_ne(http_client_tag(b.waiting[0]), 0);
    ck_assert_str_eq(http_peer(b.waiting[0]), "127.0.0.1");
    http_reply(b.waiting[0], 200, "text/plain", "nobody", 6);
    ck_assert_uint_eq(b.freed, 1);
    /* and after the whole server is gone: bed_stop answers what waits */
    b.n_waiting = 0;
    client_open(&c, &b);
    client_say(&c, GET("/later/gone"));
    BED_UNTIL(&b, b.n_waiting == 1);
    client_close(&c);
    bed_stop(&b);
    ck_assert_uint_eq(b.freed, 2);
}
END_TEST

START_TEST(problems)
{
    static const char text[] =
        "{\"title\":\"T\",\"status\":422,\"detail\":\"say \\\"no\\\"\",\"pointer\":\"/a\",\"code\":\"bad\","
        "\"request_id\":\"q-1\"}";
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, "GET /later HTTP/1.1\r\n" H "X-Request-Id: q-1\r\n\r\n");
    BED_UNTIL(&b, b.n_waiting == 1);
    struct problem p = {.status = 422, .title = "T", .detail = "say \"no\"", .pointer = "/a", .code = "bad"};
    problem_reply(b.waiting[0], &p);
    struct answer a = answer_wait(&c, 0);
    ck_assert(answer_has(&a, "Content-Type: application/problem+json"));
    ck_assert(body_is(&a, text));
    b.n_waiting = 0;
    char *controls = repeat("\x01", 3000);
    client_say(&c, GET("/later"));
    BED_UNTIL(&b, b.n_waiting == 1);
    p = (struct problem){.status = 500, .detail = controls};
    problem_reply(b.waiting[0], &p);
    b.n_waiting = 0;
    a = answer_wait(&c, 1);
    ck_assert_uint_eq(a.body_len,
                      strlen("{\"status\":500,\"detail\":\"\",\"request_id\":\"\"}") + 32 + 6 * 3000);
    ck_assert_int_eq(counter_get(&b.counters, http_4xx), 1);
    ck_assert_int_eq(counter_get(&b.counters, http_5xx), 1);
    client_close(&c);
    bed_stop(&b);
    free(controls);
}
END_TEST

/* The X-Request-Id of an error's answer, the same in the header and in the problem. */
static void request_id(const struct answer *a, char out[100])
{
    const char *in_head = memmem(a->head, a->head_len, "\r\nX-Request-Id: ", 16);
    const char *in_body = memmem(a->body, a->body_len, "\"request_id\":\"", 14);
    ck_assert_ptr_nonnull(in_head);
    ck_assert_ptr_nonnull(in_body);
    size_t n = strcspn(in_head + 16, "\r");
    ck_assert_uint_lt(n, 100);
    memcpy(out, in_head + 16, n);
    out[n] = '\0';
    ck_assert_uint_eq(strcspn(in_body + 14, "\""), n);
    ck_assert_int_eq(memcmp(in_body + 14, out, n), 0);
}

/* A good id is kept, another is replaced; one of the request before is never taken for this one's. */
START_TEST(request_ids)
{
    static const char *const good[] = {"a", "0199b3-A.~_",
                                       "1234567890123456789012345678901234567890123456789012345678901234"};
    static const char *const bad[] = {"",
                                      "a b",
                                      "a\"b",
                                      "<x>",
                                      "a,b",
                                      "\xc3\xa4",
                                      "12345678901234567890123456789012345678901234567890123456789012345"};
    struct bed b;
    struct client c;
    char text[300], id[100], last[100] = "";
    bed_start(&b, NULL);
    for (size_t i = 0; i < 3 + 7; i++) {
        const char *sent = i < 3 ? good[i] : bad[i - 3];
        client_open(&c, &b);
        snprintf(text, sizeof text,
                 "POST /small HTTP/1.1\r\n" H "X-Request-Id: %s\r\nContent-Length: 99\r\n\r\n", sent);
        client_say(&c, text);
        struct answer a = answer_wait(&c, 0);
        ck_assert_int_eq(a.status, 413);
        request_id(&a, id);
        if (i < 3)
            ck_assert_str_eq(id, sent);
        else
            ck_assert(strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && strcmp(id, last) != 0);
        strcpy(last, id);
        client_close(&c);
    }
    client_open(&c, &b);
    client_say(&c, "GET /1 HTTP/1.1\r\n" H "X-Request-Id: first\r\n\r\nGET  /2\r\n\r\n");
    struct answer a = answer_wait(&c, 0);
    ck_assert_int_eq(a.status, 200);
    ck_assert(!has_text(&a, "X-Request-Id: first"));
    a = answer_wait(&c, 1);
    ck_assert_int_eq(a.status, 400);
    request_id(&a, id);
    ck_assert_str_ne(id, "first");
    client_close(&c);
    bed_stop(&b);
}
END_TEST

static void over_tls(void)
{
    bed_over_tls = true;
}

int main(void)
{
    Suite *s = suite_create("http connections");
    TCase *t = tcase_create("connections");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, one_after_the_other);
    tcase_add_test(t, connection_close);
    tcase_add_test(t, head_and_no_content);
    tcase_add_test(t, headers_both_ways);
    tcase_add_test(t, pipeline);
    tcase_add_test(t, long_pipeline_leaves_room);
    tcase_add_test(t, slow_reader);
    tcase_add_test(t, expect_continue);
    tcase_add_test(t, large_bodies);
    tcase_add_test(t, too_large_while_sending);
    tcase_add_test(t, half_closed);
    tcase_add_test(t, ended_behind_a_pipeline);
    tcase_add_test(t, later_answers);
    tcase_add_test(t, peer_is_gone);
    tcase_add_test(t, problems);
    tcase_add_test(t, request_ids);
    suite_add_tcase(s, t);
    TCase *tls = tcase_create("over TLS");
    tcase_set_timeout(tls, 120);
    tcase_add_checked_fixture(tls, over_tls, NULL);
    tcase_add_test(tls, one_after_the_other);
    tcase_add_test(tls, connection_close);
    tcase_add_test(tls, head_and_no_content);
    tcase_add_test(tls, headers_both_ways);
    tcase_add_test(tls, pipeline);
    tcase_add_test(tls, slow_reader);
    tcase_add_test(tls, expect_continue);
    tcase_add_test(tls, large_bodies);
    tcase_add_test(tls, too_large_while_sending);
    tcase_add_test(tls, half_closed);
    tcase_add_test(tls, ended_behind_a_pipeline);
    tcase_add_test(tls, ended_while_answers_wait);
    tcase_add_test(tls, later_answers);
    tcase_add_test(tls, peer_is_gone);
    tcase_add_test(tls, problems);
    suite_add_tcase(s, tls);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
