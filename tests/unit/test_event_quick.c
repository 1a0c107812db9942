/* The quick reader of batches beside the usual one: random batches, some with damaged bytes. What the quick
 * one accepts the usual one must accept, with the same records and the same answer; plain batches it must
 * accept. Usage: test_event_quick [ROUNDS [SEED]] */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_build.h"
#include "event_readers.h"
#include "plan_fixture.h"
#include "suite.h"

#define NOW_US INT64_C(1793620000000000)

static uint64_t state;

static unsigned any(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % n;
}

static bool one_in(unsigned n)
{
    return any(n) == 0;
}

#define PICK(list) list[any(sizeof(list) / sizeof *(list))]

/* --- batches --- */

static void put(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct buffer *b, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buffer_add_str(b, text);
}

static void put_blanks(struct buffer *b)
{
    static const char *const blanks[] = {" ", "\n", "\t", "\r\n", "  ", "\n  "};
    if (one_in(12))
        put(b, "%s", PICK(blanks));
}

static void put_uuid(struct buffer *b)
{
    put(b, "%08x-%04x-4%03x-8%03x-%06x%06x", any(1u << 31), any(65536), any(4096), any(4096), any(1 << 24),
        any(1 << 24));
}

static const char *const values[] = {"1",
                                     "-3",
                                     "0",
                                     "-0",
                                     "2.5",
                                     "-0.0",
                                     "1e3",
                                     "9.99",
                                     "123456789012",
                                     "9200000000000",
                                     "9200000000001",
                                     "1E-7",
                                     "0.0000005",
                                     "1234567.1234565",
                                     "01",
                                     "1.",
                                     ".5",
                                     "+1",
                                     "1e",
                                     "1e999",
                                     "-1e999",
                                     "1e-999",
                                     "12345678901234567890",
                                     "null",
                                     "true",
                                     "\"5\"",
                                     "0x10",
                                     "NaN",
                                     "0.1000000000000000055511151231257827"};
static const char *const times[] = {
    "2026-11-02T10:20:30.123456Z",    "2026-11-02T10:20:30Z", "2026-11-02t12:20:30+02:00",
    "2026-11-02T10:20:30.123456789Z", "2026-11-02 10:20:30Z", "2036-11-02T10:20:30Z",
    "2016-11-02T10:20:30Z",           "2026-02-30T10:20:30Z", "2026-11-02T10:20:30"};
static const char *const names[] = {"refund", "complaint",    "refunds",  "Refund",
                                    "",       "re\\u0066und", "r\303\251"};
static const char *const units[] = {"{\"user\":\"c-1\"}",
                                    "{\"user\":\"c-1\",\"device\":\"d-2\"}",
                                    "{\"user\":\"\303\251t\303\251\"}",
                                    "{\"user\":\"\\u00e9\"}",
                                    "{\"user\":\"a\\\"b\"}",
                                    "{\"user\":\"\377\"}",
                                    "{\"user\":\"\355\240\200\"}",
                                    "{\"user\":\"\360\237\230\200\"}",
                                    "{\"user\":\"\"}",
                                    "{\"user\":7}",
                                    "{}",
                                    "[]",
                                    "{\"user\":\"a\",\"user\":\"b\"}",
                                    "{\"User\":\"a\"}",
                                    "{\"user\":\"a\tb\"}",
                                    "{\"u1\":\"a\",\"u2\":\"a\",\"u3\":\"a\",\"u4\":\"a\",\"u5\":\"a\","
                                    "\"u6\":\"a\",\"u7\":\"a\",\"u8\":\"a\",\"u9\":\"a\"}",
                                    "{\"user\":\"a\",}"};
static const char *const attributes[] = {
    "{\"plan\":\"pro\"}",
    "{\"plan\":\"pro\",\"amount\":5,\"other\":[1,{\"a\":\"}\"}]}",
    "{\"amount\":5.0}",
    "{\"plan\":\"\\\"}\\u00e9\"}",
    "{\"plan\":null,\"amount\":true}",
    "{\"plan\":[1]}",
    "{}",
    "{\"plan\":\"a\",\"plan\":\"b\"}",
    "{\"plan\":\"a]\"}",
    "{\"plan\":1e999}",
    "{]",
    "{\"a\":{\"b\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}",
    "[]",
    "7"};

static void put_name(struct buffer *b, const char *field)
{
    put_blanks(b);
    put(b, "\"%s\"", field);
    put_blanks(b);
    put(b, ":");
    put_blanks(b);
}

