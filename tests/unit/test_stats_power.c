/* The power of a guardrail against a simulation of the counts it is asked about. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "stats/power.h"

static uint64_t state = 88172645463325252u;

static double uniform(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* The share of draws with `all` events at this risk ratio whose ln E reaches the threshold. */
static double simulated(int64_t all, double q, double r0, enum evt_harm harm, double threshold, double ratio)
{
    const int runs = 4000;
    int reached = 0;
    double theta = q * ratio / (q * ratio + 1 - q);
    for (int i = 0; i < runs; i++) {
        struct evt_phase p = {0, 0, q};
        for (int64_t k = 0; k < all; k++)
            (*(uniform() < theta ? &p.treatment : &p.control))++;
        reached += evt_log_e(&p, 1, r0, harm) >= threshold;
    }
    return (double)reached / runs;
}

START_TEST(agrees_with_a_simulation)
{
    static const struct {
        int64_t all;
        double q, r0;
        enum evt_harm harm;
        double alpha, ratio;
    } cases[] = {
        {60, 0.5, 1, EVT_UP, 0.01, 2},  {110, 0.5, 1, EVT_UP, 0.01, 2},     {200, 0.5, 1, EVT_UP, 0.01, 2},
        {300, 0.1, 1, EVT_UP, 0.05, 2}, {120, 0.5, 1, EVT_DOWN, 0.01, 0.5}, {400, 0.5, 1.3, EVT_UP, 0.01, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double threshold = log(1 / cases[i].alpha), q = cases[i].q;
        struct evt_phase p = {cases[i].all / 2, cases[i].all - cases[i].all / 2, q};
        double want = simulated(cases[i].all, q, cases[i].r0, cases[i].harm, threshold, cases[i].ratio);
        double got = evt_power(&p, 1, cases[i].r0, cases[i].harm, threshold, cases[i].ratio);
        ck_assert_msg(fabs(got - want) < 0.06, "case %zu: %.3f, simulated %.3f", i, got, want);
    }
}
END_TEST

START_TEST(grows_with_events_and_never_leaves_the_unit_interval)
{
    double before = 0;
    for (int64_t n = 10; n < 2000; n = n * 3 / 2) {
        struct evt_phase p[] = {{n, n, 0.5}, {n / 4, n / 4, 0.05}};
        double now = evt_power(p, 2, 1, EVT_UP, log(100), 2);
        ck_assert(now >= before - 0.02 && now >= 0 && now <= 1);
        before = now;
    }
    ck_assert(before > 0.999);
}
END_TEST

START_TEST(has_an_answer_for_everything)
{
    struct evt_phase none = {0, 0, 0.5}, one_sided = {5, 5, 1}, some = {50, 50, 0.5};
    ck_assert(evt_power(&none, 1, 1, EVT_UP, log(100), 2) == 0);
    ck_assert(evt_power(&one_sided, 1, 1, EVT_UP, log(100), 2) == 0);
    ck_assert(evt_power(&some, 1, 1, EVT_UP, INFINITY, 2) == 0);
    ck_assert(evt_power(&some, 1, 0, EVT_UP, 1, 2) == 0);
    ck_assert(evt_power(&some, 1, 1, EVT_UP, 1, NAN) == 0);
    ck_assert(evt_power(NULL, 0, 1, EVT_UP, 1, 2) == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power");
    TCase *t = tcase_create("power");
    tcase_add_test(t, agrees_with_a_simulation);
    tcase_add_test(t, grows_with_events_and_never_leaves_the_unit_interval);
    tcase_add_test(t, has_an_answer_for_everything);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
