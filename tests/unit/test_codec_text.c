/* UUIDs and times as text, and the writer of JSON. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/json_out.h"
#include "suite.h"

/* --- UUIDs --- */

START_TEST(uuids_come_back)
{
    static const char text[] = "0190b5e4-7c3a-7def-8012-3456789abcde";
    uint8_t b[16];
    char out[37];
    ck_assert_int_eq(uuid_parse(text, 36, b), 0);
    ck_assert_uint_eq(b[0], 0x01);
    ck_assert_uint_eq(b[15], 0xDE);
    uuid_format(b, out);
    ck_assert_str_eq(out, text);
    ck_assert_int_eq(uuid_parse("0190B5E4-7C3A-7DEF-8012-3456789ABCDE", 36, b), 0);
    uuid_format(b, out);
    ck_assert_str_eq(out, text);
}
END_TEST

START_TEST(other_forms_of_uuids_are_refused)
{
    static const char *const bad[] = {"",
                                      "0190b5e47c3a7def80123456789abcde",
                                      "{0190b5e4-7c3a-7def-8012-3456789abcde}",
                                      "0190b5e4-7c3a-7def-8012-3456789abcd",
                                      "0190b5e4-7c3a-7def-8012-3456789abcdef",
                                      "0190b5e4-7c3a-7def-80123-456789abcde",
                                      "0190b5e4-7c3a-7def-8012-3456789abcdg",
                                      " 190b5e4-7c3a-7def-8012-3456789abcde",
                                      "0x90b5e4-7c3a-7def-8012-3456789abcde",
                                      "0190b5e4_7c3a_7def_8012_3456789abcde"};
    uint8_t b[16];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(uuid_parse(bad[i], strlen(bad[i]), b) == ERR_INVALID, "%s", bad[i]);
}
END_TEST

/* --- times --- */

