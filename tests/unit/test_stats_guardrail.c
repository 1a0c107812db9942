/* The verdict on a guardrail: thresholds, directions, margins, broken counts, rules that make no sense. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "stats/guardrail.h"

static struct guardrail_verdict judge(struct guardrail_rule rule, struct evt_phase events,
                                      struct srm_pair units)
{
    struct guardrail_verdict v;
    guardrail_judge(&rule, &events, &units, 1, &v);
    return v;
}

static const struct guardrail_rule up = {EVT_UP, 1, 0.01, 1, 2}, down = {EVT_DOWN, 1, 0.01, 1, 2};

START_TEST(threshold_splits_alpha)
{
    struct guardrail_rule r = {EVT_UP, 1, 0.01, 1, 2};
    ck_assert_double_eq_tol(guardrail_threshold(&r), log(100), 1e-14);
    r.weight = 0.25;
    ck_assert_double_eq_tol(guardrail_threshold(&r), log(400), 1e-14);
    r.arms = 4;
    ck_assert_double_eq_tol(guardrail_threshold(&r), log(1200), 1e-14);
}
END_TEST

START_TEST(stops_harm_and_only_harm)
{
    struct srm_pair units = {5000, 5000, 0.5};
    struct guardrail_verdict v = judge(up, (struct evt_phase){310, 190, 0.5}, units);
    ck_assert(v.reached && v.has_events && !v.counts_broken);
    ck_assert_double_ge(v.lower, 1);
    ck_assert_double_eq_tol(v.risk_ratio, 310.0 / 190, 1e-9);
    ck_assert(!judge(down, (struct evt_phase){310, 190, 0.5}, units).reached);
    ck_assert(judge(down, (struct evt_phase){190, 310, 0.5}, units).reached);
    ck_assert_double_le(judge(down, (struct evt_phase){190, 310, 0.5}, units).upper, 1);
    ck_assert(!judge(up, (struct evt_phase){205, 195, 0.5}, units).reached);
}
END_TEST

START_TEST(margin_tolerates)
{
    struct guardrail_rule r = up;
    struct srm_pair units = {5000, 5000, 0.5};
    r.margin = 1.5;
    struct guardrail_verdict v = judge(r, (struct evt_phase){310, 190, 0.5}, units);
    ck_assert(!v.reached);
    ck_assert_double_lt(v.lower, 1.5);
    ck_assert(judge(r, (struct evt_phase){620, 190, 0.5}, units).reached);
}
END_TEST

START_TEST(no_event_yet)
{
    struct guardrail_verdict v = judge(up, (struct evt_phase){0, 0, 0.5}, (struct srm_pair){9, 7, 0.5});
    ck_assert(!v.reached && !v.has_events);
    ck_assert_double_eq(v.ln_e, 0);
    ck_assert_double_eq(v.lower, 0);
    guardrail_judge(&up, NULL, NULL, 0, &v);
    ck_assert(!v.reached && !v.has_events && !v.counts_broken);
}
END_TEST

/* Control lost half of its exposures (and with them its events): that must not look like harm. */
START_TEST(lost_exposures_are_not_harm)
{
    struct evt_phase events = {500, 250, 0.5};
    struct srm_pair units = {10000, 5000, 0.5};
    ck_assert_double_ge(evt_log_e(&events, 1, 1, EVT_UP), guardrail_threshold(&up));
    struct guardrail_verdict v;
    guardrail_judge(&up, &events, &units, 1, &v);
    ck_assert(v.counts_broken && !v.reached);
    ck_assert_double_gt(events.q, 2.0 / 3);
    /* the reverse for harm down: treatment lost */
    v = judge(down, (struct evt_phase){250, 500, 0.5}, (struct srm_pair){5000, 10000, 0.5});
    ck_assert(v.counts_broken && !v.reached);
    /* harm beyond what the loss explains still stops */
    v = judge(up, (struct evt_phase){2000, 250, 0.5}, (struct srm_pair){10000, 5000, 0.5});
    ck_assert(v.counts_broken && v.reached);
}
END_TEST

START_TEST(senseless_rules_never_stop)
{
    static const struct guardrail_rule rules[] = {
        {EVT_UP, 1, 0, 1, 2},      {EVT_UP, 1, 1, 1, 2},
        {EVT_UP, 1, NAN, 1, 2},    {EVT_UP, 1, 0.01, 0, 2},
        {EVT_UP, 1, .01, 2, 2},    {EVT_UP, 1, .01, NAN, 2},
        {EVT_UP, 1, .01, 1, 1},    {EVT_UP, 0, .01, 1, 2},
        {EVT_UP, NAN, .01, 1, 2},  {EVT_DOWN, INFINITY, .01, 1, 2},
        {EVT_DOWN, -1, .01, 1, 2},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct guardrail_verdict v =
            judge(rules[i], (struct evt_phase){9000, 10, 0.5}, (struct srm_pair){9999, 9999, 0.5});
        ck_assert(!v.reached && isinf(v.threshold) && !isnan(v.lower) && !isnan(v.upper) && !isnan(v.ln_e));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats guardrail");
    TCase *t = tcase_create("guardrail");
    tcase_add_test(t, threshold_splits_alpha);
    tcase_add_test(t, stops_harm_and_only_harm);
    tcase_add_test(t, margin_tolerates);
    tcase_add_test(t, no_event_yet);
    tcase_add_test(t, lost_exposures_are_not_harm);
    tcase_add_test(t, senseless_rules_never_stop);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
