/* Quantiles from buckets: the boundary against a sum over all paths, coverage of many looks, phases,
 * degenerate input. */
#include <math.h>
#include <stdlib.h>

#include "stats/quantile.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define BUCKETS (2 * BUCKET_LAST + 1)

/* A histogram one can add values to. */
struct histogram {
    struct bucket_count b[BUCKETS];
};

static void clear(struct histogram *h)
{
    for (int i = 0; i < BUCKETS; i++)
        h->b[i] = (struct bucket_count){i - BUCKET_LAST, 0};
}

static void put(struct histogram *h, double millionths)
{
    h->b[bucket_of(millionths) + BUCKET_LAST].n++;
}

static struct arm_sums arm_of(const struct histogram *h)
{
    return (struct arm_sums){.buckets = h->b, .bucket_count = BUCKETS};
}

static double uniform(unsigned *state)
{
    return (rand_r(state) + 0.5) / (RAND_MAX + 1.0);
}

/* Under F = p the mean of M over the binomial count is 1. */
START_TEST(a_fair_game)
{
    for (int64_t n = 1; n < 60; n += 7)
        for (double p = 0.05; p < 1; p += 0.3)
            for (double c = 0.5; c < 1000; c *= 9) {
                double mean = 0;
                for (int64_t s = 0; s <= n; s++) {
                    double ln_choose =
                        lgamma((double)n + 1) - lgamma((double)s + 1) - lgamma((double)(n - s) + 1);
                    mean += exp(ln_choose + (double)s * log(p) + (double)(n - s) * log1p(-p) +
                                quantile_log_e(s, n, p, c));
                }
                ck_assert_double_eq_tol(mean, 1, 1e-9);
            }
}
END_TEST

/* Exponential values, whose quantiles are known, looked at every 50 units: at most 5 % of the intervals may
 * ever miss, and they close in. */
START_TEST(holds_at_every_look)
{
    static struct histogram h;
    struct quantile_rule rule = {0.9, 0.05, 4000};
    double truth = -log(0.1) * 1e6, weight = 1;
    int missed = 0;
    unsigned seed = 5;
    for (int run = 0; run < 200; run++) {
        bool out = false;
        clear(&h);
        struct arm_sums a = arm_of(&h);
        struct quantile q = {0};
        for (int n = 1; n <= 2000; n++) {
            put(&h, -log(uniform(&seed)) * 1e6);
            if (n % 50)
                continue;
            q = quantile_arm(&a, &weight, 1, &rule);
            ck_assert(q.answered && q.low <= q.estimate && q.estimate <= q.high);
            out = out || truth < q.low || truth > q.high;
        }
        missed += out;
        ck_assert(q.low > 1.6e6 && q.high < 3.2e6);
        ck_assert_double_eq_tol(q.estimate, truth, 0.4e6);
    }
    ck_assert_msg(missed <= 10, "%d of 200", missed);
}
END_TEST

/* ln M as the formula stands. */
static double plain(double s, double n, double p, double c)
{
    double a = c * p, b = c * (1 - p);
    return lgamma(a + s) + lgamma(b + n - s) - lgamma(c + n) + lgamma(c) - lgamma(a) - lgamma(b) -
           s * log(p) - (n - s) * log1p(-p);
}

/* One phase: the edges that the formula leaves, for each arm, and the difference from both at α/2. */
START_TEST(interval_is_what_the_formula_leaves)
{
    static struct histogram h[2];
    double weight = 1, ends[2][2];
    unsigned seed = 21;
    struct quantile_rule rule = {0.3, 0.04, 3000}, half = {0.3, 0.02, 3000};
    double y = -2 * log(0.02), c = 3000 / (y + log(1 + y));
    for (int a = 0; a < 2; a++) {
        clear(&h[a]);
        for (int i = 0; i < 500 + 900 * a; i++)
            put(&h[a], (uniform(&seed) * 10 - 2 + a) * 1e6);
        double n = 500 + 900 * a, s = 0, unused;
        ends[a][0] = -INFINITY;
        ends[a][1] = INFINITY;
        for (int i = 0; i < BUCKETS; i++) {
            s += (double)h[a].b[i].n;
            bool out = plain(s, n, 0.3, c) >= log(1 / 0.02);
            if (out && s < 0.3 * n)
                bucket_range(i - BUCKET_LAST, &unused, &ends[a][0]);
            if (out && s > 0.3 * n && isinf(ends[a][1]))
                bucket_range(i - BUCKET_LAST, &unused, &ends[a][1]);
        }
        struct arm_sums arm = arm_of(&h[a]);
        struct quantile q = quantile_arm(&arm, &weight, 1, &half);
        ck_assert(q.low == ends[a][0] && q.high == ends[a][1] && q.high - q.low < 3e6);
    }
    struct arm_sums t = arm_of(&h[1]), k = arm_of(&h[0]);
    struct quantile d = quantile_difference(&t, &k, 1, &rule);
    ck_assert(d.low == ends[1][0] - ends[0][1] && d.high == ends[1][1] - ends[0][0]);
}
END_TEST

