/* Thompson shares: P(best) against numbers worked out at 25 digits and closed forms, and what must hold of
 * any posteriors; shares in parts per million; posteriors from sums. */
#include <math.h>
#include <stdlib.h>

#include "stats/special.h"
#include "stats/thompson.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static double uniform(unsigned *seed)
{
    return rand_r(seed) / (RAND_MAX + 1.0);
}

static void near(double got, double want, double tolerance)
{
    ck_assert_msg(fabs(got - want) <= tolerance, "%.17g is not %.17g", got, want);
}

static double sum_of(const double *w, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++) {
        ck_assert(w[i] >= 0 && w[i] <= 1);
        sum += w[i];
    }
    return sum;
}

START_TEST(rates_known_elsewhere)
{
    static const struct {
        struct thompson_rate arms[3];
        size_t k;
        double want[3];
    } cases[] = {
        {{{1, 1}, {2, 1}}, 2, {1.0 / 3, 2.0 / 3}},
        {{{1, 50}, {3, 60}, {1, 2}}, 3, {0.014705358149699, 0.083605748923634, 0.90168889292667}},
        {{{0.5, 0.5}, {1, 1}, {2, 3}}, 3, {0.42578125, 0.37421875, 0.2}},
        {{{0.05, 2}, {1, 400}, {3, 1000}}, 3, {0.21037250486137, 0.29029112774587, 0.49933636739276}},
        {{{20001, 980001}, {20101, 979901}}, 2, {1 - 0.69302812892252, 0.69302812892252}},
        {{{1, 1000001}, {3, 999999}}, 2, {1 - 0.87500018749991, 0.87500018749991}},
    };
    for (size_t c = 0; c < COUNT(cases); c++) {
        double w[3];
        ck_assert(thompson_beta(cases[c].arms, cases[c].k, w));
        for (size_t i = 0; i < cases[c].k; i++)
            near(w[i], cases[c].want[i], 1e-9);
    }
}
END_TEST

START_TEST(two_means_are_a_normal)
{
    static const double distance[] = {0, 1e-6, 0.1, 1, 3, 8, 100}, sd[] = {1e-4, 0.3, 1, 50};
    for (size_t d = 0; d < COUNT(distance); d++)
        for (size_t a = 0; a < COUNT(sd); a++)
            for (size_t b = 0; b < COUNT(sd); b++) {
                struct thompson_mean arms[2] = {{7, sd[a]}, {7 + distance[d], sd[b]}};
                double w[2];
                ck_assert(thompson_gaussian(arms, 2, w));
                near(w[1], normal_cdf(distance[d] / hypot(sd[a], sd[b])), 1e-9);
                near(sum_of(w, 2), 1, 1e-12);
            }
}
END_TEST

START_TEST(a_narrow_mean_between_wide_ones)
{
    struct thompson_mean arms[3] = {{0, 1}, {1, 0.001}, {0.5, 3}};
    double w[3];
    ck_assert(thompson_gaussian(arms, 3, w));
    near(w[0], 0.10028573555737, 1e-9);
    near(w[1], 0.47635575304486, 1e-9);
    near(w[2], 0.42335851139777, 1e-9);
}
END_TEST

/* Many draws of many arms say the same within their noise. */
START_TEST(draws_agree)
{
    enum { K = 8, DRAWS = 40000 };
    struct thompson_mean arms[K];
    double w[K], wins[K] = {0};
    unsigned seed = 5;
    for (int i = 0; i < K; i++)
        arms[i] = (struct thompson_mean){uniform(&seed), 0.02 + uniform(&seed)};
    ck_assert(thompson_gaussian(arms, K, w));
    for (int n = 0; n < DRAWS; n++) {
        int top = 0;
        double best = -INFINITY;
        for (int i = 0; i < K; i++) {
            double x = arms[i].mean + arms[i].sd * normal_quantile(uniform(&seed));
            if (x > best) {
                best = x;
                top = i;
            }
        }
        wins[top] += 1.0 / DRAWS;
    }
    for (int i = 0; i < K; i++)
        near(wins[i], w[i], 4.5 * sqrt(w[i] * (1 - w[i]) / DRAWS) + 1e-4);
}
END_TEST

START_TEST(equal_arms_share)
{
    struct thompson_rate rates[THOMPSON_ARMS];
    struct thompson_mean means[THOMPSON_ARMS];
    static const double size[] = {1e-2, 1, 1e3, 1e9, 1e15};
    double w[THOMPSON_ARMS];
    for (size_t k = 1; k <= THOMPSON_ARMS; k += 31)
        for (size_t s = 0; s < COUNT(size); s++) {
            for (size_t i = 0; i < k; i++) {
                rates[i] = (struct thompson_rate){fmax(1e-3, size[s] / 30), size[s]};
                means[i] = (struct thompson_mean){-3, size[s] < 1e10 ? size[s] : 0};
            }
            ck_assert(thompson_beta(rates, k, w));
            for (size_t i = 0; i < k; i++)
                near(w[i], 1.0 / (double)k, 1e-9);
            ck_assert(thompson_gaussian(means, k, w));
            for (size_t i = 0; i < k; i++)
                near(w[i], 1.0 / (double)k, 1e-9);
        }
}
END_TEST

