/* From the facts of a bandit to its next shares: warm-up, floor, direction, decay, and when nothing moves. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "store/bandit.h"

static struct bandit_update u;

/* Two arms, "a" and "b", each with n rewards of which sum are 1; more: members that replace or add. */
static json_t *facts(double n, double sum_a, double sum_b, const char *more)
{
    json_t *doc =
        json_pack("{s:s, s:s, s:s, s:i, s:s, s:i, s:i, s:f, s:[{s:s, s:i, s:f, s:f, s:f}, {s:s, s:i, s:f, "
                  "s:f, s:f}]}",
                  "metric", "paid", "kind", "binary", "direction", "up", "metric_version", 1, "assign",
                  "unit", "floor_ppm", 10000, "warm_up", 100, "seconds", 3600.0, "arms", "variant", "a",
                  "share_ppm", 500000, "n", n, "sum", sum_a, "sum_sq", sum_a, "variant", "b", "share_ppm",
                  500000, "n", n, "sum", sum_b, "sum_sq", sum_b);
    json_t *with = more ? json_loads(more, 0, NULL) : NULL;
    ck_assert(doc && (with || !more));
    if (with)
        json_object_update(doc, with);
    json_decref(with);
    return doc;
}

static void update(json_t *doc)
{
    struct error e;
    ck_assert_int_eq(bandit_update_init(&u, doc, &e), ERR_OK);
    json_decref(doc);
}

static json_int_t share(const char *variant)
{
    return json_integer_value(json_object_get(u.shares, variant));
}

START_TEST(shares_follow_the_rewards)
{
    update(facts(1000, 100, 200, NULL));
    ck_assert(u.moves);
    ck_assert_int_eq(share("a"), 10000);
    ck_assert_int_eq(share("b"), 990000);
    ck_assert_ptr_nonnull(strstr(u.sentence, "a 1.0 %, b 99.0 % from 2000 matured rewards"));
    const json_t *b = json_array_get(json_object_get(u.evidence, "arms"), 1);
    ck_assert_double_eq(json_number_value(json_object_get(b, "a")), 201);
    ck_assert_double_eq(json_number_value(json_object_get(b, "b")), 801);
    ck_assert_double_gt(json_number_value(json_object_get(b, "w")), 0.999999);
    bandit_update_fini(&u);
}
END_TEST

START_TEST(less_can_be_better)
{
    update(facts(1000, 100, 200, "{\"direction\": \"down\"}"));
    ck_assert_int_eq(share("a"), 990000);
    bandit_update_fini(&u);
    update(facts(
        1000, 5000, 4000,
        "{\"direction\": \"down\", \"kind\": \"mean\", \"arms\": ["
        "{\"variant\": \"a\", \"share_ppm\": 500000, \"n\": 1000, \"sum\": 5000, \"sum_sq\": 30000},"
        "{\"variant\": \"b\", \"share_ppm\": 500000, \"n\": 1000, \"sum\": 4000, \"sum_sq\": 21000}]}"));
    ck_assert_int_eq(share("b"), 990000);
    bandit_update_fini(&u);
}
END_TEST

START_TEST(it_warms_up)
{
    update(facts(99, 1, 50, NULL));
    ck_assert(!u.moves && !u.shares);
    ck_assert_str_eq(u.sentence, "warming up, variant a has 99 of 100 matured rewards");
    bandit_update_fini(&u);
}
END_TEST

START_TEST(nothing_moves)
{
    update(facts(1000, 100, 100, NULL));
    ck_assert(!u.moves && !u.shares);
    ck_assert_ptr_nonnull(strstr(u.sentence, "no share moves"));
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_array_get(json_object_get(u.evidence, "arms"), 0), "share_ppm")),
                     500000);
    bandit_update_fini(&u);
}
END_TEST

/* a was better for 10,000 rewards; since the last update, many half-lives ago, b has been. */
START_TEST(old_rewards_fade)
{
    static const char last[] = "\"last\": [{\"variant\": \"a\", \"n\": 10000, \"sum\": 5000, \"sum_sq\": "
                               "5000, \"total\": {\"n\": 10000, "
                               "\"sum\": 5000, \"sum_sq\": 5000}}, {\"variant\": \"b\", \"n\": 10000, "
                               "\"sum\": 1000, \"sum_sq\": 1000, "
                               "\"total\": {\"n\": 10000, \"sum\": 1000, \"sum_sq\": 1000}}]";
    char more[600];
    snprintf(more, sizeof more, "{\"half_life_s\": 60, %s}", last);
    update(facts(10500, 5050, 1250, more));
    ck_assert_int_eq(share("b"), 990000);
    const json_t *a = json_array_get(json_object_get(u.evidence, "arms"), 0);
    ck_assert_double_eq_tol(json_number_value(json_object_get(a, "n")), 500, 1e-9);
    ck_assert_double_eq(json_number_value(json_object_get(json_object_get(a, "total"), "n")), 10500);
    bandit_update_fini(&u);
    snprintf(more, sizeof more, "{%s}", last);
    update(facts(10500, 5050, 1250, more));
    ck_assert_int_eq(share("a"), 990000);
    bandit_update_fini(&u);
}
END_TEST

START_TEST(facts_that_are_none)
{
    struct error e;
    json_t *doc = json_loads("{\"kind\": \"binary\", \"arms\": []}", 0, NULL);
    ck_assert_int_eq(bandit_update_init(&u, doc, &e), ERR_INVALID);
    json_decref(doc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bandit_update");
    TCase *t = tcase_create("bandit_update");
    tcase_add_test(t, shares_follow_the_rewards);
    tcase_add_test(t, less_can_be_better);
    tcase_add_test(t, it_warms_up);
    tcase_add_test(t, nothing_moves);
    tcase_add_test(t, old_rewards_fade);
    tcase_add_test(t, facts_that_are_none);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
