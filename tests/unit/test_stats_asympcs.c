/* AsympCS, its gate and the phases: identities, brute force, coverage of many looks, degenerate input. */
#include <math.h>
#include <stdlib.h>

#include "stats/gate.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct arm_sums share(double n, double events)
{
    return (struct arm_sums){.n = n, .sum = events, .sum_sq = events};
}

static const struct asympcs_rule rules[] = {{0.05, 1000, ASYMPCS_BOTH},
                                            {0.05, 1000, ASYMPCS_GREATER},
                                            {0.01, 1e6, ASYMPCS_LESSER},
                                            {0.2, 50, ASYMPCS_BOTH}};

/* H is the log of the normal mixture: the integral of N(u; 0, x) exp(z u - u²/2) by the trapezoid rule. */
START_TEST(h_is_a_mixture)
{
    for (double z = -4; z <= 4; z += 1)
        for (double x = 0.01; x < 200; x *= 7) {
            double both = 0, upper = 0, step = 0.001;
            for (int i = -60000; i <= 60000; i++) {
                double u = i * step,
                       f = exp(z * u - 0.5 * u * u - 0.5 * u * u / x) / sqrt(2 * M_PI * x) * step;
                both += f;
                upper += i > 0 ? 2 * f : i == 0 ? f : 0;
            }
            ck_assert_double_eq_tol(asympcs_h(z, x), log(both), 1e-9);
            /* the one-sided test mixes over the upper half */
            struct estimate e = {.answered = true, .value = z, .variance = 1, .n = 100};
            struct asympcs_rule r = {0.05, 0, ASYMPCS_GREATER};
            double y = -2 * log(0.1);
            r.n_star = (y + log(1 + y)) * 100 / x;
            ck_assert_double_eq_tol(asympcs_interval(&e, &r).ln_e, log(upper), 1e-5);
        }
}
END_TEST

/* The interval leaves out a value exactly when the test of that value has p < α. */
START_TEST(interval_and_p_agree)
{
    for (size_t k = 0; k < COUNT(rules); k++)
        for (double n = 1; n < 1e7; n *= 13) {
            struct estimate e = {.answered = true, .value = 0.3, .variance = 4 / n, .n = n};
            struct asympcs a = asympcs_interval(&e, &rules[k]);
            double edges[] = {a.low, a.high};
            ck_assert(a.answered && a.low < a.estimate && a.estimate < a.high);
            for (int i = 0; i < 2; i++) {
                if (isinf(edges[i]))
                    continue;
                struct estimate moved = e;
                moved.value = e.value - edges[i]; /* 0 lies on the edge */
                ck_assert_double_eq_tol(asympcs_interval(&moved, &rules[k]).p, rules[k].alpha, 1e-9);
            }
        }
}
END_TEST

/* The one-sided bound is never inside of what the exact mixture excludes. */
START_TEST(one_sided_bound_is_safe)
{
    struct asympcs_rule r = rules[1];
    for (double n = 5; n < 1e6; n *= 3) {
        struct estimate e = {.answered = true, .value = asympcs_multiplier(&r, n), .variance = 1, .n = n};
        ck_assert_double_ge(asympcs_interval(&e, &r).ln_e, log(1 / r.alpha));
    }
}
END_TEST

START_TEST(tightest_near_n_star)
{
    double y = -2 * log(0.05) + log(1 - 2 * log(0.05));
    ck_assert_double_eq_tol(y, 7.936, 0.001);
    for (double n_star = 100; n_star < 1e6; n_star *= 10) {
        struct asympcs_rule r = {0.05, n_star, ASYMPCS_BOTH};
        double best = asympcs_multiplier(&r, n_star);
        for (double other = n_star / 8; other < n_star * 9; other *= 2) {
            struct asympcs_rule o = {0.05, other, ASYMPCS_BOTH};
            ck_assert_double_ge(asympcs_multiplier(&o, n_star), 0.99 * best);
        }
    }
}
END_TEST