/* Zeros in one phase, 20 against 10 in the other; both arms are weighted by the units of both. */
START_TEST(phases_are_weighted_by_both_arms)
{
    struct bucket_count zeros[] = {{0, 900}}, few[] = {{0, 100}}, tens[] = {{bucket_of(10e6), 500}},
                        more[] = {{bucket_of(20e6), 500}};
    struct arm_sums t[] = {{.buckets = few, .bucket_count = 1}, {.buckets = more, .bucket_count = 1}};
    struct arm_sums c[] = {{.buckets = zeros, .bucket_count = 1}, {.buckets = tens, .bucket_count = 1}};
    struct quantile_rule below = {0.48, 0.05, 1000}, above = {0.52, 0.05, 1000};
    double w[] = {1000, 1000};
    ck_assert_double_eq(quantile_arm(t, w, 2, &below).estimate, 0);
    ck_assert_double_gt(quantile_arm(t, w, 2, &above).estimate, 18e6);
    ck_assert_double_eq(quantile_difference(t, c, 2, &below).estimate, 0);
    struct quantile d = quantile_difference(t, c, 2, &above);
    ck_assert(d.answered && fabs(d.estimate - 10e6) < 2e6);
}
END_TEST

START_TEST(mirrors)
{
    static struct histogram h, m;
    double weight = 3;
    unsigned seed = 9;
    clear(&h);
    clear(&m);
    for (int i = 0; i < 3000; i++) {
        double y = (-log(uniform(&seed)) - 0.3) * 1e6;
        put(&h, y);
        put(&m, -y);
    }
    struct arm_sums a = arm_of(&h), b = arm_of(&m);
    for (double p = 0.1; p < 0.95; p += 0.2) {
        struct quantile_rule up = {p, 0.05, 4000}, down = {1 - p, 0.05, 4000};
        struct quantile q = quantile_arm(&a, &weight, 1, &up), r = quantile_arm(&b, &weight, 1, &down);
        ck_assert_double_eq_tol(q.low, -r.high, 1e-3);
        ck_assert_double_eq_tol(q.high, -r.low, 1e-3);
        ck_assert_double_eq_tol(q.estimate, -r.estimate, 1e-3 * fabs(q.estimate));
    }
}
END_TEST

/* Treatment three times as large; then the same under a ramp with a drift that pooling would take for an
 * effect. */
START_TEST(differences_and_phases)
{
    static struct histogram t[2], c[2];
    struct quantile_rule rule = {0.5, 0.05, 20000};
    unsigned seed = 11;
    for (int k = 0; k < 2; k++) {
        clear(&t[k]);
        clear(&c[k]);
    }
    for (int i = 0; i < 4000; i++) {
        put(&t[0], -log(uniform(&seed)) * 3e6);
        put(&c[0], -log(uniform(&seed)) * 1e6);
    }
    struct arm_sums ta = arm_of(&t[0]), ca = arm_of(&c[0]);
    struct quantile q = quantile_difference(&ta, &ca, 1, &rule);
    ck_assert(q.answered && q.low > 0 && q.low < q.estimate && q.estimate < q.high && q.n == 8000);
    ck_assert_double_eq_tol(q.estimate, log(2) * 2e6, 0.2e6);
    clear(&t[0]);
    clear(&c[0]);
    for (int i = 0; i < 10000; i++) { /* no effect; large values while treatment is small */
        put(i < 500 ? &t[0] : &c[0], -log(uniform(&seed)) * 20e6);
        put(i < 5000 ? &t[1] : &c[1], -log(uniform(&seed)) * 1e6);
    }
    struct arm_sums ts[] = {arm_of(&t[0]), arm_of(&t[1])}, cs[] = {arm_of(&c[0]), arm_of(&c[1])};
    q = quantile_difference(ts, cs, 2, &rule);
    ck_assert(q.answered && q.low < 0 && q.high > 0 && isfinite(q.low) && isfinite(q.high));
    ck_assert_double_eq_tol(q.estimate, 0, 0.6e6);
    static struct histogram pool_t, pool_c;
    for (int i = 0; i < BUCKETS; i++) {
        pool_t.b[i] = (struct bucket_count){i - BUCKET_LAST, t[0].b[i].n + t[1].b[i].n};
        pool_c.b[i] = (struct bucket_count){i - BUCKET_LAST, c[0].b[i].n + c[1].b[i].n};
    }
    ta = arm_of(&pool_t);
    ca = arm_of(&pool_c);
    ck_assert_double_lt(quantile_difference(&ta, &ca, 1, &rule).high, 0);
}
END_TEST

