/* Streams: answers that go on, with all that ends them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_bed.h"

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

static struct bed_stream *open_stream(struct bed *b, struct client *c, const char *request)
{
    unsigned before = b->n_streams;
    client_say(c, request);
    BED_UNTIL(b, b->n_streams > before);
    return &b->streams[before];
}

static void say(struct bed_stream *s, const char *text)
{
    ck_assert(http_stream_send(s->s, text, strlen(text)));
}

static bool has(const struct client *c, const char *text)
{
    return c->in.len > 0 && memmem(c->in.data, c->in.len, text, strlen(text));
}

/* What stands behind the head of the only answer. */
static void expect_body(struct client *c, const char *text)
{
    const char *body = answer_wait(c, 0).body;
    ck_assert_uint_eq((size_t)((const char *)c->in.data + c->in.len - body), strlen(text));
    ck_assert_mem_eq(body, text, strlen(text));
}

START_TEST(chunks_arrive_as_they_are_sent)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    struct bed_stream *s = open_stream(&b, &c, GET("/stream") GET("/smuggled"));
    struct answer a = answer_wait(&c, 0);
    ck_assert_int_eq(a.status, 200);
    ck_assert(answer_has(&a, "Transfer-Encoding: chunked") && answer_has(&a, "Connection: close"));
    ck_assert(answer_has(&a, "Content-Type: text/plain") && answer_has(&a, "X-Kind: stream"));
    ck_assert(!has(&c, "Content-Length"));
    say(s, "hello");
    BED_UNTIL(&b, has(&c, "hello"));
    say(s, "0123456789abcdefghij");
    say(s, "");
    http_stream_end(s->s);
    client_wait_eof(&c);
    ck_assert(!c.reset);
    expect_body(&c, "5\r\nhello\r\n14\r\n0123456789abcdefghij\r\n0\r\n\r\n");
    ck_assert_uint_eq(s->gone, 0);
    ck_assert_uint_eq(b.handled, 1);
    client_close(&c);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    bed_stop(&b);
}
END_TEST