/* The relative lift by the delta method against the same arithmetic in steps of its derivative. */
START_TEST(relative_lift)
{
    struct contrast c = {true, STAT_COMPLETE, 5000, 3.3, 3.0, 0.01, 0.02, 0.005};
    struct estimate e = contrast_relative(&c);
    double h = 1e-6, dt = (3.3 + h) / 3.0 - 3.3 / 3.0, dc = 3.3 / (3.0 + h) - 3.3 / 3.0;
    dt /= h;
    dc /= h;
    ck_assert_double_eq_tol(e.value, 0.1, 1e-12);
    ck_assert_double_eq_tol(e.variance, dt * dt * 0.01 + 2 * dt * dc * 0.005 + dc * dc * 0.02, 1e-8);
    /* turned to a negative control the lift turns with it */
    struct contrast negative = {true, STAT_COMPLETE, 5000, -3.3, -3.0, 0.01, 0.02, 0.005};
    ck_assert_double_eq_tol(contrast_relative(&negative).value, -0.1, 1e-12);
    struct asympcs a = asympcs_relative(&c, &rules[0]), b = asympcs_relative(&negative, &rules[0]);
    ck_assert(!a.fieller && a.answered);
    ck_assert_double_eq_tol(a.low, -b.high, 1e-9);
}
END_TEST

/* Fieller's interval is the set that its definition says. */
START_TEST(fieller_is_its_definition)
{
    struct contrast c = {true, STAT_COMPLETE, 5000, 2.0, 1.0, 0.09, 0.04, 0.02};
    double low, high, m = 3;
    ck_assert(contrast_fieller(&c, m, &low, &high));
    for (double l = -10; l < 30; l += 0.01) {
        double d = c.treatment - l * c.control,
               v = c.var_treatment - 2 * l * c.covariance + l * l * c.var_control;
        if (fabs(l - low) > 0.01 && fabs(l - high) > 0.01)
            ck_assert_int_eq(d * d <= m * m * v, low <= l && l <= high);
    }
    ck_assert(!contrast_fieller(&c, 5, &low, &high) && isinf(low) && isinf(high));
    ck_assert(!contrast_fieller(&c, NAN, &low, &high) && isinf(low));
    /* the lift takes it when control is within five errors of 0 */
    struct contrast weak = {true, STAT_COMPLETE, 1000, 2.0, 1.0, 0.09, 0.05, 0};
    struct asympcs a = asympcs_relative(&weak, &rules[0]);
    ck_assert(a.answered && a.fieller && a.low < 1 && a.high - 1 > 1 - a.low);
    struct contrast hopeless = {true, STAT_COMPLETE, 1000, 2.0, 0.1, 0.09, 0.05, 0};
    a = asympcs_relative(&hopeless, &rules[0]);
    ck_assert(!a.answered && a.missing == STAT_WEAK_DENOMINATOR && a.p == 1 && a.estimate > 18);
}
END_TEST

/* Simpson: two phases without a difference; each arm's value gets the same weights. */
START_TEST(phases_are_standardised)
{
    struct arm_sums t[] = {share(500, 50), share(4000, 1600), share(0, 0)};
    struct arm_sums c[] = {share(9500, 950), share(4000, 1600), share(70, 70)};
    struct across a = across_phases(ACROSS_PROPORTION, t, c, 3);
    ck_assert(a.arms.answered && a.phases == 2 && a.left_out == 1 && a.arms.n == 18000);
    ck_assert_double_eq_tol(a.arms.treatment, (10000 * 0.1 + 8000 * 0.4) / 18000, 1e-12);
    ck_assert_double_eq_tol(a.arms.treatment, a.arms.control, 1e-12);
    /* V = Σ w² V_k */
    double w = 10000.0 / 18000, v1 = 0.09 / 500 + 0.09 / 9500, v2 = 0.24 / 2000;
    ck_assert_double_eq_tol(contrast_difference(&a.arms).variance, w * w * v1 + (1 - w) * (1 - w) * v2,
                            1e-15);
    struct asympcs d = across_difference(ACROSS_PROPORTION, t, c, 3, &rules[0]);
    ck_assert(d.answered && d.p == 1 && d.low < 0 && d.high > 0);
}
END_TEST

START_TEST(gate_counts_what_is_missing)
{
    struct arm_sums t = share(50000, 31), c = share(2000, 12);
    struct gate g = gate_judge(ACROSS_PROPORTION, &t, &c, 1);
    ck_assert(!g.open && g.missing == STAT_FEW_EVENTS && g.have == 12 && g.needed == 20);
    c = share(2000, 20);
    ck_assert(gate_judge(ACROSS_PROPORTION, &t, &c, 1).open);
    c = share(2000, 1990); /* the rare thing is not to have it */
    g = gate_judge(ACROSS_PROPORTION, &t, &c, 1);
    ck_assert(g.missing == STAT_FEW_EVENTS && g.have == 10);
    c = share(0, 0);
    ck_assert(gate_judge(ACROSS_PROPORTION, &t, &c, 1).missing == STAT_NO_UNITS);
    c = share(NAN, 0);
    ck_assert(gate_judge(ACROSS_PROPORTION, &t, &c, 1).missing == STAT_BAD_SUMS);
}
END_TEST

