/* Distributions, SRM and the fixed-horizon tests against numbers worked at 30 digits (mpmath), and degenerate
 * input. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "stats/across.h"
#include "stats/fixed.h"
#include "stats/special.h"
#include "stats/srm.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ARM(units, total, squares)                                                                           \
    {                                                                                                        \
        .n = (units), .sum = (total), .sum_sq = (squares)                                                    \
    }

static void near(double got, double want, double rel)
{
    ck_assert_msg(fabs(got - want) <= rel * fmax(fabs(want), 1e-300), "%.17g is not %.17g", got, want);
}

START_TEST(normal)
{
    near(normal_quantile(0.975), 1.95996398454005424, 1e-14);
    near(normal_quantile(0.005), -2.57582930354890076, 1e-14);
    near(normal_quantile(1e-12), -7.03448382530113193, 1e-14);
    near(normal_cdf(normal_quantile(1e-300)), 1e-300, 1e-10);
    ck_assert_double_eq(normal_quantile(0.5), 0);
    ck_assert(isinf(normal_quantile(0)) && isinf(normal_quantile(1)));
    ck_assert_double_eq(normal_quantile(NAN), 0);
    ck_assert_double_eq(normal_cdf(-INFINITY), 0);
    ck_assert_double_eq(normal_cdf(INFINITY), 1);
}
END_TEST

START_TEST(chi_square_tail)
{
    near(chi2_upper(3.84, 1), 0.0500435212487050989, 1e-12);
    near(chi2_upper(100, 8), 4.26915920514493442e-18, 1e-12);
    near(chi2_upper(90, 100), 0.753197965599829727, 1e-12);
    ck_assert_double_eq(chi2_upper(0, 3), 1);
    ck_assert_double_eq(chi2_upper(INFINITY, 3), 0);
    ck_assert_double_eq(chi2_upper(1e300, 3), 0);
    ck_assert_double_eq(chi2_upper(NAN, 3), 1);
}
END_TEST

START_TEST(student)
{
    near(student_two_sided(2, 3), 0.139325968558843177, 1e-12);
    near(student_two_sided(-1.5, 0.7), 0.44036509701924026, 1e-12);
    near(student_two_sided(40, 12), 3.85122958077203381e-14, 1e-11);
    near(student_two_sided(2, 1000), 0.04577034649325164, 1e-12);
    near(student_two_sided(0.001, 5), 0.999240786772197651, 1e-12);
    near(student_two_sided(2, 999999), 0.0455005338515891638, 1e-9);
    near(student_two_sided(5, 1000001), 5.7339978699242436e-7, 1e-9);
    near(student_quantile_two_sided(0.05, 7), 2.36462425159278534, 1e-12);
    ck_assert_double_eq(student_two_sided(1e300, 2), 0);
    ck_assert_double_eq(student_two_sided(3, 0), 1);
    ck_assert_double_eq(student_two_sided(NAN, 3), 1);
}
END_TEST

START_TEST(srm_worked_numbers)
{
    near(srm_log_e((int64_t[]){9300, 700}, (double[]){9, 1}, 2), 47.9887069701013983, 1e-11);
    near(srm_log_e((int64_t[]){500100000000, 499900000000}, (double[]){1, 1}, 2), 19990.371179878094, 1e-11);
    near(srm_log_e((int64_t[]){400000000000000, 600000000000000}, (double[]){0.4, 0.6}, 2),
         -13.0826787434559439, 1e-9);
    near(srm_log_e_at((int64_t[]){3, 0, 1}, (double[]){1, 1, 0.000001}, 3, 1000), -2.98505330869693552e-6,
         1e-6);
    /* Hillstrom's three arms */
    near(srm_chi2((int64_t[]){21307, 21387, 21306}, (double[]){1, 1, 1}, 3, NULL), 0.9037, 1e-4);
}
END_TEST

