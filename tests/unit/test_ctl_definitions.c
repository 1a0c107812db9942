/* Definitions as cohortctl keeps them in files: their text, their normal form, what two differ in. Results as
 * it prints them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/differ.h"
#include "cohortctl/json_text.h"
#include "cohortctl/kind.h"
#include "cohortctl/report.h"

static json_t *json(const char *text)
{
    json_error_t why;
    json_t *v = json_loads(text, JSON_DECODE_ANY, &why);
    ck_assert_msg(v != NULL, "%s: %s", text, why.text);
    return v;
}

static const struct kind *kind(const char *name)
{
    const struct kind *k = kind_find(name, strlen(name));
    ck_assert_ptr_nonnull(k);
    return k;
}

static void expect_text(const char *in, bool pretty, const char *want)
{
    json_t *v = json(in);
    char *got = json_text(v, pretty);
    ck_assert_str_eq(got, want);
    free(got);
    json_decref(v);
}

START_TEST(text_has_one_form)
{
    expect_text("{\"b\":1,\"key\":\"x\",\"a\":0.05}", false, "{\"key\":\"x\",\"a\":0.05,\"b\":1}");
    expect_text("[1.0, 5, -0.1, true, null, \"\\u00e9\\n\"]", false, "[1.0,5,-0.1,true,null,\"é\\n\"]");
    expect_text("{\"a\":[1,2],\"b\":[{}],\"c\":{}}", true,
                "{\n  \"a\": [1, 2],\n  \"b\": [\n    {}\n  ],\n  \"c\": {}\n}");
    expect_text("[]", true, "[]");
    expect_text("\"\\u0001\\u0001\"", false, "\"\\u0001\\u0001\"");
}
END_TEST

/* Sums of squares of large amounts have more digits than 64 bits. */
START_TEST(whole_numbers_of_any_length_are_read)
{
    json_error_t why;
    json_t *v = json_text_read("{\"id\":7,\"sums\":[9457000000000000000000000000,-3,0.5]}", &why);
    ck_assert_msg(v != NULL, "%s", why.text);
    const json_t *sums = json_object_get(v, "sums");
    ck_assert(json_is_integer(json_object_get(v, "id")));
    ck_assert_int_eq(json_integer_value(json_object_get(v, "id")), 7);
    ck_assert_double_eq(json_number_value(json_array_get(sums, 0)), 9.457e27);
    ck_assert_int_eq(json_integer_value(json_array_get(sums, 1)), -3);
    ck_assert_double_eq(json_number_value(json_array_get(sums, 2)), 0.5);
    json_decref(v);
    v = json_text_read("9007199254740993", &why);
    ck_assert_int_eq(json_integer_value(v), 9007199254740993);
    json_decref(v);
    ck_assert_ptr_null(json_text_read("[1", &why));
    ck_assert(*why.text != '\0');
}
END_TEST

START_TEST(results_fit_into_80_columns)
{
    json_t *doc = json("{\"experiment\":\"big\",\"status\":\"stopped\",\"decision\":\"Stopped.\",\"metrics\":"
                       "[{\"metric\":\"med\","
                       "\"kind\":\"quantile\",\"variants\":[{\"variant\":\"control\",\"is_control\":true,"
                       "\"units\":193,\"value\":"
                       "1112970589298.1},{\"variant\":\"b\",\"units\":207,\"value\":5005785420310,"
                       "\"difference\":3892814831012,\"low\":"
                       "-20000000000000,\"high\":20000000000000,\"p\":1}]}],\"stop\":{\"at\":\"2026-11-02T10:"
                       "20:30Z\",\"sentence\":"
                       "\"Stopped: 400 units are exposed, of 300 that it may have. There is no earlier phase "
                       "to roll back to.\"}}");
    struct error e;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    ck_assert_int_eq(report_results(doc, false, out, &e), 0);
    fclose(out);
    ck_assert_msg(strstr(text, "1.11297e+12") != NULL && strstr(text, "-2e+13 to +2e+13") != NULL, "%s",
                  text);
    ck_assert(strstr(text, "stopped by the monitor, 2026") != NULL);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        ck_assert_msg(strcspn(line, "\n") <= 80, "%s", line);
    free(text);
    json_decref(doc);
}
END_TEST

/* How many fields the two documents of a kind differ in. */
static size_t differences(const char *kind_name, const char *from, const char *to, char *said, size_t cap)
{
    const struct kind *k = kind(kind_name);
    json_t *x = json(from), *y = json(to);
    json_t *a = kind_normal(k, "thing", x), *b = kind_normal(k, "thing", y);
    FILE *f = fmemopen(said, cap, "w");
    ck_assert(a && b && f);
    size_t n = differ_documents(a, b, f);
    fclose(f);
    json_decref(x);
    json_decref(y);
    json_decref(a);
    json_decref(b);
    return n;
}

static void expect_same(const char *kind_name, const char *from, const char *to)
{
    char said[1024] = "";
    ck_assert_msg(differences(kind_name, from, to, said, sizeof said) == 0, "%s", said);
}