/* An arm of n units, one in `every` of which has the amount a. */
static struct arm_sums rare(double n, double every, double a)
{
    double k = n / every;
    return (struct arm_sums){
        .n = n, .sum = k * a, .sum_sq = k * a * a, .sum_cube = k * a * a * a, .has_cube = true, .amounts = k};
}

START_TEST(gate_of_means)
{
    struct arm_sums t = rare(100000, 2, 7), c = rare(700, 2, 7);
    struct gate g = gate_judge(ACROSS_MEAN, &t, &c, 1);
    ck_assert(g.missing == STAT_FEW_AMOUNTS && g.have == 350 && g.needed == 400);
    c = rare(1000, 2, 7);
    g = gate_judge(ACROSS_MEAN, &t, &c, 1);
    ck_assert(g.open);
    ck_assert_double_eq_tol(g.skew, 0, 1e-6);
    /* skewness of a Bernoulli variable, whatever its size: (1 - 2p)/√(p(1-p)) */
    c = rare(1000000, 2000, -7);
    g = gate_judge(ACROSS_RATIO, &t, &c, 1);
    double p = 1.0 / 2000, skew = (1 - 2 * p) / sqrt(p * (1 - p));
    ck_assert_double_eq_tol(g.skew, skew, 1e-6);
    ck_assert(!g.open && g.missing == STAT_SKEWED);
    ck_assert_double_eq_tol(g.have, 100000, 1e-6);
    ck_assert_double_eq_tol(g.needed, 355 * skew * skew, 2);
    c.has_cube = false;
    ck_assert(gate_judge(ACROSS_MEAN, &t, &c, 1).missing == STAT_SKEW_UNKNOWN);
    /* two phases far apart are each as even as before: distance between phases is no skewness */
    struct arm_sums two[] = {rare(1000, 2, 1), rare(1000, 2, 1e6)};
    g = gate_judge(ACROSS_MEAN, two, two, 2);
    ck_assert(g.open && g.skew < 1e-3);
}
END_TEST

static double uniform(unsigned *state)
{
    return rand_r(state) / (RAND_MAX + 1.0);
}

/* A share of 20 % looked at after every 50th of 6,000 units, without any effect: at most 5 % may ever
 * leave 0 out (looking so with plain 95 % intervals: over 30 %). */
START_TEST(holds_at_every_look)
{
    const int runs = 1000;
    int left = 0, plain = 0;
    unsigned seed = 20260101;
    struct asympcs_rule r = {0.05, 3000, ASYMPCS_BOTH};
    for (int i = 0; i < runs; i++) {
        struct arm_sums arms[2] = {share(0, 0), share(0, 0)};
        bool out = false, out_plain = false;
        for (int n = 1; n <= 6000; n++) {
            struct arm_sums *a = &arms[uniform(&seed) < 0.3];
            a->n++;
            a->sum += uniform(&seed) < 0.2;
            if (n % 50 || !gate_judge(ACROSS_PROPORTION, &arms[1], &arms[0], 1).open)
                continue;
            struct asympcs d = across_difference(ACROSS_PROPORTION, &arms[1], &arms[0], 1, &r);
            out = out || d.low > 0 || d.high < 0;
            out_plain = out_plain || fabs(d.estimate) > 1.96 * d.std_error;
        }
        left += out;
        plain += out_plain;
    }
    ck_assert_msg(left <= runs * 0.05, "%d of %d", left, runs);
    ck_assert_msg(plain > runs * 0.2, "%d of %d", plain, runs);
}
END_TEST

static void answers(const struct asympcs *a)
{
    ck_assert(!isnan(a->low) && !isnan(a->high) && a->p >= 0 && a->p <= 1);
    ck_assert(isfinite(a->estimate) && isfinite(a->std_error) && isfinite(a->ln_e) && isfinite(a->rho));
    ck_assert_int_eq(a->answered, a->missing == STAT_COMPLETE);
    ck_assert(a->low <= a->high);
    if (!a->answered) {
        ck_assert(isinf(a->low) && isinf(a->high) && a->p == 1 && a->ln_e == 0);
        ck_assert(stat_missing_words(a->missing)[0] != 0);
    }
}

