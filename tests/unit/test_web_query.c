/* Parameters behind '?', and entity tags of requests. */
#include <check.h>
#include <string.h>

#include "web/etag.h"
#include "web/query.h"

START_TEST(parameters_come_one_by_one)
{
    const char *q = "limit=10&&after=caf%C3%A9&flag&x=a=b&%zz=1";
    static const char *const want[][2] = {
        {"limit", "10"}, {"after", "caf\xc3\xa9"}, {"flag", ""}, {"x", "a=b"}, {"%zz", "1"}};
    struct query_param p;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        ck_assert_int_eq(query_next(&q, &p), 1);
        ck_assert_str_eq(p.name, want[i][0]);
        ck_assert_str_eq(p.value, want[i][1]);
    }
    ck_assert_int_eq(query_next(&q, &p), 0);
    ck_assert_int_eq(query_next(&q, &p), 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused)
{
    char text[QUERY_VALUE_MAX + 8] = "a=";
    struct query_param p;
    memset(text + 2, 'x', QUERY_VALUE_MAX);
    const char *q = text;
    ck_assert_int_eq(query_next(&q, &p), 1);
    text[2 + QUERY_VALUE_MAX] = 'x';
    q = text;
    ck_assert_int_eq(query_next(&q, &p), -1);
    static const char *const bad[] = {"a=%00", "a=%ff", "%00=1", "a=%C3",
                                      "123456789012345678901234567890123=1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        q = bad[i];
        ck_assert_int_eq(query_next(&q, &p), -1);
    }
}
END_TEST

START_TEST(tags_are_found_in_a_list)
{
    ck_assert(etag_matches("\"a\"", "\"a\""));
    ck_assert(etag_matches("\"b\" , W/\"a\"", "\"a\""));
    ck_assert(etag_matches("*", "\"a\""));
    ck_assert(!etag_matches("\"ab\", \"b\"", "\"a\""));
    ck_assert(!etag_matches("", "\"a\""));
    ck_assert(!etag_matches(NULL, "\"a\""));
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("query");
    tcase_add_test(c, parameters_come_one_by_one);
    tcase_add_test(c, what_cannot_be_read_is_refused);
    tcase_add_test(c, tags_are_found_in_a_list);
    Suite *s = suite_create("web query");
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
