/* The pure decoder of chunked bodies: what it takes, what it refuses, whatever the cut. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "web/http_chunk.h"

struct row {
    const char *text;
    int status; /* 200: a whole body; 0: more is needed */
    const char *data;
    const char *rest; /* behind the body */
};

static const struct row rows[] = {
    {"0\r\n\r\n", 200, "", ""},
    {"5\r\nhello\r\n0\r\n\r\n", 200, "hello", ""},
    {"5\r\nhello\r\n0\r\n\r\nGET", 200, "hello", "GET"},
    {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, "abc", ""},
    {"00000005\r\nhello\r\n00\r\n\r\n", 200, "hello", ""},
    {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, "01234567890123456789", ""},
    {"5;x\r\nhello\r\n0;y=\"z\"\r\n\r\n", 200, "hello", ""},
    {"5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n", 200, "hello", ""},
    {"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", 200, "hello", ""},
    {"5\r\nhel", 0, "hel", ""},
    {"5\r\nhello\r\n0\r\n", 0, "hello", ""},
    {"\r\n", 400, NULL, NULL},
    {"g\r\n", 400, NULL, NULL},
    {"0x5\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"+5\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"-5\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {" 5\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5 \r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5\t\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5 ;x\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {";x\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5\rhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5;a\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5;a\r\rhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5;\x01\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5\r\nhelloX\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5\r\nhell\r\n0\r\n\r\n", 400, NULL, NULL},
    {"5\r\nhello\n0\r\n\r\n", 400, NULL, NULL},
    {"5\r\nhello\r0\r\n\r\n", 400, NULL, NULL},
    {"5\r\nhello0\r\n\r\n", 400, NULL, NULL},
    {"000000005\r\nhello\r\n0\r\n\r\n", 400, NULL, NULL},
    {"fffffffffffffffff\r\n", 400, NULL, NULL},
    {"100000000\r\n", 400, NULL, NULL},
    {"ffffffff\r\n", 413, NULL, NULL},
    {"65\r\n", 413, NULL, NULL},
    {"60\r\n", 0, "", ""},
    {"0\r\n\n", 400, NULL, NULL},
    {"0\n\r\n", 400, NULL, NULL},
    {"0\r\nA\r\n\r\n", 400, NULL, NULL},
    {"0\r\nA : b\r\n\r\n", 400, NULL, NULL},
    {"0\r\n: b\r\n\r\n", 400, NULL, NULL},
    {"0\r\n a: b\r\n\r\n", 400, NULL, NULL},
    {"0\r\nA: b\r\n c\r\n\r\n", 400, NULL, NULL},
    {"0\r\nA: b\n\r\n", 400, NULL, NULL},
    {"0\r\nA: \x01\r\n\r\n", 400, NULL, NULL},
    {"0\r\n\rX", 400, NULL, NULL},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* Feeds the text in pieces of n bytes; *rest: what was not taken. */
static int decode(const char *text, size_t len, size_t n, struct buffer *out, size_t *taken)
{
    struct http_chunk d = {0};
    struct http_refusal why = {0};
    *taken = 0;
    while (*taken < len) {
        size_t piece = len - *taken < n ? len - *taken : n, used = 0;
        char *exact = malloc(piece);
        memcpy(exact, text + *taken, piece);
        enum http_progress p = http_chunk_feed(&d, exact, piece, &used, out, 100, &why);
        free(exact);
        ck_assert_uint_le(out->len, 100);
        if (p == HTTP_REFUSED) {
            ck_assert_ptr_nonnull(why.detail);
            return why.status;
        }
        *taken += used;
        if (p == HTTP_DONE)
            return 200;
        ck_assert_uint_eq(used, piece);
    }
    return 0;
}

START_TEST(takes_and_refuses)
{
    const struct row *r = &rows[_i];
    size_t len = strlen(r->text);
    for (size_t n = 1; n <= len; n++) {
        struct buffer out = {0};
        size_t taken;
        ck_assert_msg(decode(r->text, len, n, &out, &taken) == r->status, "%s by %zu", r->text, n);
        if (r->data) {
            ck_assert_uint_eq(out.len, strlen(r->data));
            ck_assert(out.len == 0 || memcmp(out.data, r->data, out.len) == 0);
            ck_assert_str_eq(r->text + taken, r->rest);
        }
        buffer_free(&out);
    }
}
END_TEST

/* prefix, then piece over and over: the decoder must give up within `within` bytes. */
static void ends_within(const char *prefix, const char *piece, size_t within, int status)
{
    struct buffer text = {0}, out = {0};
    size_t taken;
    buffer_add_str(&text, prefix);
    while (text.len < within)
        buffer_add_str(&text, piece);
    ck_assert_int_eq(decode((char *)text.data, text.len, 7, &out, &taken), status);
    buffer_free(&text);
    buffer_free(&out);
}

START_TEST(nothing_grows_for_ever)
{
    ends_within("5;", "x", HTTP_MAX_CHUNK_LINE + 2, 400);
    ends_within("", "0", 20, 400);
    ends_within("0\r\nA: ", "x", HTTP_MAX_TRAILERS + 10, 431);
    ends_within("0\r\n", "A: b\r\n", HTTP_MAX_TRAILERS + 10, 431);
    ends_within("", "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n", 6000, 400);
    ends_within("", "1\r\na\r\n", 700, 413);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http chunk");
    TCase *t = tcase_create("chunk");
    tcase_add_loop_test(t, takes_and_refuses, 0, (int)N_ROWS);
    tcase_add_test(t, nothing_grows_for_ever);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