START_TEST(degenerate)
{
    static const double values[] = {0, 3, 100, 1e15, 1e150, 1e300, -1, NAN, INFINITY};
    const size_t k = COUNT(values);
    for (int kind = ACROSS_PROPORTION; kind <= ACROSS_CUPED; kind++)
        for (size_t i = 0; i < k * k * k * k; i++) {
            double n = values[i % k], sum = values[i / k % k], sq = values[i / k / k % k],
                   d = values[i / k / k / k];
            struct arm_sums a = {.n = n,
                                 .sum = sum,
                                 .sum_sq = sq,
                                 .sum_cube = d,
                                 .has_cube = true,
                                 .amounts = sq,
                                 .sum_d = d,
                                 .sum_dd = sq,
                                 .sum_yd = sum,
                                 .sum_x = d,
                                 .sum_xx = sq,
                                 .sum_xy = d};
            struct arm_sums b = {.n = 10,
                                 .sum = 3,
                                 .sum_sq = 9,
                                 .sum_d = 5,
                                 .sum_dd = 7,
                                 .sum_yd = 3,
                                 .sum_x = 5,
                                 .sum_xx = 7,
                                 .sum_xy = 3};
            struct arm_sums t[] = {a, b}, c[] = {b, a};
            const struct asympcs_rule *r = &rules[i % COUNT(rules)];
            struct asympcs x[] = {across_difference(kind, &a, &b, 1, r), across_relative(kind, &b, &a, 1, r),
                                  across_difference(kind, t, c, 2, r), across_relative(kind, t, c, 2, r)};
            for (size_t j = 0; j < COUNT(x); j++)
                answers(&x[j]);
            struct gate g = gate_judge(kind, t, c, 2);
            ck_assert(isfinite(g.have) && isfinite(g.needed) && isfinite(g.skew));
            ck_assert_int_eq(g.open, g.missing == STAT_COMPLETE);
        }
}
END_TEST

START_TEST(says_what_is_missing)
{
    struct arm_sums some = share(100, 30), none = share(0, 0), all = share(100, 100), never = share(100, 0);
    struct asympcs_rule bad[] = {{0, 100, 0},  {1, 100, 0},    {0.6, 100, 1},       {NAN, 100, 0},
                                 {0.05, 0, 0}, {0.05, NAN, 0}, {0.05, INFINITY, 0}, {0.05, 1e-300, 0}};
    ck_assert(across_difference(ACROSS_PROPORTION, &some, &none, 1, &rules[0]).missing == STAT_NO_UNITS);
    ck_assert(across_difference(ACROSS_PROPORTION, NULL, NULL, 0, &rules[0]).missing == STAT_NO_UNITS);
    struct asympcs a = across_difference(ACROSS_PROPORTION, &all, &never, 1, &rules[0]);
    ck_assert(!a.answered && a.missing == STAT_NO_VARIANCE && a.estimate == 1);
    a = across_relative(ACROSS_PROPORTION, &some, &never, 1, &rules[0]);
    ck_assert(!a.answered && a.missing == STAT_NO_BASE);
    ck_assert(across_difference(ACROSS_PROPORTION, &some, &never, 1, &rules[0]).answered);
    for (size_t i = 0; i < COUNT(bad); i++) {
        a = across_difference(ACROSS_PROPORTION, &some, &some, 1, &bad[i]);
        answers(&a);
        ck_assert(i == 7 || a.missing == STAT_BAD_RULE);
    }
    /* a constant whose square is not exact has no variance */
    struct arm_sums tenths = {.n = 0};
    for (; tenths.n < 7; tenths.n++) {
        tenths.sum += 0.1;
        tenths.sum_sq += 0.1 * 0.1;
    }
    ck_assert(tenths.sum_sq - tenths.sum * tenths.sum / 7 != 0);
    ck_assert(across_difference(ACROSS_MEAN, &tenths, &tenths, 1, &rules[0]).missing == STAT_NO_VARIANCE);
    /* one outcome of 1e15 is an answer */
    struct arm_sums whale = {.n = 1000, .sum = 1e15, .sum_sq = 1e30};
    a = across_difference(ACROSS_MEAN, &whale, &some, 1, &rules[0]);
    ck_assert(a.answered && a.p == 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("asympcs");
    tcase_add_test(t, h_is_a_mixture);
    tcase_add_test(t, interval_and_p_agree);
    tcase_add_test(t, one_sided_bound_is_safe);
    tcase_add_test(t, tightest_near_n_star);
    tcase_add_test(t, relative_lift);
    tcase_add_test(t, fieller_is_its_definition);
    tcase_add_test(t, phases_are_standardised);
    tcase_add_test(t, gate_counts_what_is_missing);
    tcase_add_test(t, gate_of_means);
    tcase_add_test(t, holds_at_every_look);
    tcase_add_test(t, degenerate);
    tcase_add_test(t, says_what_is_missing);
    return run_case("asympcs", t);
}
