/* EVT: worked numbers, symmetries, the agreement of bound and stop, degenerate input. */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "stats/evt.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Quadrature at 40 digits (mpmath). */
START_TEST(worked_numbers)
{
    static const struct {
        struct evt_phase phases[3];
        size_t n;
        double r0;
        enum evt_harm harm;
        double ln_e;
    } cases[] = {
        {{{22, 26, 0.1}}, 1, 1, EVT_DOWN, -2.7242085350558091718},
        {{{14, 258, 0.05}}, 1, 1.1, EVT_UP, -1.2313701482948114636},
        {{{2, 10, 0.2}, {0, 6, 0.05}}, 2, 1, EVT_DOWN, -0.0053217750530052908775},
        {{{0, 82, 1e-6}}, 1, 1, EVT_DOWN, 0.000031095692602833049219},
        {{{12, 11703808, 1e-6}, {1681004, 2022464, 0.4614066977419776}, {1036785, 4161591, 0.2}},
         3,
         1,
         EVT_DOWN,
         263.18785512652666703},
        {{{2220848933224, 19987640399012, 0.1}}, 1, 1, EVT_UP, -13.79526206696727348},
        {{{97062050, 388219642, 0.2}}, 1, 1.1, EVT_DOWN, 358843.21909940259576},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double got = evt_log_e(cases[i].phases, cases[i].n, cases[i].r0, cases[i].harm);
        ck_assert_double_le(fabs(got - cases[i].ln_e), 1e-9 * fmax(1, fabs(cases[i].ln_e)));
    }
}
END_TEST

START_TEST(no_events_say_nothing)
{
    struct evt_phase p[] = {{0, 0, 0.5}, {0, 0, 0.2}};
    ck_assert_double_eq(evt_log_e(p, 2, 1, EVT_UP), 0);
    ck_assert_double_eq(evt_log_e(p, 2, 1.3, EVT_DOWN), 0);
    ck_assert_double_eq(evt_log_e(NULL, 0, 1, EVT_UP), 0);
    ck_assert_double_eq(evt_rr_lower(p, 2, 3, 1), 0);
    ck_assert(isinf(evt_rr_upper(p, 2, 3, 1)));
    ck_assert_double_eq(evt_rr_mle(p, 2), 1);
}
END_TEST

/* Swapping the arms turns "up" into "down" and a margin into its inverse. */
START_TEST(down_mirrors_up)
{
    struct evt_phase up[] = {{40, 21, 0.3}, {9, 2, 0.5}}, down[] = {{21, 40, 0.7}, {2, 9, 0.5}};
    ck_assert_double_eq_tol(evt_log_e(up, 2, 1.25, EVT_UP), evt_log_e(down, 2, 0.8, EVT_DOWN), 1e-12);
    ck_assert_double_eq_tol(evt_rr_lower(up, 2, 3, 1) * evt_rr_upper(down, 2, 3, 1), 1, 1e-9);
    ck_assert_double_eq_tol(evt_rr_mle(up, 2) * evt_rr_mle(down, 2), 1, 1e-9);
}
END_TEST

/* Splitting a phase in two with the same q must not matter; two phases are no pool. */
START_TEST(phases_multiply)
{
    struct evt_phase whole[] = {{50, 30, 0.4}}, parts[] = {{20, 10, 0.4}, {0, 0, 0.9}, {30, 20, 0.4}};
    ck_assert_double_eq_tol(evt_log_e(whole, 1, 1, EVT_UP), evt_log_e(parts, 3, 1, EVT_UP), 1e-12);
    ck_assert_double_eq_tol(evt_rr_mle(whole, 1), 50.0 / 30 * 0.6 / 0.4, 1e-12);
    ck_assert_double_eq_tol(evt_rr_mle(parts, 3), 50.0 / 30 * 0.6 / 0.4, 1e-12);
}
END_TEST

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* The bound reaches the margin exactly when ln E reaches the threshold, wherever one looks. */
START_TEST(bound_agrees_with_the_stop)
{
    static const double margins[] = {1, 1.1, 0.9, 1.5}, shares[] = {0.01, 0.1, 0.5, 0.9, 0.99};
    uint64_t seed = 42;
    int stops = 0;
    for (int i = 0; i < 2000; i++) {
        struct evt_phase p[2];
        for (int k = 0; k < 2; k++) {
            double q = shares[next(&seed) % COUNT(shares)], total = (double)(next(&seed) % 400);
            double lift = 0.5 + (double)(next(&seed) % 1000) / 600;
            p[k].treatment = (int64_t)fmin(total, total * q * lift);
            p[k].control = (int64_t)total - p[k].treatment;
            p[k].q = q;
        }
        double margin = margins[next(&seed) % COUNT(margins)],
               threshold = 2 + (double)(next(&seed) % 500) / 100;
        bool up = evt_log_e(p, 2, margin, EVT_UP) >= threshold;
        bool down = evt_log_e(p, 2, margin, EVT_DOWN) >= threshold;
        double lower = evt_rr_lower(p, 2, threshold, margin), upper = evt_rr_upper(p, 2, threshold, margin);
        ck_assert_int_eq(up, lower >= margin);
        ck_assert_int_eq(down, upper <= margin);
        ck_assert_double_le(lower, upper);
        ck_assert_double_le(lower, evt_rr_mle(p, 2) * (1 + 1e-9));
        stops += up + down;
    }
    ck_assert_int_gt(stops, 100);
}
END_TEST

