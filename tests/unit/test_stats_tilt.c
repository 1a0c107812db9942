/* Buckets, their scores and the histogram tilt: against sums of all outcomes, another way to compute it,
 * streams and degenerate input. */
#include <math.h>
#include <stdlib.h>

#include "stats/tilt.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

START_TEST(buckets_are_ordered_and_hold_their_values)
{
    ck_assert_double_eq(bucket_edge(0), 100);
    ck_assert_double_eq(bucket_edge(BUCKET_EDGES - 1), 1e22);
    for (int i = 1; i < BUCKET_EDGES; i++) {
        double ratio = bucket_edge(i) / bucket_edge(i - 1);
        ck_assert(ratio > 1.1 && ratio < 1.15);
        ck_assert_double_eq(fmod(bucket_edge(i), 1), 0);
    }
    for (int b = -BUCKET_LAST; b <= BUCKET_LAST; b++) {
        double low, high, next, unused, m = bucket_middle(b);
        bucket_range(b, &low, &high);
        ck_assert_int_eq(bucket_of(m), b);
        ck_assert(low <= m && m <= high && (b == 0) == (low == high));
        bucket_range(b + 1, &next, &unused);
        if (b < BUCKET_LAST)
            ck_assert_double_eq(high, next);
    }
}
END_TEST

START_TEST(every_value_has_a_place)
{
    static const struct {
        double millionths;
        int bucket;
    } cases[] = {{0, 0},      {NAN, 0},      {1, 1},      {99.9, 1},   {100, 2},        {111.9, 2},
                 {112, 3},    {-1, -1},      {-100, -2},  {1e6, 82},   {INFINITY, 402}, {-INFINITY, -402},
                 {1e22, 402}, {-3e22, -402}, {1e15, 262}, {1e21, 382}, {9.99e21, 401}};
    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_int_eq(bucket_of(cases[i].millionths), cases[i].bucket);
}
END_TEST

START_TEST(scores_are_centred_capped_and_clipped)
{
    /* 9,900 zeros, 100 amounts around 10, one of 1e9 */
    struct bucket_count rare[] = {
        {0, 9900}, {bucket_of(9e6), 50}, {bucket_of(11e6), 49}, {bucket_of(1e15), 1}};
    struct scores s;
    enum stat_missing why;
    ck_assert(scores_register(rare, COUNT(rare), &s, &why) && why == STAT_COMPLETE);
    ck_assert_double_lt(s.clip, 12e6); /* the whale does not set the scale */
    ck_assert_double_eq(score_of(&s, rare[3].bucket), SCORE_CAP);
    ck_assert_double_eq(score_of(&s, rare[1].bucket), SCORE_CAP);
    ck_assert(score_of(&s, 0) < 0 && score_of(&s, 0) > -0.2);
    ck_assert_double_eq(score_of(&s, -BUCKET_LAST), -SCORE_CAP);
    /* spread amounts: mean 0, variance 1 before the cap */
    struct bucket_count spread[60];
    double n = 0, mean = 0, square = 0;
    for (int i = 0; i < 60; i++) {
        spread[i] = (struct bucket_count){i + 80, 10 + (i * 37) % 90};
        n += (double)spread[i].n;
    }
    ck_assert(scores_register(spread, 60, &s, &why));
    for (int i = 0; i < 60; i++) {
        mean += (double)spread[i].n / n * score_of(&s, spread[i].bucket);
        square += (double)spread[i].n / n * pow(score_of(&s, spread[i].bucket), 2);
        ck_assert(i == 0 || score_of(&s, spread[i].bucket) >= score_of(&s, spread[i - 1].bucket));
    }
    ck_assert_double_eq_tol(mean, 0, 1e-12);
    ck_assert_double_eq_tol(square, 1, 1e-12);
}
END_TEST