START_TEST(degenerate)
{
    struct bucket_count one[] = {{0, 1}}, zeros[] = {{0, 1000000}}, far[] = {{-402, 500}, {402, 500}},
                        bad[] = {{90, -5}, {91, INT64_MIN}},
                        huge[] = {{-402, INT64_MAX}, {0, INT64_MAX}, {9, 5}},
                        beyond[] = {{-100000, 3}, {100000, 4}};
    struct arm_sums arms[] = {{.n = 0},
                              {.buckets = one, .bucket_count = 1},
                              {.buckets = zeros, .bucket_count = 1},
                              {.buckets = far, .bucket_count = 2},
                              {.buckets = bad, .bucket_count = 2},
                              {.buckets = huge, .bucket_count = 3},
                              {.buckets = beyond, .bucket_count = 2}};
    static const double numbers[] = {0.5, 0.05, 1000, 0, 1, -1, 1e300, 1e-300, NAN, INFINITY};
    const size_t k = COUNT(numbers);
    for (size_t i = 0; i < k * k * k; i++) {
        struct quantile_rule r = {numbers[i % k], numbers[i / k % k], numbers[i / k / k]};
        for (size_t a = 0; a < COUNT(arms); a++) {
            const struct arm_sums two[] = {arms[a], arms[(a + i) % COUNT(arms)]};
            double w[] = {numbers[i % k], numbers[i / k / k]};
            struct quantile q[] = {quantile_arm(&arms[a], w, 1, &r), quantile_arm(two, w, 2, &r),
                                   quantile_difference(&arms[a], &arms[2], 1, &r)};
            for (size_t j = 0; j < COUNT(q); j++) {
                ck_assert(isfinite(q[j].estimate) && isfinite(q[j].n) && !isnan(q[j].low) &&
                          !isnan(q[j].high));
                ck_assert_int_eq(q[j].answered, q[j].missing == STAT_COMPLETE);
                ck_assert(q[j].answered ? q[j].low <= q[j].high : isinf(q[j].low) && isinf(q[j].high));
            }
        }
    }
    struct quantile_rule r = {0.5, 0.05, 1000};
    double w = 1;
    struct quantile q = quantile_arm(&arms[2], &w, 1, &r);
    ck_assert(q.answered && q.low == 0 && q.high == 0 && q.estimate == 0);
    q = quantile_arm(&arms[1], &w, 1, &r);
    ck_assert(q.answered && isinf(q.low) && isinf(q.high));
    ck_assert(quantile_arm(&arms[0], &w, 1, &r).missing == STAT_NO_BUCKETS);
    ck_assert(quantile_arm(&arms[4], &w, 1, &r).missing == STAT_NO_BUCKETS);
    ck_assert(quantile_difference(&arms[0], &arms[2], 1, &r).missing == STAT_NO_BUCKETS);
    ck_assert(quantile_difference(NULL, NULL, 0, &r).missing == STAT_NO_BUCKETS);
    r.p = 1;
    ck_assert(quantile_arm(&arms[2], &w, 1, &r).missing == STAT_BAD_RULE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("quantile");
    tcase_add_test(t, a_fair_game);
    tcase_add_test(t, holds_at_every_look);
    tcase_add_test(t, interval_is_what_the_formula_leaves);
    tcase_add_test(t, phases_are_weighted_by_both_arms);
    tcase_add_test(t, mirrors);
    tcase_add_test(t, differences_and_phases);
    tcase_add_test(t, degenerate);
    return run_case("quantile", t);
}
