/* Raw requests against a real server: each class of framing mistake, what is answered, and whether anything
 * behind the mistake was taken for a request. Each row is sent whole, byte by byte, and cut in two at every
 * byte; the answers must be the same. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http_bed.h"

#define H "Host: h\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"
#define SMUGGLED GET("/smuggled")
#define POST "POST /p HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define AFTER GET("/after")
#define BIG4 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* statuses: of all answers, "100" too. keep: the connection goes on, and AFTER, sent behind, is answered;
 * otherwise the server must close without having looked at it. */
struct row {
    const char *class, *text, *statuses;
    bool keep;
    unsigned len; /* 0: strlen */
};

#define KEEP(class, text, statuses)                                                                          \
    {                                                                                                        \
        class, text, statuses, true, sizeof(text) - 1                                                        \
    }
#define SHUT(class, text, statuses)                                                                          \
    {                                                                                                        \
        class, text, statuses, false, sizeof(text) - 1                                                       \
    }

static const struct row rows[] = {
    /* Content-Length */
    KEEP("content-length", POST "Content-Length: 5\r\n\r\nhello", "200"),
    KEEP("content-length", POST "Content-Length: 0\r\n\r\n", "200"),
    KEEP("content-length", POST "Content-Length: 0005\r\n\r\nhello", "200"),
    KEEP("content-length", POST "Content-Length: \t5 \r\n\r\nhello", "200"),
    KEEP("content-length", POST "\r\n", "200"),
    SHUT("content-length", POST "Content-Length: 5\r\n\r\nhello" SMUGGLED "\r\n\r\n", "200 200 400"),
    SHUT("content-length", POST "Content-Length: +5\r\n\r\nhello", "400"),
    SHUT("content-length", POST "Content-Length: -1\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 5 5\r\n\r\nhello", "400"),
    SHUT("content-length", POST "Content-Length: 5,5\r\n\r\nhello", "400"),
    SHUT("content-length", POST "Content-Length: 0, 5\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 0x0\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 1e1\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length:\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 18446744073709551616\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" SMUGGLED, "400"),
    SHUT("content-length", POST "Content-Length: 99999999\r\n\r\n" SMUGGLED, "413"),
    SHUT("content-length", "POST /small HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n01234567890", "413"),
    KEEP("content-length", "POST /small HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n0123456789", "200"),
    /* Transfer-Encoding */
    KEEP("transfer-encoding", CHUNKED "5\r\nhello\r\n0\r\n\r\n", "200"),
    KEEP("transfer-encoding", CHUNKED "0\r\n\r\n", "200"),
    KEEP("transfer-encoding", POST "transfer-encoding:\tchunked \r\n\r\n0\r\n\r\n", "200"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: gzip\r\n\r\n" SMUGGLED, "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SMUGGLED, "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: chunked, identity\r\n\r\n" SMUGGLED, "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: identity\r\n\r\n" SMUGGLED, "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: xchunked\r\n\r\n" SMUGGLED, "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "501"),
    SHUT("transfer-encoding", POST "Transfer-Encoding:\r\n\r\n" SMUGGLED, "501"),
    SHUT("transfer-encoding",
         POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED, "400"),
    SHUT("transfer-encoding",
         POST "Transfer-Encoding: \x0B"
              "chunked\r\n\r\n0\r\n\r\n",
         "400"),
    SHUT("transfer-encoding", "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    /* both */
    SHUT("both", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, "400"),
    SHUT("both", POST "Transfer-Encoding: chunked\r\nContent-Length: 49\r\n\r\n0\r\n\r\n" SMUGGLED, "400"),
    SHUT("both", POST "Transfer-Encoding: x\r\nContent-Length: 0\r\n\r\n" SMUGGLED, "400"),
    SHUT("both", "GET / HTTP/1.1\r\n" H "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" SMUGGLED,
         "400"),
    /* the syntax of chunks */
    KEEP("chunk", CHUNKED "2;a=b\r\nhe\r\n3\r\nllo\r\n0;c\r\n\r\n", "200"),
    KEEP("chunk", CHUNKED "A\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n", "200"),
    KEEP("chunk", CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", "200"),
    SHUT("chunk", CHUNKED "5\nhello\r\n0\r\n\r\n", "400"),
    SHUT("chunk", CHUNKED "5\rhello\r\n0\r\n\r\n", "400"),
    SHUT("chunk", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "400"),
    SHUT("chunk", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "400"),
    SHUT("chunk", CHUNKED "-1\r\n" SMUGGLED, "400"),
    SHUT("chunk", CHUNKED "\r\n" SMUGGLED, "400"),
    SHUT("chunk", CHUNKED "5\r\nhelloGET /smuggled", "400"),
    SHUT("chunk", CHUNKED "5\r\nhello\n0\r\n\r\n", "400"),
    SHUT("chunk", CHUNKED "2;\n\r\nxx\r\n45\r\n0\r\n\r\n" SMUGGLED, "400"),
    SHUT("chunk", CHUNKED "0\r\nX: y\n\r\n" SMUGGLED, "400"),
    SHUT("chunk", CHUNKED "0\r\nX : y\r\n\r\n" SMUGGLED, "400"),
    SHUT("chunk", CHUNKED "0\r\n" SMUGGLED, "400"),
    SHUT("chunk", CHUNKED "100000000000000005\r\nhello\r\n0\r\n\r\n", "400"),
    SHUT("chunk", CHUNKED "ffffffff\r\n", "413"),
    SHUT("chunk", CHUNKED "1;" BIG4 BIG4 BIG4 BIG4 "\r\nx\r\n0\r\n\r\n", "400"),
    SHUT("chunk", "POST /small HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\nworld!",
         "413"),
    /* line ends */
    SHUT("line-ends", "GET / HTTP/1.1\nHost: h\n\n" SMUGGLED, "400"),
    SHUT("line-ends", "GET / HTTP/1.1\r\nHost: h\n\r\n" SMUGGLED, "400"),
    SHUT("line-ends", "GET / HTTP/1.1\r\nHost: h\r\n\n" SMUGGLED, "400"),
    SHUT("line-ends", "GET / HTTP/1.1\rHost: h\r\r" SMUGGLED, "400"),
    SHUT("line-ends", "GET / HTTP/1.1\r\nHost: h\r\n\rX: 1\r\n\r\n", "400"),
    SHUT("line-ends", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", "400"),
    KEEP("line-ends", "\r\n" GET("/a"), "200"),
    SHUT("line-ends", "\r\n\r\n" GET("/a"), "400"),
    SHUT("line-ends", "\nGET /a HTTP/1.1\r\n" H "\r\n", "400"),
    /* folded lines */
    SHUT("obs-fold", "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "400"),
    SHUT("obs-fold", "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", "400"),
    SHUT("obs-fold", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", "400"),
    SHUT("obs-fold", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED, "400"),
    /* header names */
    KEEP("names", "GET / HTTP/1.1\r\nhOsT: h\r\n!#$%&'*+-.^_`|~0: x\r\n\r\n", "200"),
    SHUT("names", POST "Content-Length : 5\r\n\r\nhello", "400"),
    SHUT("names", POST "Content-Length\t: 0\r\n\r\n" SMUGGLED, "400"),
    SHUT("names", POST "Content Length: 5\r\n\r\nhello", "400"),
    SHUT("names", POST " Content-Length: 5\r\n\r\nhello", "400"),
    SHUT("names", POST ": empty\r\n\r\n", "400"),
    SHUT("names", POST "NoColon\r\n\r\n", "400"),
    SHUT("names", POST "X(: 1\r\n\r\n", "400"),
    SHUT("names", POST "X\xE9: 1\r\n\r\n", "400"),
    SHUT("names", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED, "400"),
    /* NUL and control characters */
    SHUT("controls", "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", "400"),
    SHUT("controls", "GET / HTTP/1.1\r\n" H "X\0: a\r\n\r\n", "400"),
    SHUT("controls", "GET /\0 HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("controls", "GET /%\x7F HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("controls", "G\0T / HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("controls", "GET / HTTP/1.1\r\n" H "X: \x1B[2J\r\n\r\n", "400"),
    SHUT("controls", "GET / HTTP/1.1\r\nHost: h\0\r\n\r\n", "400"),
    SHUT("controls", POST "Content-Length: 5\0\r\n\r\nhello", "400"),
    KEEP("controls", "GET / HTTP/1.1\r\n" H "X: tab\tand \xC3\xA9\r\n\r\n", "200"),
    /* Host */
    SHUT("host", "GET / HTTP/1.1\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", "400"),
    SHUT("host", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"),
    KEEP("host", "GET / HTTP/1.1\r\nHost: shop.example:8440\r\n\r\n", "200"),
    KEEP("host", "GET / HTTP/1.1\r\nHost: [::1]:8440\r\n\r\n", "200"),
    SHUT("host", "GET / HTTP/1.0\r\n\r\n", "200"),
    SHUT("host", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
    /* forms of the target */
    SHUT("target", "GET http://h/ HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "GET * HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "OPTIONS * HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "CONNECT h:443 HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "GET a HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "GET  HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "GET /a b HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "GET /a#b HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("target", "GET /\xC3\xA9 HTTP/1.1\r\n" H "\r\n", "400"),
    KEEP("target", GET("//a/../%00?b?c"), "200"),
    KEEP("target", "OPTIONS /a HTTP/1.1\r\n" H "\r\n", "200"),
    /* version */
    SHUT("version", "GET / HTTP/2.0\r\n" H "\r\n", "505"),
    SHUT("version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    SHUT("version", "GET / HTTP/1.2\r\n" H "\r\n", "505"),
    SHUT("version", "GET / HTTP/0.9\r\n\r\n", "505"),
    SHUT("version", "GET /\r\n\r\n", "400"),
    SHUT("version", "GET / HTTP/1.1x\r\n" H "\r\n", "400"),
    SHUT("version", "GET / HTTP/1,1\r\n" H "\r\n", "400"),
    SHUT("version", "GET / XTTP/1.1\r\n" H "\r\n", "400"),
    KEEP("version", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200"),
    /* method */
    KEEP("method", "BREW /pot HTTP/1.1\r\n" H "\r\n", "200"),
    KEEP("method", "get / HTTP/1.1\r\n" H "\r\n", "200"),
    SHUT("method", "G{T / HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("method", " GET / HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("method", "AMETHODTHATISLONGERTHANITMAYBEEVER / HTTP/1.1\r\n" H "\r\n", "400"),
    SHUT("method", "\x16\x03\x01\x02\x01 / HTTP/1.1\r\n\r\n", "400"),
    /* Expect */
    KEEP("expect", POST "Expect: 100-continue\r\n\r\n", "200"),
    SHUT("expect", POST "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", "413"),
    SHUT("expect", POST "Expect: something\r\nContent-Length: 5\r\n\r\nhello", "417"),
    SHUT("expect", POST "Expect: 100-continue, x\r\n\r\n" SMUGGLED, "417"),
    SHUT("expect", "POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "200"),
    /* bodies where none is expected */
    KEEP("body",
         "GET /g HTTP/1.1\r\n" H
         "Content-Length: 45\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\nX: 123\r\n\r\n\r\n",
         "200"),
    KEEP("body", "DELETE /g HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n",
         "200"),
    SHUT("body", "GET /g HTTP/1.1\r\n" H "Content-Length: 99999999\r\n\r\n" SMUGGLED, "413"),
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static unsigned words(const char *s)
{
    unsigned n = 1;
    for (; *s; s++)
        n += *s == ' ';
    return n;
}

/* The statuses a client got, as text; the body of the last answer must be the one to AFTER when kept. */
static void check_answers(struct client *c, const struct row *r, const char *how, size_t cut)
{
    char got[256] = "";
    struct answer a = {0};
    size_t at = 0;
    unsigned want = words(r->statuses) + r->keep;
    while (answers(c) < want && !c->eof)
        bed_turn(c->bed);
    if (!r->keep)
        client_wait_eof(c);
    while (answer_next(c, &at, false, &a))
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", *got ? " " : "", a.status);
    char expected[256];
    snprintf(expected, sizeof expected, "%s%s", r->statuses, r->keep ? " 200" : "");
    ck_assert_msg(strcmp(got, expected) == 0, "%s, %s %zu: got \"%s\", not \"%s\":\n%s", r->class, how, cut,
                  got, expected, r->text);
    ck_assert_msg(!c->reset, "%s, %s %zu: the connection was reset:\n%s", r->class, how, cut, r->text);
    if (r->keep)
        ck_assert_msg(a.body_len > 12 && memcmp(a.body, "GET /after?", 11) == 0, "%.*s", (int)a.body_len,
                      a.body);
    else if (a.status >= 400) {
        ck_assert(answer_has(&a, "Connection: close"));
        ck_assert(answer_has(&a, "Content-Type: application/problem+json"));
        ck_assert_ptr_nonnull(memmem(a.body, a.body_len, "\"detail\":", 9));
    }
}

/* Sends the row and AFTER in two pieces, cut at `cut`; 0: whole. */
static void run_cut(struct bed *b, const struct row *r, size_t cut)
{
    char text[2048];
    size_t len = r->len;
    struct client c;
    memcpy(text, r->text, len);
    memcpy(text + len, AFTER, sizeof AFTER);
    len += sizeof AFTER - 1;
    client_open(&c, b);
    client_send(&c, text, cut);
    if (cut > 0)
        bed_settle(b);
    client_send(&c, text + cut, len - cut);
    check_answers(&c, r, "cut", cut);
    client_close(&c);
}

static void run_bytes(struct bed *b, const struct row *r)
{
    struct client c;
    client_open(&c, b);
    bed_settle(b);
    for (size_t i = 0; i < r->len; i++) {
        client_send(&c, r->text + i, 1);
        bed_settle(b);
    }
    client_say(&c, AFTER);
    check_answers(&c, r, "bytes", 1);
    client_close(&c);
}

START_TEST(corpus_whole)
{
    struct bed b;
    bed_start(&b, NULL);
    for (size_t i = 0; i < N_ROWS; i++)
        run_cut(&b, &rows[i], 0);
    /* one row asks for /smuggled in the open */
    ck_assert_uint_eq(b.smuggled, 1);
    bed_stop(&b);
}
END_TEST

START_TEST(corpus_by_bytes)
{
    struct bed b;
    bed_start(&b, NULL);
    for (size_t i = 0; i < N_ROWS; i++)
        run_bytes(&b, &rows[i]);
    ck_assert_uint_eq(b.smuggled, 1);
    bed_stop(&b);
}
END_TEST

START_TEST(corpus_cut_anywhere)
{
    const struct row *r = &rows[_i];
    struct bed b;
    bed_start(&b, NULL);
    for (size_t cut = 1; cut < r->len; cut++) {
        b.started_us = clock_monotonic_us();
        run_cut(&b, r, cut);
    }
    bed_stop(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http corpus");
    TCase *t = tcase_create("corpus");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, corpus_whole);
    tcase_add_test(t, corpus_by_bytes);
    tcase_add_loop_test(t, corpus_cut_anywhere, 0, (int)N_ROWS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