/* plain: every choice is one that is accepted quickly. */
static void put_field(struct buffer *b, char field, bool plain)
{
    switch (field) {
    case 'i':
    case 'd':
        put_name(b, field == 'i' ? "id" : "decision");
        put(b, "\"");
        put_uuid(b);
        put(b, plain || !one_in(40) ? "\"" : "0\"");
        break;
    case 'n':
        put_name(b, "name");
        put(b, "\"%s\"", plain || !one_in(8) ? names[any(2)] : PICK(names));
        break;
    case 'u':
        put_name(b, "units");
        put(b, "%s", plain || !one_in(6) ? units[any(3)] : PICK(units));
        break;
    case 't':
        put_name(b, "ts");
        put(b, "\"%s\"", plain || !one_in(8) ? times[any(4)] : PICK(times));
        break;
    case 'v':
        put_name(b, "value");
        put(b, "%s", plain ? values[any(9)] : PICK(values));
        break;
    case 'a':
        put_name(b, "attributes");
        put(b, "%s", plain ? attributes[any(5)] : PICK(attributes));
        break;
    default:
        put_name(b, "extra");
        put(b, "1");
    }
    put_blanks(b);
}

static void put_event(struct buffer *b, bool plain)
{
    char fields[16] = "inut";
    if (one_in(3))
        strcat(fields, "v");
    if (one_in(4))
        strcat(fields, "d");
    if (one_in(4))
        strcat(fields, "a");
    if (!plain && one_in(12))
        strcat(fields, one_in(2) ? "x" : "n");
    size_t n = strlen(fields);
    for (size_t i = n - 1; i > 0; i--) {
        size_t j = any((unsigned)i + 1);
        char c = fields[i];
        fields[i] = fields[j];
        fields[j] = c;
    }
    n -= !plain && one_in(12);
    put(b, "{");
    for (size_t i = 0; i < n; i++) {
        put(b, "%s", i ? "," : "");
        put_field(b, fields[i], plain);
    }
    put(b, "}");
}

static void put_batch(struct buffer *b, bool plain)
{
    bool wrapped = !one_in(3);
    unsigned n = one_in(200) ? 990 + any(15) : 1 + any(4);
    put_blanks(b);
    put(b, "%s", !wrapped ? "[" : plain || !one_in(20) ? "{\"events\":[" : "{\"event\":[");
    for (unsigned i = 0; i < n; i++) {
        put(b, "%s", i ? "," : "");
        put_blanks(b);
        put_event(b, plain);
        put_blanks(b);
    }
    put(b, "%s", wrapped ? "]}" : "]");
    if (!plain && one_in(20))
        put(b, "%s", one_in(2) ? "," : "\f");
}

static void damage(struct buffer *b)
{
    static const char bytes[] = "\"\\{}[]:,0123456789.eE+-aZ \n\t\001\0\177\200\303\251\377u";
    for (unsigned n = 1 + any(3); n > 0 && b->len > 1; n--) {
        size_t at = any((unsigned)b->len), more = one_in(3) ? any(20) : 1;
        more = at + more > b->len ? b->len - at : more;
        switch (any(3)) {
        case 0:
            b->data[at] = (uint8_t)bytes[any(sizeof bytes - 1)];
            break;
        case 1:
            memmove(b->data + at, b->data + at + more, b->len - at - more);
            b->len -= more;
            break;
        default:
            if (buffer_reserve(b, more)) {
                memmove(b->data + at + more, b->data + at, b->len - at);
                b->len += more;
            }
        }
    }
}

/* --- side by side --- */

static struct plan *make_plan(void)
{
    static const char *const kept[] = {"plan", "amount"};
    struct plan_builder *b = fixture_builder();
    plan_builder_event(b, "refund");
    plan_builder_event(b, "complaint");
    plan_builder_event_attributes(b, "refund", kept, 2);
    return fixture_finish(b);
}

static uint64_t rounds = 20000;

START_TEST(both_readers_agree)
{
    struct api_options options = {.event_max_age_us = INT64_C(86400000000) * 30,
                                  .event_max_future_us = INT64_C(3600000000),
                                  .max_body = 1 << 20};
    struct plan *plan = make_plan();
    struct event_rules rules = {.plan = plan, .options = &options, .now_us = NOW_US};
    struct event_readers_tally t = {0};
    struct buffer body = {0};
    for (uint64_t i = 0; i < rounds; i++) {
        bool plain = one_in(4);
        buffer_clear(&body);
        put_batch(&body, plain);
        if (!plain && one_in(2))
            damage(&body);
        rules.trusted = one_in(2);
        ck_assert_msg(event_readers_agree((const char *)body.data, body.len, &rules, plain, &t),
                      "the readers disagree in round %" PRIu64, i);
    }
    printf("of %" PRIu64 " batches %" PRIu64 " are accepted whole, %" PRIu64 " of them quickly\n", rounds,
           t.usual, t.quick);
    ck_assert_uint_gt(t.quick, rounds / 6);
    ck_assert_uint_lt(t.usual, rounds - rounds / 6);
    buffer_free(&body);
    plan_unref(plan);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("quick");
    rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : rounds;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 20261128;
    tcase_add_test(tc, both_readers_agree);
    return run_case("events read quickly", tc);
}
