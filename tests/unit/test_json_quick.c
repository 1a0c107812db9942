/* JSON read without a tree of values beside jansson: written cases, random texts, and the same damaged. What
 * the quick way accepts jansson must accept, with the same value; what it leaves out must be wrong, or of the
 * few unusual kinds. Usage: test_json_quick [ROUNDS [SEED]] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "json_twins.h"
#include "suite.h"

static uint64_t state = 88172645463325252u;
static unsigned long rounds = 150000;

static unsigned any(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

#define PICK(list) list[any(sizeof(list) / sizeof *(list))]

/* --- random texts --- */

static const char *const numbers[] = {"0",
                                      "-0",
                                      "1",
                                      "-1",
                                      "00",
                                      "01",
                                      "-",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "0.5",
                                      "-0.0",
                                      "0e0",
                                      "-0e5",
                                      "1e3",
                                      "1E+3",
                                      "1e-3",
                                      "1e",
                                      "1e+",
                                      "12345678901234567",
                                      "123456789012345678",
                                      "1234567890123456789",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "-9223372036854775808",
                                      "-9223372036854775809",
                                      "9007199254740992",
                                      "9007199254740993",
                                      "9007199254740993.0",
                                      "0.1",
                                      "0.30000000000000004",
                                      "3.141592653589793",
                                      "1e22",
                                      "1e23",
                                      "123e20",
                                      "1.7976931348623157e308",
                                      "1.8e308",
                                      "-1e999",
                                      "5e-324",
                                      "1e-400",
                                      "2.5e-8",
                                      "0.000001",
                                      "100000.000000",
                                      "4.35",
                                      "0.000000000000000000000001",
                                      "1e00000000000000000000001",
                                      "1a",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "99999999999999999999999999999999999999999999999999"};
static const char *const pieces[] = {"a",
                                     "b",
                                     "country",
                                     "DE",
                                     " ",
                                     "\\n",
                                     "\\\"",
                                     "\\\\",
                                     "\\/",
                                     "\\b\\f\\r\\t",
                                     "\\u0041",
                                     "\\u00e9",
                                     "\\u20AC",
                                     "\\ud83d\\ude00",
                                     "\\ud83d",
                                     "\\ude00",
                                     "\\ud83d\\u0041",
                                     "\\u0000",
                                     "\\u000",
                                     "\\u12G4",
                                     "\\x",
                                     "\\",
                                     "\xC3\xA9",
                                     "\xE2\x82\xAC",
                                     "\xF0\x9F\x98\x80",
                                     "\xC0\x80",
                                     "\xED\xA0\x80",
                                     "\xF4\x90\x80\x80",
                                     "\x80",
                                     "\xFF",
                                     "\x7F",
                                     "\n",
                                     "\t",
                                     "\x1F",
                                     "/",
                                     "\\u007f",
                                     "\\u0080",
                                     "\\u07FF",
                                     "\\u0800",
                                     "\\uFFFF",
                                     "\\uD800\\uDC00"};
static const char *const words[] = {"true", "false", "null", "True", "nul", "truex", "true1", "nulll"};

static void put_blanks(struct buffer *b)
{
    static const char *const blanks[] = {" ", "\n", "\t", "\r", "  ", "\v", "\f", "\xC2\xA0"};
    if (any(10) == 0)
        buffer_add_str(b, any(8) ? blanks[any(5)] : PICK(blanks));
}

static void put_string(struct buffer *b)
{
    buffer_add_str(b, "\"");
    for (unsigned n = any(4); n > 0; n--)
        buffer_add_str(b, any(3) ? pieces[any(20) < 14 ? any(14) : any(4)] : PICK(pieces));
    buffer_add_str(b, "\"");
}

static void put_number(struct buffer *b)
{
    if (any(2))
        buffer_add_str(b, PICK(numbers));
    else
        buffer_printf(b, "%s%u%s%.*u", any(2) ? "-" : "", any(100000), any(2) ? "." : "1", (int)any(9),
                      any(10000));
}

static void put_value(struct buffer *b, unsigned depth);

static void put_object(struct buffer *b, unsigned depth)
{
    buffer_add_str(b, "{");
    for (unsigned n = any(60) == 0 ? 60 + any(10) : any(5), i = 0; i < n; i++) {
        buffer_add_str(b, i ? "," : "");
        put_blanks(b);
        if (any(4))
            buffer_printf(b, "\"k%u\"", any(40) ? i : any(n));
        else
            put_string(b);
        put_blanks(b);
        buffer_add_str(b, ":");
        put_value(b, depth + 1);
    }
    put_blanks(b);
    buffer_add_str(b, "}");
}