START_TEST(srm_alarms)
{
    /* balanced counts speak for the shares, a 10 % loss of 20,000 units against them */
    ck_assert_double_lt(srm_log_e((int64_t[]){50000, 50100}, (double[]){1, 1}, 2), 0);
    ck_assert_double_gt(srm_log_e((int64_t[]){10000, 9000}, (double[]){1, 1}, 2), -log(SRM_ALPHA));
    struct srm_pair good[] = {{500, 9500, 0.05}, {4000, 4000, 0.5}},
                    bad[] = {{500, 9500, 0.05}, {4000, 3400, 0.5}};
    ck_assert_double_lt(srm_pairs_log_e(good, 2), 0);
    ck_assert_double_gt(srm_pairs_log_e(bad, 2), -log(SRM_ALPHA));
    /* pooled, the good pair would look terrible: phases are never pooled */
    ck_assert_double_gt(srm_log_e((int64_t[]){4500, 13500}, (double[]){0.5, 0.5}, 2), 100);
}
END_TEST

START_TEST(srm_limits_of_q)
{
    struct srm_pair p = {5000, 5000, 0};
    double high = srm_q_upper(&p, 0.01), low = srm_q_lower(&p, 0.01);
    ck_assert(high > 0.51 && high < 0.54);
    near(low, 1 - high, 1e-9);
    struct srm_pair all = {1000, 0, 0}, none = {0, 0, 0}, huge = {1000000000000000, 1000000000000000, 0};
    ck_assert_double_eq(srm_q_upper(&all, 0.01), 1);
    ck_assert(srm_q_lower(&all, 0.01) > 0.95 && srm_q_lower(&all, 0.01) < 1);
    ck_assert_double_eq(srm_q_upper(&none, 0.01), 1);
    ck_assert_double_eq(srm_q_lower(&none, 0.01), 0);
    ck_assert_double_eq_tol(srm_q_upper(&huge, 0.01), 0.5, 1e-6);
}
END_TEST

START_TEST(srm_degenerate)
{
    ck_assert_double_eq(srm_log_e((int64_t[]){0, 0}, (double[]){1, 1}, 2), 0);
    ck_assert_double_eq(srm_log_e((int64_t[]){5}, (double[]){1}, 1), 0);
    ck_assert_double_eq(srm_log_e(NULL, NULL, 0), 0);
    ck_assert_double_eq(srm_log_e((int64_t[]){5, 0}, (double[]){1, 0}, 2), 0);
    ck_assert(isinf(srm_log_e((int64_t[]){5, 1}, (double[]){1, 0}, 2)));
    ck_assert_double_eq(srm_chi2((int64_t[]){5, 1}, (double[]){1, NAN}, 2, NULL), 0);
    ck_assert_double_eq(srm_chi2((int64_t[]){0, 0}, (double[]){1, 1}, 2, NULL), 1);
    struct srm_pair p[] = {{5, 5, 0}, {5, 5, 1}};
    ck_assert_double_eq(srm_pairs_log_e(p, 2), 0);
    ck_assert_double_eq(srm_pairs_log_e(NULL, 0), 0);
    static const int64_t counts[] = {INT64_MIN, 0, 1, 1000000000000000, INT64_MAX};
    static const double weights[] = {0, 1e-300, 1, 1e300, NAN, INFINITY, -1};
    for (size_t i = 0; i < COUNT(counts); i++)
        for (size_t j = 0; j < COUNT(counts); j++)
            for (size_t k = 0; k < COUNT(weights); k++) {
                int64_t n[] = {counts[i], counts[j], 3};
                double w[] = {weights[k], 1, weights[(k + j) % COUNT(weights)]}, x;
                ck_assert(!isnan(srm_log_e(n, w, 3)));
                ck_assert(!isnan(srm_chi2(n, w, 3, &x)) && !isnan(x));
            }
}
END_TEST

