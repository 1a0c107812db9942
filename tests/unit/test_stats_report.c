/* What is shown: the method by its gate, what is missing, and never a NaN whatever the sums are. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "stats/report.h"

static const struct report_rule binary = {.kind = REPORT_BINARY, .alpha = 0.05, .n_star = 20000};
static const struct report_rule mean = {.kind = REPORT_MEAN, .alpha = 0.05, .n_star = 20000};

static struct report judge(const struct report_rule *rule, struct arm_sums t, struct arm_sums c)
{
    struct report r;
    double q = 0.5;
    struct report_arms arms = {&t, &c, &q, 1};
    report_judge(rule, &arms, &r);
    return r;
}

START_TEST(few_events_have_a_risk_ratio_and_no_interval)
{
    struct report r =
        judge(&binary, (struct arm_sums){.n = 1000, .sum = 30}, (struct arm_sums){.n = 1000, .sum = 12});
    ck_assert_int_eq(r.method, REPORT_EVT);
    ck_assert(!r.has_interval && !r.gate.open && r.control_is_smaller && !r.few_without);
    ck_assert_double_eq(r.gate.needed - r.gate.have, 8);
    ck_assert(r.risk_ratio.known && r.risk_ratio.low > 0 && r.risk_ratio.low < 2.5 &&
              r.risk_ratio.high > 2.5);
    ck_assert_double_eq_tol(r.difference, 0.018, 1e-15);
    ck_assert_double_eq_tol(r.p, fmin(1, exp(-r.ln_e)), 1e-15);
}
END_TEST

START_TEST(behind_the_gate_it_is_asympcs)
{
    struct arm_sums t = {.n = 21307, .sum = 3894}, c = {.n = 21306, .sum = 2262};
    struct report r = judge(&binary, t, c);
    struct asympcs_rule rule = {.alpha = 0.05, .n_star = 20000};
    struct asympcs want = across_difference(ACROSS_PROPORTION, &t, &c, 1, &rule);
    ck_assert_int_eq(r.method, REPORT_ASYMPCS);
    ck_assert(r.has_interval && r.fixed.answered);
    ck_assert_double_eq(r.low, want.low);
    ck_assert_double_eq(r.high, want.high);
    ck_assert_double_eq(r.p, want.p);
    ck_assert(r.low < r.fixed.low && r.high > r.fixed.high);
    ck_assert(r.lift.known && r.lift.low < r.lift.value && r.lift.value < r.lift.high);
}
END_TEST

/* Simpson: treatment is the same in both phases and its share grows while the rate falls. */
START_TEST(phases_are_never_pooled)
{
    struct arm_sums t[] = {{.n = 1000, .sum = 400}, {.n = 9000, .sum = 900}},
                    c[] = {{.n = 9000, .sum = 3600}, {.n = 1000, .sum = 100}};
    double q[] = {0.1, 0.9};
    struct report_arms arms = {t, c, q, 2};
    struct report r;
    report_judge(&binary, &arms, &r);
    ck_assert_double_eq_tol(r.difference, 0, 1e-15);
    ck_assert_double_eq_tol(r.treatment, 0.25, 1e-15);
    ck_assert_uint_eq(r.phases, 2);
    ck_assert(r.low < 0 && r.high > 0 && r.p > 0.5);
}
END_TEST

START_TEST(nothing_is_an_answer_too)
{
    struct report r = judge(&binary, (struct arm_sums){0}, (struct arm_sums){0});
    ck_assert(!r.has_difference && !r.has_interval && r.method == REPORT_NONE && r.p == 1);
    ck_assert_int_eq(r.missing, STAT_NO_UNITS);
    r = judge(&mean, (struct arm_sums){.n = 50, .has_cube = true}, (struct arm_sums){0});
    ck_assert(!r.has_difference && r.missing == STAT_NO_UNITS);
    r = judge(&mean,
              (struct arm_sums){
                  .n = 900, .sum = 900, .sum_sq = 900, .sum_cube = 900, .amounts = 900, .has_cube = true},
              (struct arm_sums){
                  .n = 900, .sum = 900, .sum_sq = 900, .sum_cube = 900, .amounts = 900, .has_cube = true});
    ck_assert(r.has_difference && !r.has_interval && r.missing == STAT_NO_VARIANCE);
    struct report_rule bad = binary;
    bad.n_star = NAN;
    r = judge(&bad, (struct arm_sums){.n = 1}, (struct arm_sums){.n = 1});
    ck_assert_int_eq(r.missing, STAT_BAD_RULE);
}
END_TEST

static double nasty(unsigned *seed)
{
    static const double values[] = {0,    1,     2,    20,    400,   1e3, 1e9,      1e15,      -1,
                                    -1e9, 1e-12, 1e21, 1e150, 1e300, NAN, INFINITY, -INFINITY, DBL_MAX};
    *seed = *seed * 1103515245u + 12345u;
    return values[(*seed >> 16) % (sizeof values / sizeof *values)];
}

static void check_range(const struct report_range *r)
{
    ck_assert(!isnan(r->value) && !isnan(r->low) && !isnan(r->high));
}

/* n = 0, sums no data can have, overflow, NaN and infinities, shares of 0 and 1. */
START_TEST(no_sums_give_nan)
{
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) {
        struct arm_sums a[2][2];
        struct bucket_count b = {(int)(seed % 800) - 400, (int64_t)fmin(1e15, fabs(nasty(&seed)))};
        double q[] = {nasty(&seed), 0.5};
        struct report_rule rule = {(enum report_kind)(i % 5),
                                   i % 7 ? 0.05 : nasty(&seed),
                                   i % 11 ? 20000 : nasty(&seed),
                                   0.5,
                                   i % 2 == 0,
                                   i % 3 == 0};
        for (int k = 0; k < 4; k++)
            a[k / 2][k % 2] =
                (struct arm_sums){nasty(&seed), nasty(&seed), nasty(&seed), nasty(&seed), nasty(&seed),
                                  nasty(&seed), nasty(&seed), nasty(&seed), nasty(&seed), nasty(&seed),
                                  nasty(&seed), &b,           k % 2,        k % 2 == 0};
        struct report_arms arms = {a[0], a[1], q, 2};
        struct report r;
        double value, weights[] = {nasty(&seed), 1};
        report_judge(&rule, &arms, &r);
        check_range(&r.lift);
        check_range(&r.risk_ratio);
        check_range(&r.cuped);
        ck_assert(isfinite(r.treatment) && isfinite(r.control) && isfinite(r.difference));
        ck_assert(r.p >= 0 && r.p <= 1 && !isnan(r.ln_e) && !isnan(r.low) && !isnan(r.high));
        ck_assert(!report_value(&rule, a[0], weights, 2, &value) || isfinite(value));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report");
    TCase *t = tcase_create("report");
    tcase_set_timeout(t, 120); /* sanitizers and a busy machine are slow */
    tcase_add_test(t, few_events_have_a_risk_ratio_and_no_interval);
    tcase_add_test(t, behind_the_gate_it_is_asympcs);
    tcase_add_test(t, phases_are_never_pooled);
    tcase_add_test(t, nothing_is_an_answer_too);
    tcase_add_test(t, no_sums_give_nan);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
