/* Scores to probabilities to choices: the same numbers on every machine. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/draw.h"
#include "core/policy.h"
#include "suite.h"

/* xorshift: the same numbers in every run. */
static uint64_t state = 88172645463325252u;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* --- the logistic function --- */

START_TEST(logistic_is_exact_to_the_last_digits)
{
    double worst = 0;
    for (int i = 0; i <= 200000; i++) {
        double z = -40 + i * 80.0 / 200000;
        long double truth = 1 / (1 + expl(-(long double)z));
        double off = (double)fabsl((policy_logistic(z) - truth) / truth);
        worst = off > worst ? off : worst;
    }
    ck_assert_msg(worst < 5e-16, "%g", worst);
}
END_TEST

START_TEST(logistic_at_its_ends)
{
    ck_assert(policy_logistic(0) == 0.5);
    ck_assert(policy_logistic(-0.0) == 0.5);
    ck_assert(policy_logistic(1e300) == policy_logistic(40));
    ck_assert(policy_logistic(-1e300) == policy_logistic(-40));
    ck_assert(policy_logistic(DBL_MAX) <= 1);
    ck_assert(policy_logistic(-DBL_MAX) > 0);
    double last = 0;
    for (int i = -4000; i <= 4000; i++) {
        double p = policy_logistic(i / 100.0);
        ck_assert_msg(p >= last, "%d", i);
        last = p;
    }
}
END_TEST