START_TEST(scores_say_what_is_missing)
{
    struct scores s;
    enum stat_missing why;
    struct bucket_count few[] = {{0, 50}, {90, 49}}, same[] = {{90, 1000}}, zero[] = {{0, 1000000}},
                        negative[] = {{0, -5}, {90, INT64_MIN}};
    struct bucket_count huge[] = {{-402, INT64_MAX}, {0, INT64_MAX}, {402, INT64_MAX}};
    ck_assert(!scores_register(NULL, 0, &s, &why) && why == STAT_NO_BUCKETS);
    ck_assert(!scores_register(few, 2, &s, &why) && why == STAT_NO_BUCKETS);
    ck_assert(!scores_register(negative, 2, &s, &why) && why == STAT_NO_BUCKETS);
    ck_assert(!scores_register(same, 1, &s, &why) && why == STAT_NO_VARIANCE);
    ck_assert_double_eq(score_of(&s, 90), 0);
    ck_assert(!scores_register(zero, 1, &s, &why) && why == STAT_NO_VARIANCE);
    ck_assert(scores_register(huge, 3, &s, &why));
    ck_assert(isfinite(score_of(&s, 402)) && score_of(&s, 402) > 1);
    struct scores bad = {NAN, 1, 1}, wild = {0, INFINITY, NAN};
    ck_assert_double_eq(score_of(&bad, 5), 0);
    ck_assert_double_eq(score_of(&wild, 5), 0);
}
END_TEST

/* Under "no effect" the mean of E over all arms of six units with given scores is exactly 1: each of the 64
 * ways to assign them, by its probability. */
START_TEST(a_fair_game)
{
    static const double psi[6] = {-0.4, -0.4, 0, 1.3, 6, -6}, q[6] = {0.5, 0.05, 0.05, 0.9, 0.5, 0.05};
    for (int way = TILT_UP; way <= TILT_DOWN; way++) {
        double mean = 0;
        for (int arms = 0; arms < 64; arms++) {
            struct tilt t = {0};
            double chance = 1;
            for (int i = 0; i < 6; i++) {
                int treated = arms >> i & 1;
                chance *= treated ? q[i] : 1 - q[i];
                tilt_add(&t, q[i], psi[i], treated, !treated);
            }
            mean += chance * exp(tilt_log_e(&t, way));
        }
        ck_assert_double_eq_tol(mean, 1, 1e-12);
    }
}
END_TEST

/* θ = σ(logit q + ηψ) written as it stands. */
static double plain(const double *psi, const int64_t *t, const int64_t *c, const double *q, size_t n,
                    double sign)
{
    static const double eta[] = {.02, .05, .1, .2, .4, .8, 1.6, 3.2};
    double e[8], top = -INFINITY, sum = 0;
    for (int k = 0; k < 8; k++) {
        e[k] = 0;
        for (size_t i = 0; i < n; i++) {
            double theta = 1 / (1 + exp(-(log(q[i] / (1 - q[i])) + sign * eta[k] * psi[i])));
            e[k] += (double)t[i] * log(theta / q[i]) + (double)c[i] * log((1 - theta) / (1 - q[i]));
        }
        top = fmax(top, e[k]);
    }
    for (int k = 0; k < 8; k++)
        sum += exp(e[k] - top) / 8;
    return top + log(sum);
}

START_TEST(agrees_with_the_formula_and_streams)
{
    static const double psi[] = {-0.2, 0.8, 1.6, 3, 6, -1}, q[] = {0.5, 0.5, 0.5, 0.05, 0.05, 0.05};
    static const int64_t t[] = {9400, 300, 200, 8, 2, 500}, c[] = {9520, 290, 140, 45, 5, 9000};
    struct tilt all = {0}, units = {0}, mirror = {0};
    for (size_t i = 0; i < 6; i++) {
        tilt_add(&all, q[i], psi[i], t[i], c[i]);
        for (int64_t k = 0; k < t[5 - i]; k++)
            tilt_add(&units, q[5 - i], psi[5 - i], 1, 0);
        for (int64_t k = 0; k < c[5 - i]; k++)
            tilt_add(&units, q[5 - i], psi[5 - i], 0, 1);
        tilt_add(&mirror, 1 - q[i], psi[i], c[i], t[i]);
    }
    double up = tilt_log_e(&all, TILT_UP), down = tilt_log_e(&all, TILT_DOWN);
    ck_assert_double_eq_tol(up, plain(psi, t, c, q, 6, 1), 1e-9);
    ck_assert_double_eq_tol(down, plain(psi, t, c, q, 6, -1), 1e-9);
    ck_assert_double_eq_tol(tilt_log_e(&units, TILT_UP), up, 1e-10);
    ck_assert_double_eq_tol(tilt_log_e(&units, TILT_DOWN), down, 1e-10);
    /* swapping the arms swaps the directions */
    ck_assert_double_eq_tol(tilt_log_e(&mirror, TILT_DOWN), up, 1e-10);
    ck_assert_double_gt(up, down);
}
END_TEST

