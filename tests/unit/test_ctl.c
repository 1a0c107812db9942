/* The pure parts of cohortctl: values of an import, suggestions, tables, simulated customers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/sim_model.h"
#include "cohortctl/suggest.h"
#include "cohortctl/table.h"
#include "cohortctl/values.h"

static void expect_decimal(const char *text, int64_t want, bool rounds)
{
    int64_t got = 0;
    bool rounded = !rounds;
    struct error e;
    ck_assert_msg(value_decimal(text, &got, &rounded, &e) == 0, "%s", text);
    ck_assert_msg(got == want, "%s: %lld", text, (long long)got);
    ck_assert_msg(rounded == rounds, "%s", text);
}

START_TEST(decimals_are_millionths)
{
    expect_decimal("0", 0, false);
    expect_decimal("-0.0", 0, false);
    expect_decimal("29.99", 29990000, false);
    expect_decimal("+1", 1000000, false);
    expect_decimal(".5", 500000, false);
    expect_decimal("5.", 5000000, false);
    expect_decimal("-3.000001", -3000001, false);
    expect_decimal("1e3", 1000000000, false);
    expect_decimal("12E-1", 1200000, false);
    expect_decimal("9199999999999.999999", INT64_C(9199999999999999999), false);
    expect_decimal("1.0000000000", 1000000, false);
    expect_decimal("0e99", 0, false);
}
END_TEST

START_TEST(more_than_six_decimals_round_half_to_even)
{
    expect_decimal("0.0000005", 0, true);
    expect_decimal("0.0000015", 2, true);
    expect_decimal("0.00000051", 1, true);
    expect_decimal("0.30000000000000004", 300000, true);
    expect_decimal("-0.9999999", -1000000, true);
    expect_decimal("1e-30", 0, true);
}
END_TEST

START_TEST(what_is_no_decimal_is_refused)
{
    static const char *const bad[] = {
        "",    "x",     "1,5",           "1.2.3",          "--1", "0x10",  "nan",   "inf",  "1e",
        "1e+", "1e999", "9200000000000", "-9200000000000", " 1",  "735\t", "1e401", "1e13", "."};
    int64_t v;
    bool rounded;
    struct error e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(value_decimal(bad[i], &v, &rounded, &e) == ERR_INVALID, "'%s'", bad[i]);
}
END_TEST

START_TEST(yes_and_no)
{
    bool v;
    struct error e;
    ck_assert(value_binary("TRUE", &v, &e) == 0 && v);
    ck_assert(value_binary("no", &v, &e) == 0 && !v);
    ck_assert(value_binary("1", &v, &e) == 0 && v);
    ck_assert_int_eq(value_binary("2", &v, &e), ERR_INVALID);
    ck_assert_int_eq(value_binary("", &v, &e), ERR_INVALID);
}
END_TEST

START_TEST(keys_out_of_names)
{
    char key[KEY_MAX + 1], longest[200];
    struct error e;
    ck_assert(value_key("Mens E-Mail", key, &e) == 0);
    ck_assert_str_eq(key, "mens_e-mail");
    ck_assert(value_key("  (A)  b!! ", key, &e) == 0);
    ck_assert_str_eq(key, "a_b");
    ck_assert(value_key("__x", key, &e) == 0);
    ck_assert_str_eq(key, "x");
    ck_assert_int_eq(value_key("日本", key, &e), ERR_INVALID);
    memset(longest, 'a', sizeof longest);
    longest[KEY_MAX] = '\0';
    ck_assert(value_key(longest, key, &e) == 0);
    longest[KEY_MAX] = 'a';
    longest[KEY_MAX + 1] = '\0';
    ck_assert_int_eq(value_key(longest, key, &e), ERR_INVALID);
}
END_TEST

START_TEST(the_nearest_word)
{
    static const char *const words[] = {"start", "stop", "status", "show"};
    ck_assert_uint_eq(suggest_distance("", "abc"), 3);
    ck_assert_uint_eq(suggest_distance("statsu", "status"), 1);
    ck_assert_str_eq(suggest_nearest("statsu", words, 4), "status");
    ck_assert_str_eq(suggest_nearest("stpo", words, 4), "stop");
    ck_assert_str_eq(suggest_nearest("sta", words, 4), "start");
    ck_assert_ptr_null(suggest_nearest("frobnicate", words, 4));
}
END_TEST

START_TEST(columns_are_aligned)
{
    char text[256] = "", digits[32];
    FILE *f = fmemopen(text, sizeof text, "w");
    struct table *t = table_new("lr");
    ck_assert(f != NULL && t != NULL);
    table_add(t, "é");
    table_add(t, "n");
    table_add(t, "%s", "abc");
    table_add(t, "%s", table_thousands(-1234567, digits));
    table_add(t, "%s", "x");
    table_add(t, "%s", "");
    ck_assert_int_eq(table_print(t, f, 1), 0);
    fclose(f);
    table_free(t);
    ck_assert_str_eq(text, " é             n\n abc  -1,234,567\n x\n");
}
END_TEST

START_TEST(customers_are_the_same_for_the_same_seed)
{
    struct cli_list base = {.items = {"unsubscribe=0.03"}, .n = 1},
                    effects = {.items = {"daily:unsubscribe=2"}, .n = 1};
    struct sim_model m, again;
    struct error e;
    int plain = 0, worse = 0;
    ck_assert_int_eq(sim_model_init(&m, 7, &base, &effects, &e), 0);
    ck_assert_int_eq(sim_model_init(&again, 7, &base, &effects, &e), 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        bool happens = sim_model_happens(&m, i, NULL, 0);
        ck_assert(happens == sim_model_happens(&again, i, "weekly", 0));
        plain += happens;
        worse += sim_model_happens(&m, i, "daily", 0);
    }
    ck_assert_int_gt(plain, 2800); /* 3,000 with a standard error of 54 */
    ck_assert_int_lt(plain, 3200);
    ck_assert_int_gt(worse, 5700);
    ck_assert_int_lt(worse, 6300);
}
END_TEST

START_TEST(effects_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {"",
                                      "daily",
                                      "daily:unsubscribe",
                                      ":unsubscribe=2",
                                      "daily:unsubscribe=x",
                                      "daily:refund=2",
                                      "daily:unsubscribe=-1"};
    struct cli_list base = {.items = {"unsubscribe=0.03"}, .n = 1};
    struct sim_model m;
    struct error e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cli_list effects = {.items = {bad[i]}, .n = 1};
        ck_assert_msg(sim_model_init(&m, 1, &base, &effects, &e) == ERR_INVALID, "'%s'", bad[i]);
    }
    struct cli_list twice = {.items = {"a=0.1", "a=0.2"}, .n = 2}, none = {.n = 0},
                    over = {.items = {"a=1.1"}, .n = 1};
    ck_assert_int_eq(sim_model_init(&m, 1, &twice, &none, &e), ERR_INVALID);
    ck_assert_int_eq(sim_model_init(&m, 1, &over, &none, &e), ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cohortctl");
    TCase *c = tcase_create("cohortctl");
    tcase_add_test(c, decimals_are_millionths);
    tcase_add_test(c, more_than_six_decimals_round_half_to_even);
    tcase_add_test(c, what_is_no_decimal_is_refused);
    tcase_add_test(c, yes_and_no);
    tcase_add_test(c, keys_out_of_names);
    tcase_add_test(c, the_nearest_word);
    tcase_add_test(c, columns_are_aligned);
    tcase_add_test(c, customers_are_the_same_for_the_same_seed);
    tcase_add_test(c, effects_that_make_no_sense_are_refused);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