/* Hillstrom's e-mail to men against none: the numbers its analysts know. */
START_TEST(hillstrom)
{
    struct arm_sums visit_men = ARM(21307, 3894, 3894), visit_none = ARM(21306, 2262, 2262);
    struct arm_sums conv_men = ARM(21307, 267, 267), conv_none = ARM(21306, 122, 122);
    ck_assert_double_eq_tol(z_pooled(&visit_men, &visit_none), 22.486, 5e-4);
    ck_assert_double_eq_tol(z_pooled(&conv_men, &conv_none), 7.385, 5e-4);
    struct fixed_result r = z_test_props(&visit_men, &visit_none, 0.05);
    ck_assert_double_eq_tol(r.difference, 0.076590, 5e-7);
    ck_assert(r.answered && r.low < r.difference && r.difference < r.high && r.p < 1e-100);
}
END_TEST

/* The fixed-horizon reading of a difference of proportions over phases. */
static struct fixed_result phases_z(const struct arm_sums *t, const struct arm_sums *c, size_t n,
                                    double alpha)
{
    struct across a = across_phases(ACROSS_PROPORTION, t, c, n);
    struct estimate d = contrast_difference(&a.arms);
    return fixed_normal(d.answered ? d.value : INFINITY, d.variance, alpha);
}

START_TEST(fixed_degenerate)
{
    struct arm_sums none = ARM(0, 0, 0), one = ARM(1, 1, 1), sure = ARM(100, 100, 100),
                    never = ARM(100, 0, 0);
    ck_assert(!z_test_props(&none, &sure, 0.05).answered);
    ck_assert(!welch_t(&one, &sure, 0.05).answered);
    ck_assert_double_eq(z_pooled(&none, &sure), 0);
    ck_assert_double_eq(z_pooled(&sure, &sure), 0);
    struct fixed_result r = z_test_props(&sure, &never, 0.05);
    ck_assert(r.answered && r.difference == 1 && r.std_error == 0 && isinf(r.statistic) && r.p == 0);
    r = welch_t(&sure, &sure, NAN);
    ck_assert(r.answered && r.difference == 0 && r.statistic == 0 && r.p == 1);
    static const double values[] = {0, 1, 2, 1e15, 1e300, -1, NAN, INFINITY};
    for (size_t i = 0; i < COUNT(values) * COUNT(values) * COUNT(values); i++) {
        struct arm_sums a = ARM(values[i % 8], values[i / 8 % 8], values[i / 64]), b = ARM(10, 3, 9);
        struct fixed_result x[] = {z_test_props(&a, &b, 0.05), welch_t(&b, &a, 0.05), phases_z(&a, &b, 1, 2)};
        for (size_t k = 0; k < COUNT(x); k++)
            ck_assert(!isnan(x[k].difference + x[k].std_error + x[k].df) && !isnan(x[k].statistic) &&
                      !isnan(x[k].low) && !isnan(x[k].high) && !isnan(x[k].p));
        ck_assert(!isnan(z_pooled(&a, &b)));
    }
}
END_TEST

/* Simpson: both phases say "no difference", their pool says "large". */
START_TEST(phases_are_standardised)
{
    struct arm_sums t[] = {ARM(500, 50, 50), ARM(4000, 1600, 1600), ARM(0, 0, 0)};
    struct arm_sums c[] = {ARM(9500, 950, 950), ARM(4000, 1600, 1600), ARM(70, 70, 70)};
    struct fixed_result r = phases_z(t, c, 3, 0.05);
    ck_assert(r.answered);
    ck_assert_double_eq_tol(r.difference, 0, 1e-15);
    struct fixed_result plain = z_test_props(t, c, 0.05), one = phases_z(t, c, 1, 0.05);
    ck_assert_double_eq(one.std_error, plain.std_error);
    ck_assert(!phases_z(t + 2, c + 2, 1, 0.05).answered);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats tests");
    TCase *t = tcase_create("tests");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, normal);
    tcase_add_test(t, chi_square_tail);
    tcase_add_test(t, student);
    tcase_add_test(t, srm_worked_numbers);
    tcase_add_test(t, srm_alarms);
    tcase_add_test(t, srm_limits_of_q);
    tcase_add_test(t, srm_degenerate);
    tcase_add_test(t, hillstrom);
    tcase_add_test(t, fixed_degenerate);
    tcase_add_test(t, phases_are_standardised);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