/* Exactly at the threshold: the margin put on the bound, and the threshold put on ln E. */
START_TEST(agreement_on_the_edge)
{
    struct evt_phase p[] = {{310, 190, 0.5}};
    double ln_e = evt_log_e(p, 1, 1.1, EVT_UP);
    ck_assert_double_ge(evt_rr_lower(p, 1, ln_e, 1.1), 1.1);
    ck_assert_double_lt(evt_rr_lower(p, 1, nextafter(ln_e, 1e9), 1.1), 1.1);
    double low = evt_rr_lower(p, 1, 4, 1);
    ck_assert_double_eq_tol(evt_log_e(p, 1, low, EVT_UP), 4, 1e-7);
    ck_assert_double_eq_tol(evt_rr_lower(p, 1, 4, 3), low, 1e-9);
    ck_assert_double_eq_tol(evt_rr_lower(p, 1, 4, 0.01), low, 1e-9);
}
END_TEST

START_TEST(all_events_in_one_arm)
{
    struct evt_phase t[] = {{60, 0, 0.5}}, c[] = {{0, 60, 0.5}}, one[] = {{1, 0, 0.5}};
    ck_assert_double_gt(evt_log_e(t, 1, 1, EVT_UP), 20);
    ck_assert_double_lt(evt_log_e(t, 1, 1, EVT_DOWN), 0);
    ck_assert(isinf(evt_rr_mle(t, 1)));
    ck_assert_double_eq(evt_rr_mle(c, 1), 0);
    ck_assert_double_gt(evt_rr_lower(t, 1, 3, 1), 2);
    ck_assert(isinf(evt_rr_upper(t, 1, 3, 1)));
    ck_assert_double_eq(evt_rr_lower(c, 1, 3, 1), 0);
    ck_assert_double_lt(evt_rr_upper(c, 1, 3, 1), 0.5);
    /* one event can't exclude any ratio at this level, however small */
    ck_assert_double_eq(evt_rr_lower(one, 1, 3, 1), 0);
}
END_TEST

/* A phase that gives one arm everything compares nothing. */
START_TEST(one_sided_phases_are_left_out)
{
    struct evt_phase p[] = {{40, 21, 0.3}}, with[] = {{500, 3, 1}, {40, 21, 0.3}, {0, 900, 0}, {7, 7, NAN}};
    ck_assert_double_eq(evt_log_e(with, 4, 1, EVT_UP), evt_log_e(p, 1, 1, EVT_UP));
    ck_assert_double_eq(evt_rr_mle(with, 4), evt_rr_mle(p, 1));
    ck_assert_double_eq(evt_log_e(with, 1, 1, EVT_UP), 0);
    ck_assert_double_eq(evt_q(0, 0), 0);
    ck_assert_double_eq(evt_q(-1, NAN), 0);
    ck_assert_double_eq(evt_q(250000, 750000), 0.25);
}
END_TEST

START_TEST(extremes_never_nan)
{
    static const int64_t counts[] = {0, 1, 1000, 1000000000000000, INT64_MAX, -5, INT64_MIN};
    static const double qs[] = {0, 1e-310, 1e-15, 0.5, 1 - 1e-15, 1, NAN, -1, INFINITY};
    static const double margins[] = {1, 1e-300, 1e300, 0, -1, NAN, INFINITY};
    static const double thresholds[] = {-1, 0, 3, 700, INFINITY, NAN};
    for (size_t a = 0; a < COUNT(counts); a++)
        for (size_t b = 0; b < COUNT(counts); b++)
            for (size_t q = 0; q < COUNT(qs); q++)
                for (size_t m = 0; m < COUNT(margins); m++) {
                    struct evt_phase p[] = {{counts[a], counts[b], qs[q]}, {3, 5, 0.5}};
                    double threshold = thresholds[(a + b + q) % COUNT(thresholds)];
                    ck_assert(!isnan(evt_log_e(p, 2, margins[m], m % 2 ? EVT_UP : EVT_DOWN)));
                    ck_assert(!isnan(evt_rr_lower(p, 2, threshold, margins[m])));
                    ck_assert(!isnan(evt_rr_upper(p, 2, threshold, margins[m])));
                    ck_assert(!isnan(evt_rr_mle(p, 2)));
                }
}
END_TEST

START_TEST(huge_counts_keep_their_digits)
{
    /* the same comparison at 1e3 and 1e15 events: the estimate stays, the bounds close in on it */
    struct evt_phase small[] = {{600, 400, 0.5}}, huge[] = {{600000000000000, 400000000000000, 0.5}};
    ck_assert_double_eq_tol(evt_rr_mle(huge, 1), evt_rr_mle(small, 1), 1e-12);
    ck_assert_double_eq_tol(evt_rr_lower(huge, 1, 5, 1), 1.5, 1e-6);
    ck_assert_double_eq_tol(evt_rr_upper(huge, 1, 5, 1), 1.5, 1e-6);
    ck_assert_double_lt(evt_rr_lower(small, 1, 5, 1), 1.4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats evt");
    TCase *t = tcase_create("evt");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, worked_numbers);
    tcase_add_test(t, no_events_say_nothing);
    tcase_add_test(t, down_mirrors_up);
    tcase_add_test(t, phases_multiply);
    tcase_add_test(t, bound_agrees_with_the_stop);
    tcase_add_test(t, agreement_on_the_edge);
    tcase_add_test(t, all_events_in_one_arm);
    tcase_add_test(t, one_sided_phases_are_left_out);
    tcase_add_test(t, extremes_never_nan);
    tcase_add_test(t, huge_counts_keep_their_digits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