/* Two phases with shares of their own whose pool looks like harm: large values come while treatment is small.
 */
START_TEST(phases_are_not_pooled)
{
    struct tilt apart = {0}, pooled = {0};
    tilt_add(&apart, 0.05, -1, 250, 4750); /* 5 %: few large ones */
    tilt_add(&apart, 0.05, 1, 50, 950);
    tilt_add(&apart, 0.5, -1, 500, 500); /* 50 %: many */
    tilt_add(&apart, 0.5, 1, 2500, 2500);
    tilt_add(&pooled, 3300.0 / 12000, -1, 750, 5250);
    tilt_add(&pooled, 3300.0 / 12000, 1, 2550, 3450);
    ck_assert_double_lt(tilt_log_e(&apart, TILT_UP), 0);
    ck_assert_double_gt(tilt_log_e(&pooled, TILT_UP), 100);
}
END_TEST

START_TEST(tilt_has_an_answer_for_everything)
{
    static const double values[] = {0, 1, -1, 0.5, 1e-300, 1 - 1e-16, 1e15, 1e300, NAN, INFINITY, -INFINITY};
    static const int64_t counts[] = {0, 1, -1, INT64_MIN, INT64_MAX, 1000000000000000};
    struct tilt none = {0}, all = {0};
    ck_assert_double_eq(tilt_log_e(&none, TILT_UP), 0);
    for (size_t i = 0; i < COUNT(values) * COUNT(values); i++)
        for (size_t k = 0; k < COUNT(counts) * COUNT(counts); k++) {
            struct tilt t = {0};
            double q = values[i % COUNT(values)], psi = values[i / COUNT(values)];
            int64_t a = counts[k % COUNT(counts)], b = counts[k / COUNT(counts)];
            tilt_add(&t, q, psi, a, b);
            tilt_add(&all, q, psi, a, b);
            ck_assert(isfinite(tilt_log_e(&t, TILT_UP)) && isfinite(tilt_log_e(&t, TILT_DOWN)));
            ck_assert(t.any || tilt_log_e(&t, TILT_UP) == 0);
            ck_assert(!t.any || (q > 0 && q < 1 && isfinite(psi) && (a > 0 || b > 0)));
        }
    ck_assert(isfinite(tilt_log_e(&all, TILT_UP)) && isfinite(tilt_log_e(&all, TILT_DOWN)));
}
END_TEST

/* A phase is the same as its buckets, each arm from its own list. */
START_TEST(reads_an_arms_buckets)
{
    struct bucket_count t[] = {{0, 400}, {90, 60}, {120, 3}}, c[] = {{-5, 1}, {0, 420}, {90, 40}};
    struct arm_sums treatment = {.buckets = t, .bucket_count = 3},
                    control = {.buckets = c, .bucket_count = 3};
    struct scores s = {1e6, 2e6, 1e7};
    struct tilt a = {0}, b = {0};
    tilt_add_phase(&a, &s, 0.3, &treatment, &control);
    tilt_add(&b, 0.3, score_of(&s, -5), 0, 1);
    tilt_add(&b, 0.3, score_of(&s, 0), 400, 420);
    tilt_add(&b, 0.3, score_of(&s, 90), 60, 40);
    tilt_add(&b, 0.3, score_of(&s, 120), 3, 0);
    ck_assert_double_eq_tol(tilt_log_e(&a, TILT_UP), tilt_log_e(&b, TILT_UP), 1e-12);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tilt");
    tcase_add_test(t, buckets_are_ordered_and_hold_their_values);
    tcase_add_test(t, every_value_has_a_place);
    tcase_add_test(t, scores_are_centred_capped_and_clipped);
    tcase_add_test(t, scores_say_what_is_missing);
    tcase_add_test(t, a_fair_game);
    tcase_add_test(t, agrees_with_the_formula_and_streams);
    tcase_add_test(t, phases_are_not_pooled);
    tcase_add_test(t, tilt_has_an_answer_for_everything);
    tcase_add_test(t, reads_an_arms_buckets);
    return run_case("tilt", t);
}