static void put_array(struct buffer *b, unsigned depth)
{
    buffer_add_str(b, "[");
    for (unsigned n = any(200) == 0 ? 1990 + any(20) : any(6), i = 0; i < n; i++) {
        buffer_add_str(b, i ? "," : "");
        if (n > 100)
            buffer_add_str(b, "1");
        else
            put_value(b, depth + 1);
    }
    put_blanks(b);
    buffer_add_str(b, "]");
}

static void put_value(struct buffer *b, unsigned depth)
{
    unsigned what = any(depth > 5 ? 8 : 13);
    put_blanks(b);
    if (what < 4)
        put_string(b);
    else if (what < 6)
        put_number(b);
    else if (what < 8)
        buffer_add_str(b, any(4) ? words[any(3)] : PICK(words));
    else if (what < 11)
        put_object(b, depth);
    else
        put_array(b, depth);
    put_blanks(b);
}

/* A deep one: around the limit of 32. */
static void put_deep(struct buffer *b)
{
    unsigned n = 28 + any(8);
    for (unsigned i = 0; i < n; i++)
        buffer_add_str(b, any(2) ? "[" : "{\"a\":");
    buffer_add_str(b, "1");
    for (size_t i = b->len; i > 0; i--)
        if (b->data[i - 1] == '[' || b->data[i - 1] == '{')
            buffer_add_str(b, b->data[i - 1] == '[' ? "]" : "}");
}

static void damage(struct buffer *b)
{
    static const char bytes[] = "{}[]:,\"\\ \n0123456789.eE+-tfnu\x80\xC3\xED\x1F\x7F";
    size_t at = b->len ? any((unsigned)b->len) : 0;
    switch (b->len ? any(5) : 4) {
    case 0:
        b->data[at] = (uint8_t)PICK(bytes); /* NUL is among them */
        break;
    case 1:
        b->data[at] ^= (uint8_t)(1u << any(8));
        break;
    case 2:
        b->len = at;
        break;
    case 3:
        memmove(b->data + at, b->data + at + 1, b->len - at - 1);
        b->len--;
        break;
    default:
        buffer_add(b, &bytes[any(sizeof bytes)], 1);
        break;
    }
}

static void agree(struct arena *a, const struct buffer *b)
{
    /* a copy of exactly its size: a sanitizer sees every byte read behind it */
    char *text = malloc(b->len ? b->len : 1);
    ck_assert_ptr_nonnull(text);
    if (b->len)
        memcpy(text, b->data, b->len);
    const char *wrong = json_twins(a, text, b->len);
    ck_assert_msg(!wrong, "%s: %.*s", wrong, (int)b->len, text);
    free(text);
}

START_TEST(random_texts)
{
    struct buffer b = {0};
    struct arena *a = arena_new();
    printf("%lu rounds, seed %" PRIu64 "\n", rounds, state);
    for (unsigned long i = 0; i < rounds; i++) {
        buffer_clear(&b);
        if (any(50) == 0)
            put_deep(&b);
        else
            put_value(&b, 0);
        agree(a, &b);
        for (unsigned n = any(3); n > 0; n--) {
            damage(&b);
            agree(a, &b);
        }
    }
    buffer_free(&b);
    arena_free(a);
}
END_TEST

/* Every piece in a string by itself and beside another, every number, every word. */
START_TEST(written_cases)
{
    struct buffer b = {0};
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        buffer_clear(&b);
        buffer_printf(&b, "{\"n\":[%s,%s]}", numbers[i], numbers[i]);
        agree(a, &b);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        buffer_clear(&b);
        buffer_printf(&b, "%s", words[i]);
        agree(a, &b);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++) {
            buffer_clear(&b);
            buffer_printf(&b, "{\"%s\":\"%s%s\"}", pieces[i], pieces[i], pieces[j]);
            agree(a, &b);
        }
    buffer_free(&b);
    arena_free(a);
}
END_TEST

/* What a long fraction takes away a large exponent gives back. */
START_TEST(large_exponents)
{
    static const int cases[][2] = {{10000, 9999},  {9998, 10005},  {9999, 9999},      {9997, 9998},
                                   {20, 99999999}, {20000, 20001}, {9999, -99999999}, {10005, 9999}};
    struct buffer b = {0};
    struct arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer_clear(&b);
        buffer_printf(&b, "0.%0*d1e%d", cases[i][0], 0, cases[i][1]);
        agree(a, &b);
    }
    buffer_free(&b);
    arena_free(a);
}
END_TEST

int main(int argc, char **argv)
{
    rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : rounds;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : state;
    TCase *tc = tcase_create("quick");
    tcase_add_test(tc, written_cases);
    tcase_add_test(tc, large_exponents);
    tcase_add_test(tc, random_texts);
    return run_case("json quick", tc);
}
