/* Effects after adaptation: sums against scores one by one, the interval of event marks against its
 * definition, and input that is none. */
#include <math.h>
#include <stdlib.h>

#include "stats/adaptive.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ARMS 3
#define PHASES 5
#define UNITS 200 /* a phase */

static const double shares[PHASES][ARMS] = {
    {1.0 / 3, 1.0 / 3, 1.0 / 3}, {0.5, 0.3, 0.2}, {0.1, 0.8, 0.1}, {0.01, 0.98, 0.01}, {0.04, 0.06, 0.9}};

static void near(double got, double want, double rel)
{
    ck_assert_msg(fabs(got - want) <= rel * fmax(1, fabs(want)), "%.17g is not %.17g", got, want);
}

static double uniform(unsigned *seed)
{
    return rand_r(seed) / (RAND_MAX + 1.0);
}

/* A log whose plug-in means are those of earlier phases, and everything that is made of it. */
struct log {
    int arm[PHASES][UNITS];
    double y[PHASES][UNITS];
    struct arm_sums counts[ARMS][PHASES];
    struct adaptive_phase phase[ARMS][PHASES];
    struct adaptive_sums streamed[ARMS], counted[ARMS];
    struct adaptive_pair pair[PHASES]; /* arm 1 against arm 0 */
};

static void draw(struct log *l, unsigned seed)
{
    for (int k = 0; k < PHASES; k++)
        for (int i = 0; i < UNITS; i++) {
            double u = uniform(&seed);
            int a = u < shares[k][0] ? 0 : u < shares[k][0] + shares[k][1] ? 1 : 2;
            double y = 5 + a + 4 * uniform(&seed);
            l->arm[k][i] = a;
            l->y[k][i] = y;
            l->counts[a][k].n += 1;
            l->counts[a][k].sum += y;
            l->counts[a][k].sum_sq += y * y;
        }
}

static struct log *make_log(unsigned seed)
{
    struct log *l = calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    draw(l, seed);
    for (int a = 0; a < ARMS; a++)
        for (int k = 0; k < PHASES; k++) {
            double before = l->counted[a].g;
            l->phase[a][k] = (struct adaptive_phase){shares[k][a], adaptive_plug_in(l->counts[a], (size_t)k)};
            for (int i = 0; i < UNITS; i++)
                adaptive_add(&l->streamed[a], &l->phase[a][k], l->arm[k][i] == a, l->y[k][i]);
            adaptive_add_phase(&l->counted[a], &l->phase[a][k], UNITS, &l->counts[a][k]);
            l->pair[k].units = UNITS;
            if (a == 2)
                continue;
            *(a ? &l->pair[k].e_t : &l->pair[k].e_c) = shares[k][a];
            *(a ? &l->pair[k].m_t : &l->pair[k].m_c) = l->phase[a][k].m;
            *(a ? &l->pair[k].g_t : &l->pair[k].g_c) = l->counted[a].g - before;
        }
    return l;
}

START_TEST(counts_say_what_scores_say)
{
    struct log *l = make_log(1);
    for (int a = 0; a < ARMS; a++) {
        struct estimate s = adaptive_mean(&l->streamed[a]), c = adaptive_mean(&l->counted[a]);
        ck_assert(s.answered && c.answered);
        near(c.value, s.value, 1e-9);
        near(c.variance, s.variance, 1e-9);
        near(adaptive_aipw(&l->counted[a]), adaptive_aipw(&l->streamed[a]), 1e-9);
        ck_assert_double_eq(c.n, PHASES * UNITS);
        ck_assert_double_lt(fabs(c.value - (7 + a)), 5 * sqrt(c.variance));
    }
    free(l);
}
END_TEST

/* Against the definition, a unit at a time. */
START_TEST(the_variance_of_a_difference)
{
    struct log *l = make_log(2);
    struct estimate t = adaptive_mean(&l->counted[1]), c = adaptive_mean(&l->counted[0]);
    double want = 0;
    for (int k = 0; k < PHASES; k++)
        for (int i = 0; i < UNITS; i++) {
            double gt = adaptive_score(&l->phase[1][k], l->arm[k][i] == 1, l->y[k][i]);
            double gc = adaptive_score(&l->phase[0][k], l->arm[k][i] == 0, l->y[k][i]);
            double d = sqrt(shares[k][1]) * (gt - t.value) / l->counted[1].h -
                       sqrt(shares[k][0]) * (gc - c.value) / l->counted[0].h;
            want += d * d;
        }
    near(adaptive_difference_variance(&l->counted[1], &l->counted[0], l->pair, PHASES) / want, 1, 1e-9);
    free(l);
}
END_TEST