/* Swapping arms swaps their shares; a better arm gains and takes from all others; sums are 1. */
START_TEST(symmetry_and_order)
{
    unsigned seed = 9;
    for (int n = 0; n < 40; n++) {
        enum { K = 6 };
        struct thompson_rate arms[K], other[K];
        double w[K], turned[K], more[K];
        for (int i = 0; i < K; i++) {
            double size = exp(16 * uniform(&seed));
            arms[i] = (struct thompson_rate){1 + size * 0.1 * uniform(&seed), 1 + size};
        }
        for (int i = 0; i < K; i++)
            other[i] = arms[K - 1 - i];
        ck_assert(thompson_beta(arms, K, w) && thompson_beta(other, K, turned));
        near(sum_of(w, K), 1, 1e-12);
        for (int i = 0; i < K; i++)
            near(turned[i], w[K - 1 - i], 1e-10);
        arms[2].a *= 1.05;
        ck_assert(thompson_beta(arms, K, more));
        ck_assert_double_ge(more[2], w[2] - 1e-9);
        for (int i = 0; i < K; i++)
            ck_assert(i == 2 || more[i] <= w[i] + 1e-9);
    }
}
END_TEST

/* What is far below has nothing, without disturbing the rest; known arms are compared as numbers. */
START_TEST(extremes)
{
    double w[4];
    struct thompson_mean far[4] = {{1e140, 1}, {0, 1e-9}, {-1e140, 1e100}, {1e140, 1}};
    ck_assert(thompson_gaussian(far, 4, w));
    near(w[0], 0.5, 1e-6);
    near(w[1] + w[2], 0, 1e-6);
    struct thompson_mean known[4] = {{1, 0}, {2, 0}, {2, 0}, {1.5, 0}};
    ck_assert(thompson_gaussian(known, 4, w));
    near(w[1], 0.5, 1e-9);
    near(w[2], 0.5, 1e-9);
    struct thompson_mean mixed[3] = {{0, 0}, {0, 0}, {0, 1}};
    ck_assert(thompson_gaussian(mixed, 3, w));
    near(w[0], 0.25, 1e-8);
    near(w[2], 0.5, 1e-8);
    struct thompson_rate lost[3] = {{1e15, 1}, {1, 1e15}, {1e-3, 1e15}};
    ck_assert(thompson_beta(lost, 3, w));
    near(w[0], 1, 1e-9);
    struct thompson_mean one = {0, 0};
    ck_assert(thompson_gaussian(&one, 1, w) && w[0] == 1);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    struct thompson_rate rates[2] = {{1, 1}, {1, 1}};
    struct thompson_mean means[2] = {{1, 1}, {1, 1}};
    static const double bad_rate[] = {0, -1, NAN, INFINITY, 1e16}, bad_sd[] = {-1, NAN, INFINITY};
    double w[2];
    for (size_t i = 0; i < COUNT(bad_rate); i++) {
        rates[1].a = bad_rate[i];
        w[0] = 1;
        ck_assert(!thompson_beta(rates, 2, w) && w[0] == 0 && w[1] == 0);
    }
    for (size_t i = 0; i < COUNT(bad_sd); i++) {
        means[1].sd = bad_sd[i];
        ck_assert(!thompson_gaussian(means, 2, w) && w[0] == 0);
    }
    means[1] = (struct thompson_mean){NAN, 1};
    ck_assert(!thompson_gaussian(means, 2, w));
    ck_assert(!thompson_gaussian(means, 0, w) && !thompson_beta(rates, 0, w));
    struct thompson_rate many[THOMPSON_ARMS + 1];
    double all[THOMPSON_ARMS + 1];
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = (struct thompson_rate){1, 1};
    ck_assert(!thompson_beta(many, COUNT(many), all));
}
END_TEST

/* The largest-remainder rule, by its two properties: nobody is off by a whole part, and who was rounded up
 * had no smaller remainder than who was not. */
static void check_shares(const double *w, size_t k, uint32_t floor_ppm)
{
    uint32_t ppm[THOMPSON_ARMS], sum = 0;
    double rest_up = 2, rest_down = -1, whole = 0;
    ck_assert(thompson_shares(w, k, floor_ppm, ppm));
    for (size_t i = 0; i < k; i++)
        whole += w[i];
    for (size_t i = 0; i < k; i++) {
        double exact = floor_ppm + (1e6 - (double)k * floor_ppm) * w[i] / whole, rest = exact - floor(exact);
        sum += ppm[i];
        ck_assert_uint_ge(ppm[i], floor_ppm);
        ck_assert_double_lt(fabs(ppm[i] - exact), 1.000001);
        if (ppm[i] > exact)
            rest_up = fmin(rest_up, rest);
        else if (exact - ppm[i] > 1e-6)
            rest_down = fmax(rest_down, rest);
    }
    ck_assert_uint_eq(sum, 1000000);
    ck_assert_double_ge(rest_up, rest_down - 1e-6);
}