static void expect_difference(const char *kind_name, const char *from, const char *to, const char *want)
{
    char said[1024] = "";
    ck_assert_uint_eq(differences(kind_name, from, to, said, sizeof said), 1);
    ck_assert_str_eq(said, want);
}

START_TEST(what_a_server_adds_is_no_difference)
{
    expect_same("metrics", "{}",
                "{\"key\":\"thing\",\"event\":\"thing\",\"kind\":\"binary\",\"version\":3,"
                "\"direction_good\":\"none\",\"window_start_s\":0,\"window_end_s\":null,"
                "\"description\":\"\"}");
    expect_same("experiments",
                "{\"variants\":[{\"key\":\"control\",\"share_ppm\":1},{\"key\":\"b\",\"share_ppm\":2}],"
                "\"guardrails\":[{\"metric\":\"m\",\"margin\":1.0}]}",
                "{\"status\":\"running\",\"history\":[1],\"flag\":\"thing\",\"tags\":[],\"sticky\":false,"
                "\"traffic_ppm\":1000000,\"alpha\":0.010,\"condition\":{},"
                "\"variants\":[{\"key\":\"control\",\"share_ppm\":1,\"control\":true},"
                "{\"key\":\"b\",\"share_ppm\":2,\"dropped\":false},{\"key\":\"c\",\"share_ppm\":0}],"
                "\"guardrails\":[{\"metric\":\"m\",\"margin\":1,\"weight\":1,\"direction\":\"up\"}]}");
    expect_same("holdouts", "{}", "{\"scope\":\"global\",\"exempts_running\":true,\"iteration\":1}");
    expect_same("experiments",
                "{\"bandit\":{\"reward\":\"m\"},\"variants\":[{\"key\":\"control\"},{\"key\":\"b\"},"
                "{\"key\":\"c\"}]}",
                "{\"kind\":\"bandit\",\"bandit\":{\"reward\":\"m\",\"assign\":\"unit\",\"floor_ppm\":10000,"
                "\"every_s\":3600,\"warm_up\":100,\"uniform_ppm\":50000,\"promote\":\"person\"},"
                "\"variants\":[{\"key\":\"control\",\"share_ppm\":333334,\"control\":true},"
                "{\"key\":\"b\",\"share_ppm\":333333},{\"key\":\"c\",\"share_ppm\":333333}]}");
    expect_same("experiments", "{\"bandit\":{\"reward\":\"m\"},\"contextual\":{\"features\":[1]}}",
                "{\"kind\":\"contextual\",\"bandit\":{\"reward\":\"m\",\"assign\":\"decision\"},"
                "\"contextual\":{\"features\":[1],\"threshold_ppm\":0,\"ridge\":1}}");
}
END_TEST

START_TEST(fields_that_differ)
{
    expect_difference("layers", "{\"description\":\"a\"}", "{}", "  description: \"a\" → (not set)\n");
    expect_difference("experiments", "{\"traffic_ppm\":5}", "{}", "  traffic_ppm: 5 → 1000000\n");
    expect_difference("experiments", "{\"variants\":[{\"key\":\"a\",\"share_ppm\":1}]}",
                      "{\"variants\":[{\"key\":\"a\",\"share_ppm\":2}]}", "  variants[0].share_ppm: 1 → 2\n");
    expect_difference("segments", "{\"list\":[1,2]}", "{\"list\":[1]}", "  list[1]: 2 → (not set)\n");
    expect_difference("holdouts", "{}", "{\"exempts_running\":false}",
                      "  exempts_running: true → (not set)\n");
}
END_TEST

START_TEST(values_are_compared_to_the_letter)
{
    expect_difference("flags", "{\"default\":1}", "{\"default\":1.0}", "  default: 1 → 1.0\n");
    expect_difference("flags", "{\"default\":{\"a\":\"\"}}", "{\"default\":{}}",
                      "  default.a: \"\" → (not set)\n");
    expect_difference("flags", "{}", "{\"default\":false}", "  default: (not set) → false\n");
    expect_difference("segments", "{\"condition\":{\"a\":false}}", "{\"condition\":{\"a\":true}}",
                      "  condition.a: false → true\n");
}
END_TEST

START_TEST(only_what_can_be_written_is_kept)
{
    json_t *doc = json("{\"key\":\"x\",\"entries\":2,\"list\":[1,2],\"team\":null}");
    json_t *got = kind_writable(kind("segments"), doc), *want = json("{\"key\":\"x\",\"list\":[1,2]}");
    ck_assert(json_equal(got, want));
    json_decref(doc);
    json_decref(got);
    json_decref(want);
    ck_assert_ptr_null(kind_find("segment", 7));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cohortctl definitions");
    TCase *c = tcase_create("definitions");
    tcase_add_test(c, text_has_one_form);
    tcase_add_test(c, whole_numbers_of_any_length_are_read);
    tcase_add_test(c, results_fit_into_80_columns);
    tcase_add_test(c, what_a_server_adds_is_no_difference);
    tcase_add_test(c, fields_that_differ);
    tcase_add_test(c, values_are_compared_to_the_letter);
    tcase_add_test(c, only_what_can_be_written_is_kept);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