START_TEST(units_that_come_twice)
{
    struct adaptive_sums once = {0}, alone = {0}, twice = {0};
    struct adaptive_phase p = {0.5, 1};
    for (int i = 0; i < 100; i++) {
        bool in = i % 2;
        double y = i % 7, h = sqrt(p.e), score = adaptive_score(&p, in, y);
        adaptive_add(&once, &p, in, y);
        adaptive_add(&alone, &p, in, y);
        adaptive_add_unit(&alone, h, h * score);
        adaptive_add(&twice, &p, in, y);
        adaptive_add(&twice, &p, in, y);
        adaptive_add_unit(&twice, 2 * h, 2 * h * score);
    }
    struct estimate a = adaptive_mean(&once), b = adaptive_mean(&alone), c = adaptive_mean(&twice);
    near(b.variance, a.variance, 1e-12); /* a unit each: nothing changes */
    near(c.value, a.value, 1e-12);       /* said twice, a thing is not known better */
    near(c.variance, a.variance, 1e-12);
}
END_TEST

START_TEST(one_arm_is_its_mean)
{
    struct adaptive_sums s = {0};
    struct arm_sums a = {.n = 4, .sum = 10, .sum_sq = 30};
    struct adaptive_phase p = {1, 0};
    adaptive_add_phase(&s, &p, 4, &a);
    struct estimate e = adaptive_mean(&s);
    near(e.value, 2.5, 1e-12);
    near(e.variance, 5.0 / 16, 1e-12);
}
END_TEST

START_TEST(intervals_of_two_arms)
{
    struct log *l = make_log(3);
    struct asympcs_rule rule = {0.05, 1000, ASYMPCS_BOTH}, each = {0.025, 1000, ASYMPCS_BOTH};
    struct asympcs d = adaptive_difference(&l->counted[1], &l->counted[0], &rule);
    struct asympcs t = adaptive_interval(&l->counted[1], &each), c = adaptive_interval(&l->counted[0], &each);
    ck_assert(d.answered && t.answered && c.answered);
    near(d.low, t.low - c.high, 1e-12);
    near(d.high, t.high - c.low, 1e-12);
    ck_assert(d.low < 1 && d.high > 1);
    /* p is under alpha exactly when 0 is outside: with the distance moved to the edge of the interval */
    struct adaptive_sums moved = l->counted[1];
    for (int side = -1; side <= 1; side += 2) {
        double to = c.high + (t.estimate - t.low) + side * 1e-6;
        moved = l->counted[1];
        double by = to - t.estimate; /* every score shifted: Σh²Γ² and the rest follow */
        moved.hhgg += 2 * by * moved.hhg + by * by * moved.hh;
        moved.hhg += by * moved.hh;
        moved.hg += by * moved.h;
        d = adaptive_difference(&moved, &l->counted[0], &rule);
        ck_assert_int_eq(d.low > 0, side > 0);
        ck_assert_int_eq(d.p<0.05, side> 0);
        near(d.p, 0.05, 1e-4);
    }
    free(l);
}
END_TEST

START_TEST(no_answer)
{
    struct adaptive_sums none = {0}, flat = {0}, some = {0};
    struct asympcs_rule rule = {0.05, 1000, ASYMPCS_BOTH};
    struct arm_sums a = {.n = 10, .sum = 10, .sum_sq = 10}, b = {.n = 10, .sum = 3, .sum_sq = 3};
    struct adaptive_phase p = {1, 0};
    static const struct adaptive_phase bad[] = {{0, 0},   {-1, 0},    {1.5, 0},
                                                {NAN, 0}, {0.5, NAN}, {0.5, INFINITY}};
    ck_assert(!adaptive_mean(&none).answered && adaptive_aipw(&none) == 0);
    ck_assert(!adaptive_difference(&none, &none, &rule).answered);
    for (size_t i = 0; i < COUNT(bad); i++) {
        adaptive_add(&none, &bad[i], true, 1);
        adaptive_add_phase(&none, &bad[i], 10, &a);
    }
    ck_assert(none.n == 0 && none.left_out == 2 * COUNT(bad));
    adaptive_add_phase(&flat, &p, 10, &a);
    adaptive_add_phase(&some, &p, 10, &b);
    ck_assert_int_eq(adaptive_interval(&flat, &rule).missing, STAT_NO_VARIANCE);
    ck_assert_int_eq(adaptive_difference(&flat, &some, &rule).missing, STAT_NO_VARIANCE);
    ck_assert(adaptive_difference(&some, &some, &rule).answered);
    rule.side = ASYMPCS_GREATER;
    ck_assert_int_eq(adaptive_difference(&some, &some, &rule).missing, STAT_BAD_RULE);
    rule = (struct asympcs_rule){NAN, 1000, ASYMPCS_BOTH};
    ck_assert_int_eq(adaptive_difference(&some, &some, &rule).missing, STAT_BAD_RULE);
    adaptive_add(&some, &p, true, NAN);
    ck_assert_int_eq(adaptive_mean(&some).missing, STAT_BAD_SUMS);
    ck_assert(adaptive_plug_in(NULL, 0) == 0 && adaptive_plug_in(&b, 1) == 0.3);
}
END_TEST