/* Worked with Python's datetime. */
static const struct {
    const char *text;
    int64_t us;
    const char *again;
} times[] = {
    {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000000Z"},
    {"2026-11-02T10:20:30.123456Z", INT64_C(1793614830123456), "2026-11-02T10:20:30.123456Z"},
    {"2026-11-02t10:20:30z", INT64_C(1793614830000000), "2026-11-02T10:20:30.000000Z"},
    {"2026-11-02T12:20:30+02:00", INT64_C(1793614830000000), "2026-11-02T10:20:30.000000Z"},
    {"2026-11-02T04:50:30.5-05:30", INT64_C(1793614830500000), "2026-11-02T10:20:30.500000Z"},
    {"2026-11-02T10:20:30.1234569Z", INT64_C(1793614830123456), "2026-11-02T10:20:30.123456Z"},
    {"2026-11-02T10:20:30-00:00", INT64_C(1793614830000000), "2026-11-02T10:20:30.000000Z"},
    {"2024-02-29T23:59:59.999999Z", INT64_C(1709251199999999), "2024-02-29T23:59:59.999999Z"},
    {"2000-02-29T00:00:00Z", INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
    {"2100-03-01T00:00:00Z", INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z"},
    {"1970-01-01T05:00:00+05:00", 0, "1970-01-01T00:00:00.000000Z"},
    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
};

START_TEST(times_come_back)
{
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t us = -1;
        char out[28];
        ck_assert_msg(time_parse(times[i].text, strlen(times[i].text), &us) == 0, "%s", times[i].text);
        ck_assert_msg(us == times[i].us, "%s", times[i].text);
        time_format(us, out);
        ck_assert_str_eq(out, times[i].again);
    }
}
END_TEST

START_TEST(every_day_comes_back)
{
    int64_t wrong = 0;
    for (int64_t day = 0; day < 2932897; day += 13) {
        int64_t us = day * INT64_C(86400000000) + day % 86400 * 1000000 + day % 1000000, again = -1;
        char out[28];
        time_format(us, out);
        wrong += time_parse(out, 27, &again) != 0 || again != us;
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(other_forms_of_times_are_refused)
{
    static const char *const bad[] = {"",
                                      "2026-11-02",
                                      "2026-11-02 10:20:30Z",
                                      "2026-11-02T10:20Z",
                                      "2026-11-02T10:20:30",
                                      "2026-11-02T10:20:30.Z",
                                      "2026-11-02T10:20:30,5Z",
                                      "2026-11-02T10:20:30+0200",
                                      "2026-11-02T10:20:30+02",
                                      "2026-11-02T10:20:30+24:00",
                                      "2026-11-02T10:20:30+02:60",
                                      "2026-11-02T10:20:60Z",
                                      "2026-11-02T23:59:60Z",
                                      "2026-11-02T24:00:00Z",
                                      "2026-11-02T10:60:30Z",
                                      "2026-13-02T10:20:30Z",
                                      "2026-00-02T10:20:30Z",
                                      "2026-11-31T10:20:30Z",
                                      "2026-11-00T10:20:30Z",
                                      "2026-02-29T10:20:30Z",
                                      "2100-02-29T10:20:30Z",
                                      "1969-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00+00:01",
                                      "0000-01-01T00:00:00Z",
                                      "9999-12-31T23:59:59-00:01",
                                      "10000-01-01T00:00:00Z",
                                      "-2026-11-02T10:20:30Z",
                                      "2026-11-02T10:20:30ZZ",
                                      " 2026-11-02T10:20:30Z",
                                      "2026-11-02T10:20:30Z ",
                                      "2026-1-2T10:20:30Z",
                                      "2026-11-02T1:20:30Z",
                                      "+026-11-02T10:20:30Z",
                                      "1793614830",
                                      "2026-11-02T10:20:30.123456+",
                                      "2026-W45-1T10:20:30Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t us;
        ck_assert_msg(time_parse(bad[i], strlen(bad[i]), &us) == ERR_INVALID, "%s", bad[i]);
    }
}
END_TEST

START_TEST(times_outside_are_moved_to_the_end)
{
    char out[28];
    time_format(-1, out);
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000000Z");
    time_format(INT64_MIN, out);
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000000Z");
    time_format(INT64_MAX, out);
    ck_assert_str_eq(out, "9999-12-31T23:59:59.999999Z");
}
END_TEST

/* --- writing --- */

static char buffer[4096];
static struct json_out out;

static void begin(void)
{
    json_out_init(&out, buffer, sizeof buffer);
}

static void written(const char *expected)
{
    ck_assert(!out.overflow);
    buffer[out.len] = '\0';
    ck_assert_str_eq(buffer, expected);
}

START_TEST(commas_are_put)
{
    static const uint8_t id[16] = {0x01, 0x90, 0xB5, 0xE4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF};
    begin();
    json_out_begin_object(&out);
    json_out_key(&out, "a");
    json_out_begin_array(&out);
    json_out_int(&out, 1);
    json_out_begin_array(&out);
    json_out_end_array(&out);
    json_out_begin_object(&out);
    json_out_end_object(&out);
    json_out_bool(&out, true);
    json_out_bool(&out, false);
    json_out_null(&out);
    json_out_raw(&out, "{\"x\":5.0}");
    json_out_end_array(&out);
    json_out_key(&out, "b");
    json_out_string_n(&out, "xyz", 2);
    json_out_key(&out, "c");
    json_out_uuid(&out, id);
    json_out_end_object(&out);
    written("{\"a\":[1,[],{},true,false,null,{\"x\":5.0}],\"b\":\"xy\","
            "\"c\":\"0190b5e4-0000-0000-0000-0000000000ff\"}");
}
END_TEST

START_TEST(strings_are_escaped)
{
    begin();
    json_out_begin_object(&out);
    json_out_key(&out, "\"k\n");
    json_out_string_n(&out, "\"\\/\b\t\n\f\r\0\x01\x1F\x7F\xC3\xBC", 14);
    json_out_end_object(&out);
    written("{\"\\\"k\\n\":\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u0001\\u001f\x7F\xC3\xBC\"}");
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_replaced)
{
    begin();
    json_out_string(&out, "a\xFF"
                          "b\xC3(\xED\xA0\x80\xF0\x9F\x98\x80\xE2\x82");
    written("\"a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD\"");
}
END_TEST

START_TEST(integers)
{
    begin();
    json_out_begin_array(&out);
    json_out_int(&out, 0);
    json_out_int(&out, -1);
    json_out_int(&out, 1000000);
    json_out_int(&out, INT64_MAX);
    json_out_int(&out, INT64_MIN);
    json_out_end_array(&out);
    written("[0,-1,1000000,9223372036854775807,-9223372036854775808]");
}
END_TEST

START_TEST(real_numbers_stay_real)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{5, "5.0"},
                 {0.1, "0.1"},
                 {-0.0, "-0.0"},
                 {1e22, "1e+22"},
                 {1.0 / 3, "0.3333333333333333"},
                 {1e-7, "1e-07"},
                 {123456789.25, "123456789.25"},
                 {0.30000000000000004, "0.30000000000000004"},
                 {NAN, "null"},
                 {INFINITY, "null"},
                 {-INFINITY, "null"},
                 {1e15, "1e+15"},
                 {5e-324, "4.94065645841247e-324"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin();
        json_out_double(&out, cases[i].v);
        written(cases[i].text);
    }
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(real_numbers_read_back_equal)
{
    uint64_t state = 88172645463325252u;
    int wrong = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random(&state);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v))
            continue;
        begin();
        json_out_double(&out, v);
        buffer[out.len] = '\0';
        json_t *read = json_loads(buffer, JSON_DECODE_ANY, NULL);
        wrong += !json_is_real(read) || json_real_value(read) != v;
        json_decref(read);
    }
    ck_assert_int_eq(wrong, 0);
}
END_TEST

/* One answer in every size of buffer: nothing is written behind it, and len says what was needed. */
static void write_sample(struct json_out *o)
{
    json_out_begin_object(o);
    json_out_key(o, "k\"");
    json_out_string(o, "v\xFF\x01\xC3\xBC and more");
    json_out_key(o, "n");
    json_out_double(o, 5);
    json_out_key(o, "i");
    json_out_int(o, -12345);
    json_out_end_object(o);
}

START_TEST(overflow_sticks_and_counts)
{
    begin();
    write_sample(&out);
    size_t needed = out.len;
    ck_assert(!out.overflow);
    for (size_t cap = 0; cap <= needed; cap++) {
        char *exact = malloc(cap ? cap : 1);
        struct json_out o;
        json_out_init(&o, exact, cap);
        write_sample(&o);
        ck_assert(o.overflow == (cap < needed));
        ck_assert_uint_eq(o.len, needed);
        if (cap == needed)
            ck_assert_mem_eq(exact, buffer, needed);
        free(exact);
    }
    struct json_out none;
    json_out_init(&none, NULL, 0);
    write_sample(&none);
    ck_assert_uint_eq(none.len, needed);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, uuids_come_back);
    tcase_add_test(tc, other_forms_of_uuids_are_refused);
    tcase_add_test(tc, times_come_back);
    tcase_add_test(tc, every_day_comes_back);
    tcase_add_test(tc, other_forms_of_times_are_refused);
    tcase_add_test(tc, times_outside_are_moved_to_the_end);
    tcase_add_test(tc, commas_are_put);
    tcase_add_test(tc, strings_are_escaped);
    tcase_add_test(tc, bytes_that_are_not_utf8_are_replaced);
    tcase_add_test(tc, integers);
    tcase_add_test(tc, real_numbers_stay_real);
    tcase_add_test(tc, real_numbers_read_back_equal);
    tcase_add_test(tc, overflow_sticks_and_counts);
    return run_case("text", tc);
}