/* Bits worked out in Python from the same series; another compiler, option or machine must give the same. */
START_TEST(bits_are_fixed)
{
    static const struct {
        double z;
        const char *bits;
    } cases[] = {{1, "0x1.764d4f5d5a2bdp-1"},
                 {-1, "0x1.136561454ba86p-2"},
                 {0.3, "0x1.261d545e46a8bp-1"},
                 {-7.25, "0x1.7412593d98a3fp-11"},
                 {17.125, "0x1.fffffec62b146p-1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        snprintf(text, sizeof text, "%a", policy_logistic(cases[i].z));
        ck_assert_str_eq(text, cases[i].bits);
    }
}
END_TEST

START_TEST(dot_has_one_order)
{
    double w[9], x[9];
    for (int i = 0; i < 9; i++) {
        w[i] = 1.0 / (3 + i);
        x[i] = i % 2 ? 1e8 / (7 + i) : -1e8 / (5 + i);
    }
    for (size_t n = 0; n <= 9; n++) {
        volatile double s[4] = {0, 0, 0, 0};
        for (size_t i = 0; i < n; i++)
            s[i % 4] = s[i % 4] + w[i] * x[i];
        ck_assert_msg(policy_dot(w, x, n) == (s[0] + s[1]) + (s[2] + s[3]), "%zu", n);
    }
}
END_TEST

/* --- probabilities --- */

static uint32_t sum_of(const uint32_t *ppm, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ppm[i];
    return sum;
}

START_TEST(worked_example)
{
    /* Three arms, gamma 10: p = 1/(3 + 10 x 0.2) = 0.2, 1/(3 + 10 x 0.7) = 0.1, the best 0.7; floor 1 %. */
    const double scores[] = {0.5, 0.75, 0.0625 - 0.0125};
    uint32_t ppm[3];
    double confidence;
    const double round[] = {0.55, 0.75, 0.05};
    ck_assert_uint_eq(policy_probabilities(scores, 3, 10, 0, ppm, NULL), 1);
    ck_assert_uint_eq(policy_probabilities(round, 3, 10, 10000, ppm, &confidence), 1);
    ck_assert(fabs(confidence - 0.7) < 1e-12);
    ck_assert_uint_le(abs((int)ppm[0] - 204000), 1);
    ck_assert_uint_le(abs((int)ppm[2] - 107000), 1);
    ck_assert_uint_eq(sum_of(ppm, 3), SLOTS);
}
END_TEST

START_TEST(probabilities_sum_and_keep_the_floor)
{
    for (int run = 0; run < 200000; run++) {
        size_t n = 1 + (size_t)(uniform() * POLICY_ARMS);
        double scores[POLICY_ARMS], confidence, gamma = pow(10, 8 * uniform() - 3);
        uint32_t ppm[POLICY_ARMS], floor = (uint32_t)(uniform() * SLOTS / (double)n);
        if (run % 7 == 0)
            floor = SLOTS / (uint32_t)n;
        for (size_t i = 0; i < n; i++)
            scores[i] = run % 5 == 0 ? 0.25 : run % 11 == 0 ? 1e9 * (uniform() - 0.5) : uniform();
        size_t best = policy_probabilities(scores, n, gamma, floor, ppm, &confidence);
        /* One assertion a run: each is a write to a pipe. */
        bool right = confidence > 1.0 / (double)n - 1e-9 && confidence <= 1;
        for (size_t i = 0; i < n; i++) {
            double p = i == best ? confidence : 1 / ((double)n + gamma * (scores[best] - scores[i]));
            double want = floor + (SLOTS - (double)n * floor) * p;
            right = right && scores[i] <= scores[best] && ppm[i] >= floor &&
                    fabs(ppm[i] - want) <= (i == best ? (double)n : 1.0);
        }
        ck_assert_msg(right && sum_of(ppm, n) == SLOTS, "run %d", run);
    }
}
END_TEST

START_TEST(of_equal_scores_the_first_is_best)
{
    const double scores[] = {0.1, 0.3, 0.3, 0.2};
    uint32_t ppm[4];
    ck_assert_uint_eq(policy_probabilities(scores, 4, 1e6, 0, ppm, NULL), 1);
    ck_assert_uint_eq(ppm[2], 250000); /* no gap: 1/4 */
    ck_assert_uint_lt(ppm[0], 10);
}
END_TEST

START_TEST(every_slot_has_its_arm)
{
    const uint32_t ppm[] = {0, 1, 499999, 0, 500000, 0};
    const struct {
        uint32_t slot;
        size_t arm;
    } cases[] = {{0, 1}, {1, 2}, {499999, 2}, {500000, 4}, {999999, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(policy_pick(ppm, 6, cases[i].slot), cases[i].arm);
    ck_assert_uint_eq(policy_pick(&(uint32_t){SLOTS}, 1, 999999), 0);
}
END_TEST

/* Draws against the vector they were made from: chi-square over 20 arms. */
START_TEST(draws_follow_the_vector)
{
    double scores[20], chi2 = 0;
    uint32_t ppm[20], n[20] = {0};
    const int draws = 400000;
    struct unit u = {{1, 2, 3}};
    uint8_t salt[SALT_BYTES] = {9}, id[16] = {0};
    for (size_t i = 0; i < 20; i++)
        scores[i] = uniform();
    policy_probabilities(scores, 20, 40, 5000, ppm, NULL);
    for (int i = 0; i < draws; i++) {
        struct draw d;
        memcpy(id, &i, sizeof i);
        draw_decision(salt, &u, id, &d);
        n[policy_pick(ppm, 20, slot_of(d.w[DRAW_VARIANT]))]++;
    }
    for (size_t i = 0; i < 20; i++) {
        double want = draws * (ppm[i] / 1e6);
        chi2 += (n[i] - want) * (n[i] - want) / want;
    }
    ck_assert_msg(chi2 < 50, "%g", chi2); /* 19 degrees of freedom: 1.4e-4 */
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("policy");
    tcase_add_test(tc, logistic_is_exact_to_the_last_digits);
    tcase_add_test(tc, logistic_at_its_ends);
    tcase_add_test(tc, bits_are_fixed);
    tcase_add_test(tc, dot_has_one_order);
    tcase_add_test(tc, worked_example);
    tcase_add_test(tc, probabilities_sum_and_keep_the_floor);
    tcase_add_test(tc, of_equal_scores_the_first_is_best);
    tcase_add_test(tc, every_slot_has_its_arm);
    tcase_add_test(tc, draws_follow_the_vector);
    return run_case("policy", tc);
}