/* E is a fair game when r is true: over all outcomes of ten events its mean is 1. */
START_TEST(the_mixture_is_fair)
{
    static const double ratio[] = {0.2, 1, 1.7, 30}, q[] = {0.03, 0.5, 0.9};
    enum { EVENTS = 10 };
    for (size_t i = 0; i < COUNT(ratio); i++)
        for (size_t j = 0; j < COUNT(q); j++) {
            double r = ratio[i], theta = q[j] * r / (q[j] * r + 1 - q[j]), mean = 0, ways = 1;
            for (int s = 0; s <= EVENTS; s++) {
                struct evt_phase p = {s, EVENTS - s, q[j]};
                mean += ways * pow(theta, s) * pow(1 - theta, EVENTS - s) * exp(mixture_log_e(&p, 1, r));
                ways *= (double)(EVENTS - s) / (s + 1);
            }
            near(mean, 1, 1e-10);
        }
}
END_TEST

START_TEST(ends_of_the_mixture_interval)
{
    static const struct evt_phase cases[][3] = {{{20, 18, 0.5}, {45, 12, 0.7}, {90, 8, 0.9}},
                                                {{3, 0, 0.5}, {0, 0, 0.5}, {1, 0, 0.1}},
                                                {{0, 40, 0.3}, {0, 1, 0.99}, {0, 0, 0}},
                                                {{100000, 99000, 0.5}, {5, 4, 0.5}, {7, 7, 1}},
                                                {{1, 0, 0.5}, {0, 0, 0.5}, {0, 0, 0.5}}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mixture_interval m = mixture_interval(cases[i], 3, 0.05),
                                w = mixture_interval(cases[i], 3, 0.001);
        ck_assert(m.answered && w.answered);
        ck_assert(m.low <= m.estimate && m.estimate <= m.high);
        ck_assert(w.low <= m.low && m.high <= w.high);
        if (m.low > 0)
            near(mixture_log_e(cases[i], 3, m.low), log(20), 1e-8);
        if (!isinf(m.high))
            near(mixture_log_e(cases[i], 3, m.high), log(20), 1e-8);
        near(m.ln_e, mixture_log_e(cases[i], 3, 1), 1e-12);
        ck_assert_int_eq(m.ln_e < log(20), m.low < 1 && 1 < m.high);
    }
}
END_TEST

/* Swapping the arms turns ratios over. */
START_TEST(the_mixture_in_the_mirror)
{
    struct evt_phase p[2] = {{30, 10, 0.6}, {4, 9, 0.2}}, turned[2] = {{10, 30, 0.4}, {9, 4, 0.8}};
    struct mixture_interval a = mixture_interval(p, 2, 0.05), b = mixture_interval(turned, 2, 0.05);
    near(a.low * b.high, 1, 1e-9);
    near(a.high * b.low, 1, 1e-9);
    near(a.ln_e, b.ln_e, 1e-9);
}
END_TEST

START_TEST(a_mixture_of_nothing)
{
    struct evt_phase none[3] = {{0, 0, 0.5}, {5, 5, 0}, {-3, 2, NAN}};
    struct mixture_interval m = mixture_interval(none, 3, 0.05);
    ck_assert(!m.answered && m.low == 0 && isinf(m.high) && m.estimate == 1 && m.ln_e == 0);
    ck_assert(!mixture_interval(NULL, 0, 0.05).answered);
    struct evt_phase some = {10, 5, 0.5};
    m = mixture_interval(&some, 1, NAN);
    ck_assert(!m.answered && m.low == 0 && isinf(m.high));
    ck_assert(isfinite(mixture_log_e(&some, 1, 0)) && isfinite(mixture_log_e(&some, 1, INFINITY)));
    ck_assert(isfinite(mixture_log_e(&some, 1, NAN)));
    static const struct mixture bad[] = {{2, 0, 1},     {2, 0.001, 1}, {2, 0.1, 0},
                                         {NAN, 0.1, 1}, {-1, 0.1, 1},  {2, NAN, 1}};
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert(!mixture_interval_with(&some, 1, 0.05, &bad[i]).answered);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("adaptive");
    tcase_add_test(tc, counts_say_what_scores_say);
    tcase_add_test(tc, the_variance_of_a_difference);
    tcase_add_test(tc, units_that_come_twice);
    tcase_add_test(tc, one_arm_is_its_mean);
    tcase_add_test(tc, intervals_of_two_arms);
    tcase_add_test(tc, no_answer);
    tcase_add_test(tc, the_mixture_is_fair);
    tcase_add_test(tc, ends_of_the_mixture_interval);
    tcase_add_test(tc, the_mixture_in_the_mirror);
    tcase_add_test(tc, a_mixture_of_nothing);
    return run_case("adaptive", tc);
}