START_TEST(shares_sum_and_keep_the_floor)
{
    unsigned seed = 3;
    for (int n = 0; n < 2000; n++) {
        double w[THOMPSON_ARMS];
        size_t k = 1 + (size_t)(THOMPSON_ARMS * uniform(&seed));
        for (size_t i = 0; i < k; i++)
            w[i] = uniform(&seed) < 0.2 ? 0 : pow(uniform(&seed), 6);
        w[0] += 1e-6;
        check_shares(w, k, (uint32_t)(1000000.0 / (double)k * uniform(&seed)));
    }
    double thirds[3] = {1, 1, 1};
    uint32_t ppm[3];
    ck_assert(thompson_shares(thirds, 3, 0, ppm)); /* ties by index */
    ck_assert(ppm[0] == 333334 && ppm[1] == 333333 && ppm[2] == 333333);
    ck_assert(thompson_shares(thirds, 2, 500000, ppm) && ppm[0] == 500000 && ppm[1] == 500000);
}
END_TEST

START_TEST(shares_of_nonsense)
{
    uint32_t ppm[2] = {7, 7};
    ck_assert(!thompson_shares((double[]){0, 0}, 2, 10000, ppm) && ppm[0] == 0 && ppm[1] == 0);
    ck_assert(!thompson_shares((double[]){1, NAN}, 2, 10000, ppm));
    ck_assert(!thompson_shares((double[]){1, -0.1}, 2, 10000, ppm));
    ck_assert(!thompson_shares((double[]){1, INFINITY}, 2, 10000, ppm));
    ck_assert(!thompson_shares((double[]){1, 1}, 2, 500001, ppm));
    ck_assert(thompson_shares((double[]){1e300, 0}, 2, 10000, ppm) && ppm[1] == 10000);
}
END_TEST

START_TEST(posteriors_of_sums)
{
    struct arm_sums arms[3] = {
        {.n = 100, .sum = 7, .sum_sq = 7}, {.n = 0}, {.n = 10, .sum = 10, .sum_sq = 10}};
    struct thompson_rate rates[3];
    thompson_rates(arms, 3, rates);
    ck_assert(rates[0].a == 8 && rates[0].b == 94 && rates[1].a == 1 && rates[1].b == 1);
    ck_assert(rates[2].a == 11 && rates[2].b == 1);

    struct arm_sums money[3] = {
        {.n = 4, .sum = 20, .sum_sq = 120}, {.n = 0}, {.n = 2, .sum = 6, .sum_sq = 18}};
    struct thompson_mean means[3];
    double centre = 26.0 / 6, pooled = 20.0 / 3; /* of six values, three arms */
    thompson_means(money, 3, means);
    near(means[0].mean, (20 + centre) / 5, 1e-12);
    near(means[0].sd, sqrt(pooled / 5), 1e-12); /* its own variance is 20/3 too */
    near(means[1].mean, centre, 1e-12);
    near(means[1].sd, sqrt(pooled), 1e-12);
    near(means[2].sd, sqrt(pooled / 3), 1e-12); /* its two values are equal: that is luck, not certainty */
    thompson_means((struct arm_sums[3]){{.n = 0}}, 3, means);
    ck_assert(means[0].mean == 0 && means[0].sd == 0);
}
END_TEST

START_TEST(old_rewards_fade)
{
    struct arm_sums total = {0}, phase = {.n = 100, .sum = 10, .sum_sq = 30};
    thompson_add(&total, &phase, 0, 3600);
    thompson_add(&total, &phase, 3600, 3600);
    thompson_add(&total, &phase, 7200, 3600);
    near(total.n, 175, 1e-9);
    near(total.sum, 17.5, 1e-9);
    near(total.sum_sq, 52.5, 1e-9);
    struct arm_sums plain = {0};
    thompson_add(&plain, &phase, 1e9, 0);
    thompson_add(&plain, &phase, 1e9, NAN);
    thompson_add(&plain, &phase, -5, 60);
    ck_assert(plain.n == 300 && plain.sum == 30);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("thompson");
    tcase_add_test(tc, rates_known_elsewhere);
    tcase_add_test(tc, two_means_are_a_normal);
    tcase_add_test(tc, a_narrow_mean_between_wide_ones);
    tcase_add_test(tc, draws_agree);
    tcase_add_test(tc, equal_arms_share);
    tcase_add_test(tc, symmetry_and_order);
    tcase_add_test(tc, extremes);
    tcase_add_test(tc, nonsense_is_refused);
    tcase_add_test(tc, shares_sum_and_keep_the_floor);
    tcase_add_test(tc, shares_of_nonsense);
    tcase_add_test(tc, posteriors_of_sums);
    tcase_add_test(tc, old_rewards_fade);
    return run_case("thompson", tc);
}
