/* Uplift per segment and along a number: against the methods they are made of, White's variance from the
 * units one by one, gates, and input that is none. */
#include <math.h>
#include <stdlib.h>

#include "stats/uplift.h"
#include "suite.h"

#define UNITS 4000

static const struct asympcs_rule rule = {0.05, 20000, ASYMPCS_BOTH};

static void near(double got, double want, double rel)
{
    ck_assert_msg(fabs(got - want) <= rel * fmax(1e-9, fabs(want)), "%.17g is not %.17g", got, want);
}

static double uniform(unsigned *seed)
{
    return rand_r(seed) / (RAND_MAX + 1.0);
}

static struct arm_sums rate(double n, double events)
{
    return (struct arm_sums){.n = n, .sum = events, .sum_sq = events, .amounts = events};
}

START_TEST(who_gains)
{
    struct arm_sums t[4] = {rate(5000, 900), rate(5000, 510), rate(5000, 500), rate(60, 9)};
    struct arm_sums c[4] = {rate(5000, 500), rate(5000, 500), rate(5000, 505), rate(60, 2)};
    struct segment s[4];
    struct uplift u[4];
    for (int i = 0; i < 4; i++)
        s[i] = (struct segment){&t[i], &c[i]};
    ck_assert_uint_eq(uplift_segments(ACROSS_PROPORTION, s, 4, 1, &rule, u), 1);
    ck_assert(u[0].rejected && u[0].low > 0 && !u[1].rejected && !u[2].rejected);
    near(u[0].effect, 0.08, 1e-12);
    struct asympcs want = across_difference(ACROSS_PROPORTION, &t[1], &c[1], 1, &rule);
    near(u[1].low, want.low, 1e-12);
    near(u[1].ln_e, want.ln_e, 1e-12);
    ck_assert(!u[3].answered && u[3].missing == STAT_FEW_EVENTS && u[3].effect == 0);
    ck_assert(u[3].have == 2 && u[3].needed == 20 && u[3].units == 120);
}
END_TEST

/* Many segments without an effect: each alone would pass, together they share one level. */
START_TEST(many_segments_share_a_level)
{
    enum { K = 40 };
    struct arm_sums t[K], c[K];
    struct segment s[K];
    struct uplift alone, u[K];
    for (int i = 0; i < K; i++) {
        t[i] = rate(10000, 1000);
        c[i] = rate(10000, 1000);
        s[i] = (struct segment){&t[i], &c[i]};
    }
    t[0] = rate(10000, 1145);
    ck_assert_uint_eq(uplift_segments(ACROSS_PROPORTION, s, 1, 1, &rule, &alone), 1);
    ck_assert_uint_eq(uplift_segments(ACROSS_PROPORTION, s, K, 1, &rule, u), 0);
    near(u[0].ln_e, alone.ln_e, 1e-12);
}
END_TEST

START_TEST(segments_of_nonsense)
{
    struct arm_sums t = rate(NAN, 1), c = {.n = 0};
    struct segment s = {&t, &c};
    struct uplift u;
    ck_assert_uint_eq(uplift_segments(ACROSS_PROPORTION, &s, 1, 1, &rule, &u), 0);
    ck_assert(!u.answered && u.p == 1 && u.ln_e == 0 && isinf(u.low) && isinf(u.high));
    uplift_segments(ACROSS_RATIO, &s, 1, 1, &rule, &u);
    ck_assert_int_eq(u.missing, STAT_BAD_RULE);
    struct asympcs_rule one_sided = {0.05, 20000, ASYMPCS_GREATER};
    uplift_segments(ACROSS_PROPORTION, &s, 1, 1, &one_sided, &u);
    ck_assert_int_eq(u.missing, STAT_BAD_RULE);
    ck_assert_uint_eq(uplift_segments(ACROSS_PROPORTION, NULL, 0, 1, &rule, NULL), 0);
}
END_TEST

/* y = 1 + 0.5 x, plus in treatment 1 + gain x, with noise that grows with x. */
static struct uplift_sums arm(double *xs, double *ys, size_t n, double gain, unsigned seed)
{
    struct uplift_sums s = {0};
    for (size_t i = 0; i < n; i++) {
        xs[i] = 3 * uniform(&seed) - 1;
        ys[i] = 1 + (0.5 + gain) * xs[i] + (uniform(&seed) - 0.5) * (1 + fabs(xs[i]));
        uplift_add(&s, xs[i], ys[i]);
    }
    return s;
}

