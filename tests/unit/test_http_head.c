/* The pure parser of heads: what it takes, what it refuses, whatever the cut. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "web/http_head.h"

#define H "Host: h\r\n"
#define LINE(rest) "GET / HTTP/1.1\r\n" H rest "\r\n\r\n"

struct row {
    const char *head;
    int status; /* 200: taken */
};

static const struct row rows[] = {
    {"GET / HTTP/1.1\r\n" H "\r\n", 200},
    {"GET / HTTP/1.0\r\n\r\n", 200},
    {"\r\nGET / HTTP/1.1\r\n" H "\r\n", 200},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400},
    {"BREW /pot HTTP/1.1\r\n" H "\r\n", 200},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
    {" GET / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" H "\r\n", 400},
    {"G(T / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\r\n" H "\r\n", 400},
    {"GET\r\n" H "\r\n", 400},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505},
    {"GET / HTTP/0.9\r\n" H "\r\n", 505},
    {"GET / http/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.10\r\n" H "\r\n", 400},
    {"GET / HTTP/11\r\n" H "\r\n", 400},
    {"GET * HTTP/1.1\r\n" H "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http://h/ HTTP/1.1\r\n" H "\r\n", 400},
    {"CONNECT h:80 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\x80 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1\n" H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: h\rX: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\r\n" H "\r\n", 400},
    {LINE("A: b"), 200},
    {LINE("A:b"), 200},
    {LINE("A:"), 200},
    {LINE("A: \t b \t "), 200},
    {LINE("A: b\tc"), 200},
    {LINE("A: \xC3\xA9"), 200},
    {LINE("A : b"), 400},
    {LINE("A\t: b"), 400},
    {LINE(": b"), 400},
    {LINE("A"), 400},
    {LINE("A(: b"), 400},
    {LINE("\xC3\xA9: b"), 400},
    {LINE("A: b\r\n c"), 400},
    {LINE("A: b\r\n\tc"), 400},
    {"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
    {LINE("A: \x01"), 400},
    {LINE("A: \x1F"), 400},
    {LINE("A: \x7F"), 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {LINE("Host: h"), 400},
    {"GET / HTTP/1.0\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\nHost: a:80\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:99999999999999999999\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400},
    {LINE("Content-Length: 0"), 200},
    {LINE("Content-Length: 5"), 200},
    {LINE("Content-Length: 005"), 200},
    {LINE("Content-Length: 999999999999999999"), 200},
    {LINE("Content-Length: 9999999999999999999"), 400},
    {LINE("Content-Length: 18446744073709551621"), 400},
    {LINE("Content-Length: 000000000000000000000000005"), 400},
    {LINE("Content-Length:"), 400},
    {LINE("Content-Length: +5"), 400},
    {LINE("Content-Length: -5"), 400},
    {LINE("Content-Length: 5 5"), 400},
    {LINE("Content-Length: 5,5"), 400},
    {LINE("Content-Length: 5, 5"), 400},
    {LINE("Content-Length: 0x5"), 400},
    {LINE("Content-Length: 5.0"), 400},
    {LINE("Content-Length: \xD9\xA5"), 400},
    {LINE("Content-Length: 5\r\nContent-Length: 5"), 400},
    {LINE("Content-Length: 5\r\ncontent-length: 6"), 400},
    {LINE("Transfer-Encoding: chunked"), 200},
    {LINE("Transfer-Encoding: Chunked"), 501},
    {LINE("Transfer-Encoding: gzip"), 501},
    {LINE("Transfer-Encoding: identity"), 501},
    {LINE("Transfer-Encoding:"), 501},
    {LINE("Transfer-Encoding: gzip, chunked"), 501},
    {LINE("Transfer-Encoding: chunked, chunked"), 501},
    {LINE("Transfer-Encoding: chunked;a=b"), 501},
    {LINE("Transfer-Encoding: \"chunked\""), 501},
    {LINE("Transfer-Encoding: \x0B"
          "chunked"),
     400},
    {LINE("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400},
    {LINE("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400},
    {LINE("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400},
    {LINE("Content-Length: 5\r\nTransfer-Encoding: gzip"), 400},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {LINE("Expect: 100-continue"), 200},
    {LINE("Expect: 100-Continue"), 200},
    {LINE("Expect: 200-ok"), 417},
    {LINE("Expect: 100-continue, x"), 417},
    {LINE("Expect:"), 417},
    {LINE("Expect: 100-continue\r\nExpect: 100-continue"), 417},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* Feeds head[0..first), then everything; the buffer is exactly as large as what was fed, so that the address
 * sanitizer sees any step too far. */
static int verdict(const char *head, size_t len, size_t first, size_t max_head, struct http_head *out)
{
    struct http_scan scan = {0};
    struct http_refusal why = {0};
    enum http_progress p = HTTP_MORE;
    char *part = malloc(first + 1), *whole = malloc(len);
    memcpy(part, head, first);
    memcpy(whole, head, len);
    if (first > 0)
        p = http_scan_head(&scan, part, first, max_head, &why);
    if (p == HTTP_MORE)
        p = http_scan_head(&scan, whole, len, max_head, &why);
    int status = p == HTTP_MORE ? 0 : p == HTTP_REFUSED ? why.status : 200;
    if (p == HTTP_DONE && http_parse_head(out, whole + scan.begin, scan.end - scan.begin, &why) != 0)
        status = why.status;
    if (status != 0 && status != 200)
        ck_assert_ptr_nonnull(why.detail);
    free(part);
    free(whole);
    return status;
}

START_TEST(takes_and_refuses)
{
    struct http_head h;
    const struct row *r = &rows[_i];
    ck_assert_msg(verdict(r->head, strlen(r->head), 0, 16384, &h) == r->status, "%s", r->head);
}
END_TEST

START_TEST(cut_anywhere)
{
    struct http_head h;
    const struct row *r = &rows[_i];
    for (size_t cut = 1; cut < strlen(r->head); cut++)
        ck_assert_msg(verdict(r->head, strlen(r->head), cut, 16384, &h) == r->status, "cut %zu of %s", cut,
                      r->head);
}
END_TEST

START_TEST(nul_and_controls)
{
    char head[] = "GET / HTTP/1.1\r\nHost: h\r\nAb: cd\r\n\r\n";
    struct http_head h;
    for (size_t at = 0; at < sizeof head - 1; at++) {
        for (int c = 0; c < 0x20; c++) {
            char old = head[at];
            if (c == '\t' || c == '\r' || c == '\n' || old == '\r' || old == '\n')
                continue;
            head[at] = (char)c;
            ck_assert_int_eq(verdict(head, sizeof head - 1, 0, 16384, &h), 400);
            head[at] = old;
        }
    }
}
END_TEST

START_TEST(what_it_says)
{
    static char text[] = "PATCH /a/b?c=d?e HTTP/1.1\r\nHOST: h\r\nX-Long-Name:  v w \t\r\nConnection: "
                         "foo, Close\r\nContent-Length: 12\r\n\r\n";
    struct http_scan scan = {0};
    struct http_refusal why;
    struct http_head h;
    char *p = strdup(text);
    ck_assert_int_eq(http_scan_head(&scan, p, strlen(text), 16384, &why), HTTP_DONE);
    ck_assert_uint_eq(scan.end, strlen(text));
    ck_assert_int_eq(http_parse_head(&h, p, scan.end, &why), 0);
    ck_assert_int_eq(h.method, HTTP_PATCH);
    ck_assert_str_eq(h.method_name, "PATCH");
    ck_assert_str_eq(h.path, "/a/b");
    ck_assert_uint_eq(h.path_len, 4);
    ck_assert_str_eq(h.query, "c=d?e");
    ck_assert_uint_eq(h.n_fields, 4);
    ck_assert_str_eq(h.base + h.fields[1].name, "x-long-name");
    ck_assert_str_eq(h.base + h.fields[1].value, "v w");
    ck_assert(!h.keep_alive && h.has_length && !h.chunked);
    ck_assert_uint_eq(h.content_length, 12);
    free(p);
}
END_TEST

static bool keeps_alive(const char *head)
{
    struct http_head h;
    ck_assert_int_eq(verdict(head, strlen(head), 0, 16384, &h), 200);
    return h.keep_alive;
}

START_TEST(keep_alive)
{
    ck_assert(keeps_alive("GET / HTTP/1.1\r\n" H "\r\n"));
    ck_assert(!keeps_alive("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n"));
    ck_assert(!keeps_alive("GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nConnection: CLOSE\r\n\r\n"));
    ck_assert(keeps_alive("GET / HTTP/1.1\r\n" H "Connection: closed, x\r\n\r\n"));
    ck_assert(!keeps_alive("GET / HTTP/1.0\r\n\r\n"));
    ck_assert(keeps_alive("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    ck_assert(!keeps_alive("GET / HTTP/1.0\r\nConnection: keep-alive,close\r\n\r\n"));
}
END_TEST

/* before, then n times fill, then after. */
static int long_verdict(const char *before, char fill, size_t n, const char *after, size_t max_head)
{
    struct http_head h;
    size_t b = strlen(before), a = strlen(after);
    char *text = malloc(b + n + a + 1);
    memcpy(text, before, b);
    memset(text + b, fill, n);
    memcpy(text + b + n, after, a + 1);
    int whole = verdict(text, b + n + a, 0, max_head, &h);
    for (size_t cut = 1; cut < b + n + a; cut += 97)
        ck_assert_int_eq(verdict(text, b + n + a, cut, max_head, &h), whole);
    free(text);
    return whole;
}

START_TEST(caps)
{
    static const char end[] = " HTTP/1.1\r\n" H "\r\n", field[] = "GET / HTTP/1.1\r\n" H "A: ";
    ck_assert_int_eq(long_verdict("GET /", 'a', HTTP_MAX_TARGET - 1, end, 16384), 200);
    ck_assert_int_eq(long_verdict("GET /", 'a', HTTP_MAX_TARGET, end, 16384), 414);
    ck_assert_int_eq(long_verdict("GET /", 'a', 20000, end, 16384), 414);
    ck_assert_int_eq(long_verdict("GET /", 'a', 9000, "", 16384), 414);
    ck_assert_int_eq(long_verdict("", 'G', HTTP_MAX_METHOD, " / HTTP/1.1\r\n" H "\r\n", 16384), 200);
    ck_assert_int_eq(long_verdict("", 'G', HTTP_MAX_METHOD + 1, " / HTTP/1.1\r\n" H "\r\n", 16384), 400);
    ck_assert_int_eq(long_verdict("", 'G', 9000, "", 16384), 400);
    ck_assert_int_eq(long_verdict("GET / ", 'H', 9000, "", 16384), 400);
    ck_assert_int_eq(long_verdict(field, 'b', HTTP_MAX_LINE - 3, "\r\n\r\n", 16384), 200);
    ck_assert_int_eq(long_verdict(field, 'b', HTTP_MAX_LINE - 2, "\r\n\r\n", 16384), 431);
    ck_assert_int_eq(long_verdict(field, 'b', 9000, "", 16384), 431);
    /* the head as a whole: exactly full is taken, one more is not */
    ck_assert_int_eq(long_verdict(field, 'b', 1000 - strlen(field) - 4, "\r\n\r\n", 1000), 200);
    ck_assert_int_eq(long_verdict(field, 'b', 1001 - strlen(field) - 4, "\r\n\r\n", 1000), 431);
    ck_assert_int_eq(long_verdict("GET /", 'a', 2000, end, 1000), 414);
}
END_TEST

START_TEST(number_of_fields)
{
    struct http_head h;
    for (unsigned extra = HTTP_MAX_FIELDS - 1; extra <= HTTP_MAX_FIELDS; extra++) {
        char text[4096] = "GET / HTTP/1.1\r\n" H;
        for (unsigned i = 0; i < extra; i++)
            strcat(text, "A: b\r\n");
        strcat(text, "\r\n");
        ck_assert_int_eq(verdict(text, strlen(text), 0, 16384, &h), extra < HTTP_MAX_FIELDS ? 200 : 431);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http head");
    TCase *t = tcase_create("head");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, takes_and_refuses, 0, (int)N_ROWS);
    tcase_add_loop_test(t, cut_anywhere, 0, (int)N_ROWS);
    tcase_add_test(t, nul_and_controls);
    tcase_add_test(t, what_it_says);
    tcase_add_test(t, keep_alive);
    tcase_add_test(t, caps);
    tcase_add_test(t, number_of_fields);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
