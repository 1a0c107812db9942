/* Ratios and CUPED from sums, against the same computed from the units one by one; degenerate input is in
 * test_stats_asympcs.c for all methods alike. */
#include <math.h>
#include <stdlib.h>

#include "stats/across.h"
#include "stats/cuped.h"
#include "stats/ratio.h"
#include "suite.h"

#define UNITS 400

struct unit {
    double y, x, d;
};

static double normal(unsigned *seed)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += rand_r(seed) / (RAND_MAX + 1.0);
    return sum;
}

/* x, then y leaning on x, then a denominator with exactly the mean `denominator`. */
static void draw(struct unit *u, size_t n, double slope, double denominator, unsigned seed)
{
    double mean_d = 0;
    for (size_t i = 0; i < n; i++) {
        u[i].x = 5 + 2 * normal(&seed);
        u[i].y = 3 + slope * u[i].x + normal(&seed);
        u[i].d = normal(&seed);
        mean_d += u[i].d / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        u[i].d += denominator - mean_d;
}

static struct arm_sums sums_of(const struct unit *u, size_t n)
{
    struct arm_sums a = {.n = (double)n};
    for (size_t i = 0; i < n; i++) {
        a.sum += u[i].y;
        a.sum_sq += u[i].y * u[i].y;
        a.sum_x += u[i].x;
        a.sum_xx += u[i].x * u[i].x;
        a.sum_xy += u[i].x * u[i].y;
        a.sum_d += u[i].d;
        a.sum_dd += u[i].d * u[i].d;
        a.sum_yd += u[i].y * u[i].d;
    }
    return a;
}

/* The arm's regression by normal equations around x = mean_x: its intercept is the adjusted mean. */
static double intercept_at(const struct unit *u, size_t n, double mean_x, double *slope, double *rss)
{
    double s1 = 0, sx = 0, sxx = 0, sy = 0, sxy = 0;
    for (size_t i = 0; i < n; i++) {
        double x = u[i].x - mean_x;
        s1 += 1;
        sx += x;
        sxx += x * x;
        sy += u[i].y;
        sxy += x * u[i].y;
    }
    double det = s1 * sxx - sx * sx, a = (sxx * sy - sx * sxy) / det;
    *slope = (s1 * sxy - sx * sy) / det;
    *rss = 0;
    for (size_t i = 0; i < n; i++)
        *rss += pow(u[i].y - a - *slope * (u[i].x - mean_x), 2);
    return a;
}

START_TEST(cuped_is_the_regression)
{
    struct unit t[UNITS], c[UNITS / 2];
    draw(t, UNITS, 1.5, 4, 1);
    draw(c, UNITS / 2, 0.8, 4, 2);
    struct arm_sums st = sums_of(t, UNITS), sc = sums_of(c, UNITS / 2);
    double mean_x = (st.sum_x + sc.sum_x) / (1.5 * UNITS), bt, bc, rt, rc, vx = 0;
    double at = intercept_at(t, UNITS, mean_x, &bt, &rt), ac = intercept_at(c, UNITS / 2, mean_x, &bc, &rc);
    for (size_t i = 0; i < UNITS; i++)
        vx += pow(t[i].x - mean_x, 2) + (i < UNITS / 2 ? pow(c[i].x - mean_x, 2) : 0);
    vx /= (1.5 * UNITS - 1) * 1.5 * UNITS;
    struct cuped k = cuped_regress(&st, &sc);
    struct estimate e = contrast_difference(&k.adjusted);
    ck_assert(k.adjusted.answered);
    ck_assert_double_eq_tol(k.adjusted.treatment, at, 1e-9);
    ck_assert_double_eq_tol(k.adjusted.control, ac, 1e-9);
    double resid = rt / (UNITS - 2) / UNITS + rc / (UNITS / 2 - 2) / (UNITS / 2);
    ck_assert_double_eq_tol(k.var_resid, resid, 1e-10);
    ck_assert_double_eq_tol(e.variance, resid + (bt - bc) * (bt - bc) * vx, 1e-10);
    ck_assert_double_eq_tol(k.variance_ratio, e.variance / k.variance_plain, 1e-9);
    ck_assert_double_lt(k.variance_ratio, 0.5);
    ck_assert_double_eq_tol(across_phases(ACROSS_CUPED, &st, &sc, 1).variance_ratio, k.variance_ratio, 1e-9);
}
END_TEST

START_TEST(cuped_without_a_use)
{
    struct unit t[UNITS], c[UNITS];
    draw(t, UNITS, 0, 4, 3);
    draw(c, UNITS, 0, 4, 4);
    for (size_t i = 0; i < UNITS; i++)
        t[i].x = c[i].x = 0.1; /* S_xx = 0: θ = 0, the plain means */
    struct arm_sums st = sums_of(t, UNITS), sc = sums_of(c, UNITS);
    struct cuped k = cuped_regress(&st, &sc);
    ck_assert(k.theta_treatment == 0 && k.theta_control == 0);
    ck_assert_double_eq_tol(k.adjusted.treatment, st.sum / st.n, 1e-12);
    ck_assert_double_eq_tol(k.variance_ratio, 1, 1e-12);
    /* a covariate that tells everything leaves no variance */
    draw(t, UNITS, 0, 4, 5);
    draw(c, UNITS, 0, 4, 6);
    for (size_t i = 0; i < UNITS; i++) {
        t[i].y = 2 * t[i].x + 1;
        c[i].y = 2 * c[i].x;
    }
    st = sums_of(t, UNITS);
    sc = sums_of(c, UNITS);
    k = cuped_regress(&st, &sc);
    ck_assert_double_eq_tol(contrast_difference(&k.adjusted).value, 1, 1e-9);
    ck_assert_double_lt(k.variance_ratio, 1e-12);
    struct arm_sums two = sums_of(t, 2), none = {0};
    ck_assert(cuped_regress(&two, &sc).adjusted.missing == STAT_NO_UNITS);
    ck_assert(cuped_regress(&st, &none).adjusted.missing == STAT_NO_UNITS);
    none = st;
    none.sum_xx = NAN;
    k = cuped_regress(&st, &none);
    ck_assert(k.adjusted.missing == STAT_BAD_SUMS && k.variance_ratio == 1);
}
END_TEST

/* The delta method is the plain variance of the linearised units (y - R d) / d̄. */
START_TEST(ratio_is_linearised)
{
    struct unit t[UNITS], c[UNITS];
    struct asympcs_rule rule = {0.05, 1000, ASYMPCS_BOTH};
    draw(t, UNITS, 1, 4, 7);
    draw(c, UNITS, 1, 4, 8);
    struct arm_sums st = sums_of(t, UNITS), sc = sums_of(c, UNITS);
    double r = st.sum / st.sum_d, v = 0;
    for (size_t i = 0; i < UNITS; i++)
        v += pow((t[i].y - r * t[i].d) / (st.sum_d / UNITS), 2) / (UNITS - 1);
    ck_assert_double_eq_tol(ratio_unit_variance(&st), v, 1e-10);
    ck_assert_double_gt(ratio_strength(&st), 5);
    struct contrast k = ratio_contrast(&st, &sc);
    struct asympcs d = ratio_difference(&st, &sc, 1, &rule);
    ck_assert(k.answered && d.answered && !d.fieller);
    ck_assert_double_eq_tol(k.var_treatment, v / UNITS, 1e-12);
    ck_assert_double_eq_tol(d.estimate, r - sc.sum / sc.sum_d, 1e-12);
}
END_TEST

/* d̄ within five errors of 0: both arms' Fieller intervals, each at α/2. */
START_TEST(weak_denominators_take_fieller)
{
    struct unit t[UNITS], c[UNITS];
    struct asympcs_rule rule = {0.05, 800, ASYMPCS_BOTH}, half = {0.025, 800, ASYMPCS_BOTH};
    draw(t, UNITS, 1, 0.21, 9);
    draw(c, UNITS, 1, 4, 10);
    struct arm_sums st = sums_of(t, UNITS), sc = sums_of(c, UNITS);
    ck_assert_double_lt(ratio_strength(&st), 5);
    ck_assert_double_gt(ratio_strength(&st), asympcs_multiplier(&half, 2 * UNITS));
    struct asympcs d = ratio_difference(&st, &sc, 1, &rule), l = ratio_relative(&st, &sc, 1, &rule);
    ck_assert(d.answered && d.fieller && l.answered && l.fieller);
    /* the ends, by looking for where (ȳ - R d̄)² = m² Var(ȳ - R d̄) */
    double m = asympcs_multiplier(&half, 2 * UNITS), ends[2][2];
    const struct unit *arms[] = {t, c};
    const struct arm_sums *sums[] = {&st, &sc};
    for (int a = 0; a < 2; a++)
        for (int side = 0; side < 2; side++) {
            double in = sums[a]->sum / sums[a]->sum_d, out = side ? 1e6 : -1e6;
            for (int i = 0; i < 200; i++) {
                double mid = 0.5 * (in + out), mean = (sums[a]->sum - mid * sums[a]->sum_d) / UNITS, v = 0;
                for (size_t k = 0; k < UNITS; k++)
                    v += pow(arms[a][k].y - mid * arms[a][k].d - mean, 2) / (UNITS - 1) / UNITS;
                *(mean * mean <= m * m * v ? &in : &out) = mid;
            }
            ends[a][side] = in;
        }
    ck_assert_double_eq_tol(d.low, ends[0][0] - ends[1][1], 1e-6);
    ck_assert_double_eq_tol(d.high, ends[0][1] - ends[1][0], 1e-6);
    ck_assert(ends[0][0] > 0 && ends[1][0] > 0);
    ck_assert_double_eq_tol(l.low, ends[0][0] / ends[1][1] - 1, 1e-6);
    ck_assert_double_eq_tol(l.high, ends[0][1] / ends[1][0] - 1, 1e-6);
    /* far wider than the delta method would have it, and not around the estimate */
    ck_assert_double_gt(d.high - d.estimate, 1.5 * (d.estimate - d.low));
}
END_TEST

START_TEST(ratio_without_a_denominator)
{
    struct unit t[UNITS], c[UNITS];
    struct asympcs_rule rule = {0.05, 800, ASYMPCS_GREATER};
    draw(t, UNITS, 1, 4, 11);
    draw(c, UNITS, 1, 0.02, 12);
    struct arm_sums st = sums_of(t, UNITS), sc = sums_of(c, UNITS), zero = st;
    struct asympcs d = ratio_difference(&st, &sc, 1, &rule);
    ck_assert(!d.answered && d.missing == STAT_WEAK_DENOMINATOR && isinf(d.high) && isinf(d.low) && d.p == 1);
    zero.sum_d = zero.sum_dd = zero.sum_yd = 0;
    d = ratio_difference(&st, &zero, 1, &rule);
    ck_assert(!d.answered && d.missing == STAT_NO_DENOMINATOR);
    ck_assert(ratio_relative(&zero, &st, 1, &rule).missing == STAT_NO_DENOMINATOR);
    /* in another phase the same arm says nothing and spoils nothing */
    struct arm_sums ts[] = {st, st}, cs[] = {st, zero};
    ck_assert(ratio_difference(ts, cs, 2, &rule).answered);
    /* everyone has one and the same denominator: the mean */
    struct arm_sums ones = st;
    ones.sum_d = ones.sum_dd = ones.n;
    ones.sum_yd = ones.sum;
    struct contrast k = ratio_contrast(&ones, &ones), mean = across_one(ACROSS_MEAN, &ones, &ones);
    ck_assert_double_eq_tol(k.treatment, mean.treatment, 1e-12);
    ck_assert_double_eq_tol(k.var_treatment, mean.var_treatment, 1e-12);
}
END_TEST

/* A negative control: the lift is relative to its size, so a larger (less negative) treatment is a rise. */
START_TEST(negative_ratios)
{
    struct unit t[UNITS], c[UNITS];
    struct asympcs_rule rule = {0.05, 800, ASYMPCS_BOTH};
    draw(t, UNITS, 1, 4, 13);
    draw(c, UNITS, 1, 0.21, 14);
    struct arm_sums st = sums_of(t, UNITS), sc = sums_of(c, UNITS), mt = st, mc = sc;
    mt.sum = -mt.sum;
    mt.sum_yd = -mt.sum_yd;
    mc.sum = -mc.sum;
    mc.sum_yd = -mc.sum_yd;
    struct asympcs up = ratio_relative(&st, &sc, 1, &rule), down = ratio_relative(&mt, &mc, 1, &rule);
    ck_assert(up.answered && up.fieller && down.answered);
    ck_assert_double_eq_tol(up.low, -down.high, 1e-9);
    ck_assert_double_eq_tol(up.high, -down.low, 1e-9);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("effects");
    tcase_add_test(t, cuped_is_the_regression);
    tcase_add_test(t, cuped_without_a_use);
    tcase_add_test(t, ratio_is_linearised);
    tcase_add_test(t, weak_denominators_take_fieller);
    tcase_add_test(t, ratio_without_a_denominator);
    tcase_add_test(t, negative_ratios);
    return run_case("effects", t);
}