/* The slope and White's variance from the units. */
static double slope_of(const double *xs, const double *ys, size_t n, double *variance)
{
    double mx = 0, my = 0, sxx = 0, sxy = 0, meat = 0;
    for (size_t i = 0; i < n; i++) {
        mx += xs[i] / (double)n;
        my += ys[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        sxx += (xs[i] - mx) * (xs[i] - mx);
        sxy += (xs[i] - mx) * (ys[i] - my);
    }
    for (size_t i = 0; i < n; i++)
        meat += pow((xs[i] - mx) * (ys[i] - my - sxy / sxx * (xs[i] - mx)), 2);
    *variance = meat / sxx / sxx * (double)n / (double)(n - 2);
    return sxy / sxx;
}

START_TEST(the_interaction_is_the_regression)
{
    static double xt[UNITS], yt[UNITS], xc[UNITS], yc[UNITS];
    struct uplift_sums t = arm(xt, yt, UNITS, 0.3, 1), c = arm(xc, yc, UNITS, 0, 2);
    double vt, vc, bt = slope_of(xt, yt, UNITS, &vt), bc = slope_of(xc, yc, UNITS, &vc);
    struct uplift u;
    ck_assert_uint_eq(uplift_interactions(&t, &c, 1, 1, &rule, &u), 1);
    ck_assert(u.answered && u.rejected && u.low < 0.3 && 0.3 < u.high);
    near(u.treatment, bt, 1e-9);
    near(u.effect, bt - bc, 1e-9);
    near(u.std_error, sqrt(vt + vc), 1e-9);
    ck_assert_double_eq(u.units, 2 * UNITS);
}
END_TEST

START_TEST(no_interaction_where_the_effect_is_the_same)
{
    static double x[UNITS], y[UNITS];
    struct uplift_sums t[6], c[6];
    struct uplift u[3];
    for (unsigned f = 0; f < 6; f++) { /* three features, two phases */
        t[f] = arm(x, y, UNITS, 0, 10 + f);
        c[f] = arm(x, y, UNITS, 0, 20 + f);
    }
    ck_assert_uint_eq(uplift_interactions(t, c, 3, 2, &rule, u), 0);
    for (int f = 0; f < 3; f++) {
        ck_assert(u[f].answered && u[f].low < 0 && u[f].high > 0);
        ck_assert_double_eq(u[f].units, 4 * UNITS);
    }
}
END_TEST

START_TEST(interactions_of_nonsense)
{
    static double x[UNITS], y[UNITS];
    struct uplift_sums good = arm(x, y, UNITS, 0, 3), flat = {0}, few = {0}, bad = {0};
    struct uplift u;
    for (int i = 0; i < 500; i++)
        uplift_add(&flat, 0.1, i % 2);
    for (int i = 0; i < 50; i++)
        uplift_add(&few, i, i % 2);
    for (int i = 0; i < 500; i++)
        uplift_add(&bad, i, i == 7 ? NAN : 1);
    ck_assert_uint_eq(uplift_interactions(&flat, &good, 1, 1, &rule, &u), 0);
    ck_assert(!u.answered && u.missing == STAT_NO_VARIANCE && u.effect == 0);
    uplift_interactions(&few, &good, 1, 1, &rule, &u);
    ck_assert_int_eq(u.missing, STAT_NO_UNITS);
    uplift_interactions(&bad, &good, 1, 1, &rule, &u);
    ck_assert_int_eq(u.missing, STAT_BAD_SUMS);
    uplift_interactions(&good, &good, 1, 0, &rule, &u);
    ck_assert(!u.answered && u.missing == STAT_NO_UNITS);
    struct asympcs_rule one_sided = {0.05, 20000, ASYMPCS_LESSER};
    uplift_interactions(&good, &good, 1, 1, &one_sided, &u);
    ck_assert_int_eq(u.missing, STAT_BAD_RULE);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("uplift");
    tcase_add_test(tc, who_gains);
    tcase_add_test(tc, many_segments_share_a_level);
    tcase_add_test(tc, segments_of_nonsense);
    tcase_add_test(tc, the_interaction_is_the_regression);
    tcase_add_test(tc, no_interaction_where_the_effect_is_the_same);
    tcase_add_test(tc, interactions_of_nonsense);
    return run_case("uplift", tc);
}