START_TEST(ends_by_closing_for_1_0)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    struct bed_stream *s = open_stream(&b, &c, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    say(s, "one");
    say(s, "two");
    http_stream_end(s->s);
    client_wait_eof(&c);
    ck_assert(!has(&c, "chunked") && has(&c, "Connection: close"));
    expect_body(&c, "onetwo");
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(head_has_no_stream)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    struct bed_stream *s = open_stream(&b, &c, "HEAD /stream HTTP/1.1\r\n" H "\r\n");
    ck_assert_ptr_null(s->s);
    client_wait_eof(&c);
    ck_assert(has(&c, "HTTP/1.1 200 OK") && has(&c, "chunked"));
    expect_body(&c, "");
    ck_assert_uint_eq(s->gone, 0);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* The peer closes, resets, half-closes, or sends what nobody asked for. */
START_TEST(peer_that_goes)
{
    static char junk[80000];
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    memset(junk, 'x', sizeof junk);
    for (int way = 0; way < 3; way++) {
        client_open(&c, &b);
        struct bed_stream *s = open_stream(&b, &c, GET("/stream"));
        answer_wait(&c, 0);
        if (way == 0)
            client_close(&c);
        else if (way == 1)
            client_end(&c);
        else
            client_send(&c, junk, sizeof junk);
        BED_UNTIL(&b, s->gone > 0);
        ck_assert(s->gone == 1 && !s->slow);
        ck_assert_uint_eq(http_server_connections(b.server), 0);
        if (way != 0)
            client_close(&c);
    }
    bed_stop(&b);
}
END_TEST

/* Little input behind the request does no harm. */
START_TEST(input_is_not_looked_at)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    struct bed_stream *s = open_stream(&b, &c, GET("/stream"));
    client_say(&c, GET("/smuggled") "\0junk");
    bed_settle(&b);
    say(s, "still");
    BED_UNTIL(&b, has(&c, "still"));
    ck_assert_uint_eq(b.handled, 1);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(slow_reader_is_dropped)
{
    struct http_options o;
    struct bed b;
    struct client c;
    char piece[1024];
    size_t sent = 0;
    http_options_default(&o);
    o.max_unread = 8192;
    bed_start(&b, &o);
    memset(piece, 'x', sizeof piece);
    client_open_small(&c, &b, 4096);
    client_pause(&c, true);
    struct bed_stream *s = open_stream(&b, &c, GET("/stream"));
    while (http_stream_send(s->s, piece, sizeof piece)) {
        sent += sizeof piece;
        ck_assert_uint_lt(sent, 64 << 20); /* what the kernel takes is its own bound */
        bed_settle(&b);
    }
    ck_assert(s->gone == 1 && s->slow);
    ck_assert_uint_eq(http_server_connections(b.server), 0);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* It would take hours to fill its buffers with small messages; what it leaves unacknowledged counts. */
START_TEST(reader_of_nothing_is_dropped_in_time)
{
    struct http_options o;
    struct bed b;
    struct client c;
    static char piece[30000];
    http_options_default(&o);
    o.write_s = 1;
    bed_start(&b, &o);
    client_open_small(&c, &b, 4096);
    client_pause(&c, true);
    struct bed_stream *s = open_stream(&b, &c, GET("/stream"));
    ck_assert(http_stream_send(s->s, piece, sizeof piece));
    BED_UNTIL(&b, s->gone > 0);
    ck_assert(s->slow);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* Nothing to say for longer than a connection may be idle. */
START_TEST(silence_is_no_end)
{
    struct http_options o;
    struct bed b;
    struct client c, other;
    http_options_default(&o);
    o.header_s = o.body_s = o.idle_s = o.write_s = 1;
    bed_start(&b, &o);
    client_open(&c, &b);
    struct bed_stream *s = open_stream(&b, &c, GET("/stream"));
    client_open(&other, &b);
    client_wait_eof(&other);
    say(s, "later");
    BED_UNTIL(&b, has(&c, "later"));
    client_close(&other);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

START_TEST(drain_and_free_end_it)
{
    struct bed b;
    struct client c, d;
    bed_start(&b, NULL);
    client_open(&c, &b);
    struct bed_stream *s = open_stream(&b, &c, GET("/stream"));
    say(s, "before");
    http_server_drain(b.server);
    ck_assert_uint_eq(s->gone, 1);
    client_wait_eof(&c);
    ck_assert(!c.reset);
    expect_body(&c, "6\r\nbefore\r\n0\r\n\r\n");
    client_close(&c);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    bed_stop(&b);

    bed_start(&b, NULL);
    client_open(&d, &b);
    s = open_stream(&b, &d, GET("/stream"));
    answer_wait(&d, 0);
    http_server_free(b.server);
    b.server = NULL;
    ck_assert_uint_eq(s->gone, 1);
    client_close(&d);
    bed_stop(&b);
}
END_TEST

static void over_tls(void)
{
    bed_over_tls = true;
}

int main(void)
{
    Suite *s = suite_create("http stream");
    TCase *t = tcase_create("streams");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, chunks_arrive_as_they_are_sent);
    tcase_add_test(t, ends_by_closing_for_1_0);
    tcase_add_test(t, head_has_no_stream);
    tcase_add_test(t, peer_that_goes);
    tcase_add_test(t, input_is_not_looked_at);
    tcase_add_test(t, slow_reader_is_dropped);
    tcase_add_test(t, reader_of_nothing_is_dropped_in_time);
    tcase_add_test(t, silence_is_no_end);
    tcase_add_test(t, drain_and_free_end_it);
    suite_add_tcase(s, t);
    TCase *tls = tcase_create("over TLS");
    tcase_set_timeout(tls, 120);
    tcase_add_checked_fixture(tls, over_tls, NULL);
    tcase_add_test(tls, chunks_arrive_as_they_are_sent);
    tcase_add_test(tls, ends_by_closing_for_1_0);
    tcase_add_test(tls, head_has_no_stream);
    tcase_add_test(tls, peer_that_goes);
    tcase_add_test(tls, input_is_not_looked_at);
    tcase_add_test(tls, slow_reader_is_dropped);
    tcase_add_test(tls, reader_of_nothing_is_dropped_in_time);
    tcase_add_test(tls, silence_is_no_end);
    tcase_add_test(tls, drain_and_free_end_it);
    suite_add_tcase(s, tls);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
