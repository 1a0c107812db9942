/* COPY BINARY, byte by byte, and errors that stick. */
#include <check.h>
#include <string.h>

#include "store/copy_binary.h"

static const uint8_t header[] = {'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0377, '\r', '\n',
                                 0,   0,   0,   0,   0,   0,   0,    0,    0};

static void check_rows(const struct copy_binary *c, const uint8_t *want, size_t n)
{
    ck_assert_uint_eq(c->buffer.len, sizeof header + n + 2);
    ck_assert_mem_eq(c->buffer.data, header, sizeof header);
    ck_assert_mem_eq(c->buffer.data + sizeof header, want, n);
    ck_assert_mem_eq(c->buffer.data + sizeof header + n, "\xff\xff", 2);
}

START_TEST(numbers_are_big_endian)
{
    struct copy_binary c = {0};
    struct error e;
    copy_begin(&c, 5);
    copy_row(&c);
    copy_bool(&c, true);
    copy_int2(&c, -2);
    copy_int4(&c, 0x01020304);
    copy_int8(&c, -3);
    copy_null(&c);
    ck_assert_int_eq(copy_end(&c, &e), ERR_OK);
    static const uint8_t want[] = {
        0, 5, 0, 0, 0, 1, 1,    0,    0,    0,    2,    0xff, 0xfe, 0,    0,    0,    4,    1,   2,
        3, 4, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd, 0xff, 0xff, 0xff, 0xff};
    check_rows(&c, want, sizeof want);
    copy_free(&c);
}
END_TEST

START_TEST(texts_json_and_ids)
{
    struct copy_binary c = {0};
    struct error e;
    uint8_t id[16] = {1, 2, 3};
    copy_begin(&c, 3);
    copy_row(&c);
    copy_text(&c, "ab", 2);
    copy_jsonb(&c, "{}", 2);
    copy_uuid(&c, id);
    ck_assert_int_eq(copy_end(&c, &e), ERR_OK);
    static const uint8_t want[] = {0,  3, 0, 0, 0, 2, 'a', 'b', 0, 0, 0, 3, 1, '{', '}', 0, 0, 0,
                                   16, 1, 2, 3, 0, 0, 0,   0,   0, 0, 0, 0, 0, 0,   0,   0, 0};
    check_rows(&c, want, sizeof want);
    copy_free(&c);
}
END_TEST

static int64_t time_of(int64_t us)
{
    struct copy_binary c = {0};
    struct error e;
    copy_begin(&c, 1);
    copy_row(&c);
    copy_time(&c, us);
    ck_assert_int_eq(copy_end(&c, &e), ERR_OK);
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | c.buffer.data[sizeof header + 6 + (size_t)i];
    copy_free(&c);
    return (int64_t)v;
}

START_TEST(times_count_from_2000_and_are_never_infinite)
{
    ck_assert_int_eq(time_of(946684800000000), 0);
    ck_assert_int_eq(time_of(0), -946684800000000);
    ck_assert_int_eq(time_of(INT64_MAX), INT64_MAX - 946684800000000);
    ck_assert_int_eq(time_of(INT64_MIN), INT64_MIN + 1);
    ck_assert_int_eq(time_of(INT64_MIN + 946684800000000), INT64_MIN + 1);
}
END_TEST

START_TEST(a_row_with_a_field_too_few_or_too_many_is_an_error)
{
    struct copy_binary c = {0};
    struct error e;
    copy_begin(&c, 2);
    copy_row(&c);
    copy_int4(&c, 1);
    ck_assert_int_eq(copy_end(&c, &e), ERR_STATE);
    copy_begin(&c, 2);
    copy_row(&c);
    copy_int4(&c, 1);
    copy_row(&c);
    copy_int4(&c, 1);
    copy_int4(&c, 1);
    ck_assert_int_eq(copy_end(&c, &e), ERR_STATE);
    copy_begin(&c, 1);
    copy_row(&c);
    copy_int4(&c, 1);
    copy_int4(&c, 1);
    ck_assert_int_eq(copy_end(&c, &e), ERR_STATE);
    copy_begin(&c, 1);
    copy_int4(&c, 1);
    ck_assert_int_eq(copy_end(&c, &e), ERR_STATE);
    copy_begin(&c, 1);
    copy_row(&c);
    copy_int4(&c, 1);
    ck_assert_int_eq(copy_end(&c, &e), ERR_OK); /* a new beginning forgets */
    copy_free(&c);
}
END_TEST

START_TEST(running_out_of_memory_sticks)
{
    struct copy_binary c = {0};
    struct error e;
    copy_begin(&c, 2);
    copy_row(&c);
    c.buffer.failed = true;
    copy_null(&c);
    copy_int4(&c, 1);
    ck_assert_int_eq(copy_end(&c, &e), ERR_NOMEM);
    copy_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("copy_binary");
    TCase *c = tcase_create("copy_binary");
    tcase_add_test(c, numbers_are_big_endian);
    tcase_add_test(c, texts_json_and_ids);
    tcase_add_test(c, times_count_from_2000_and_are_never_infinite);
    tcase_add_test(c, a_row_with_a_field_too_few_or_too_many_is_an_error);
    tcase_add_test(c, running_out_of_memory_sticks);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
