/* Bandits: time phases beside the slice that is reserved, epochs of units, draws of decisions, tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandit_fixture.h"
#include "core/decide.h"
#include "core/draw.h"
#include "core/token.h"
#include "suite.h"

#define S BANDIT_S
#define T0 BANDIT_START
#define HOUR (3600 * S)

static const char *const keys[] = {"control", "b", "c"};

/* A made up decision id. */
static void decision_id(uint8_t out[16], int i)
{
    memset(out, 0, 16);
    snprintf((char *)out, 16, "d-%d", i);
}

static struct decision decided_with(const struct plan *p, const char *user, const struct attr *attributes,
                                    const uint8_t id[16], int64_t now_us)
{
    struct subject s;
    struct decision d;
    subject_init(&s, user, strlen(user), attributes);
    decide(p, plan_flag_find(p, "f", 1), &s, id, now_us, 0, &d);
    return d;
}

static struct decision decided(const struct plan *p, const char *user, int64_t now_us)
{
    uint8_t id[16];
    decision_id(id, 0);
    return decided_with(p, user, NULL, id, now_us);
}

/* The contract once more, by hand: the phase's number, of phases that begin at from[0], from[1], … */
static int phase_by_hand(const struct unit *u, const int64_t *from, int n, int64_t stick_us, int64_t now_us)
{
    uint8_t salt[SALT_BYTES];
    struct draw d;
    memset(salt, 'e' + 1, sizeof salt);
    draw_unit(salt, u, &d);
    if (slot_of(d.w[0]) < 100000)
        return 1;
    int64_t at = now_us;
    if (stick_us > 0) {
        long double product = (long double)d.w[3] * (long double)stick_us / 4294967296.0L;
        int64_t offset = (int64_t)product;
        at = (now_us - offset) / stick_us * stick_us + offset;
    }
    int found = 0;
    for (int i = 0; i < n; i++)
        if (from[i] <= at)
            found = i;
    return found + 2;
}

static const char *arm_by_hand(const struct bandit_fixture *f, int number, const struct unit *u,
                               const uint8_t *id)
{
    struct draw d;
    if (id)
        draw_decision(f->phases[number - 1].salt, u, id, &d);
    else
        draw_unit(f->phases[number - 1].salt, u, &d);
    uint32_t slot = slot_of(d.w[1]), sum = 0;
    for (int k = 0; k < BANDIT_ARMS; k++)
        if (slot < (sum += (uint32_t)f->arms[number - 1][k].share_ppm))
            return keys[k];
    return NULL;
}

/* --- units --- */

#define PHASES 6

static void six_phases(struct bandit_fixture *f, int64_t from[PHASES])
{
    static const int32_t shares[PHASES][3] = {{333334, 333333, 333333}, {400000, 300000, 300000},
                                              {100000, 800000, 100000}, {50000, 900000, 50000},
                                              {10000, 10000, 980000},   {0, 500000, 500000}};
    for (int i = 0; i < PHASES; i++) {
        from[i] = T0 + i * HOUR;
        bandit_fixture_phase(f, from[i], shares[i][0], shares[i][1], shares[i][2]);
    }
}

static void check_unit(const struct plan *p, const struct bandit_fixture *f, const int64_t *from, int i,
                       int64_t stick_us)
{
    char user[16];
    snprintf(user, sizeof user, "c-%d", i);
    int64_t now = T0 + (int64_t)i * 37 % 600 * 60 * S;
    struct decision d = decided(p, user, now);
    int number = phase_by_hand(&d.unit, from, PHASES, stick_us, now);
    const char *arm = arm_by_hand(f, number, &d.unit, NULL);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    ck_assert_int_eq(plan_phase_number(d.phase), number);
    ck_assert_str_eq(d.variant_name, arm);
    ck_assert_int_eq(d.propensity_ppm, plan_phase_share_ppm(d.phase, d.variant));
    ck_assert_int_eq(d.inclusion_ppm, 1000000);
    ck_assert_uint_eq(d.vector.n, 0);
    ck_assert_ptr_null(d.model);
    ck_assert_int_eq(d.drawn_us, now);
}

START_TEST(a_unit_is_drawn_by_the_phase_of_its_epoch)
{
    static const int64_t sticks[] = {0, HOUR / 2, 5 * HOUR, 90 * 24 * HOUR};
    for (size_t k = 0; k < sizeof sticks / sizeof *sticks; k++) {
        struct bandit_fixture f;
        int64_t from[PHASES];
        bandit_fixture(&f, ASSIGN_UNIT, sticks[k]);
        six_phases(&f, from);
        struct plan *p = bandit_fixture_plan(&f);
        for (int i = 0; i < 3000; i++)
            check_unit(p, &f, from, i, sticks[k]);
        plan_unref(p);
    }
}
END_TEST

/* Looked at every minute, nobody changes arms twice within an epoch, and all of the units change at different
 * moments. */
START_TEST(a_unit_changes_at_most_once_an_epoch)
{
    struct bandit_fixture f;
    int64_t from[PHASES];
    bandit_fixture(&f, ASSIGN_UNIT, 2 * HOUR);
    six_phases(&f, from);
    struct plan *p = bandit_fixture_plan(&f);
    int changes = 0, moments[480] = {0}, different = 0;
    for (int i = 0; i < 400; i++) {
        char user[16];
        int64_t last = -1;
        const struct plan_phase *phase = NULL;
        snprintf(user, sizeof user, "c-%d", i);
        for (int m = 0; m < 480; m++) {
            int64_t now = T0 + m * 60 * S;
            struct decision d = decided(p, user, now);
            if (phase && d.phase != phase) {
                ck_assert(last < 0 || now - last >= 2 * HOUR - 60 * S);
                last = now;
                changes++;
                moments[m]++;
            }
            phase = d.phase;
        }
    }
    for (int m = 0; m < 480; m++)
        different += moments[m] > 0;
    ck_assert_int_gt(changes, 800);
    ck_assert_int_gt(different, 200);
    plan_unref(p);
}
END_TEST

/* Before its first time phase begins (a clock is behind), that phase draws all the same. */
START_TEST(never_before_the_first_phase)
{
    struct bandit_fixture f;
    int64_t from[PHASES];
    bandit_fixture(&f, ASSIGN_UNIT, HOUR);
    six_phases(&f, from);
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 200; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        int number = plan_phase_number(decided(p, user, T0 - 10 * S).phase);
        ck_assert(number == 1 || number == 2);
    }
    plan_unref(p);
}
END_TEST

/* The slice stays as it was, whatever the time phases do. */
START_TEST(the_slice_is_reserved)
{
    struct bandit_fixture f;
    int64_t from[PHASES];
    int n[3] = {0}, in = 0;
    bandit_fixture(&f, ASSIGN_DECISION, 0);
    six_phases(&f, from);
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 30000; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, T0), later = decided(p, user, T0 + 5 * HOUR + i * S);
        bool slice = plan_phase_number(d.phase) == 1;
        in += slice;
        if (!slice)
            continue;
        ck_assert_ptr_eq(d.variant, later.variant);
        ck_assert_ptr_eq(d.phase, later.phase);
        n[plan_variant_id(d.variant) - 11]++;
    }
    /* 10 %, and thirds of it: within five standard deviations. */
    ck_assert_int_gt(in, 2740);
    ck_assert_int_lt(in, 3260);
    for (int k = 0; k < 3; k++)
        ck_assert_int_gt(n[k], in / 3 - 130);
    plan_unref(p);
}
END_TEST

/* A phase with a lower number that begins later never draws; of two at once the higher number does. */
START_TEST(the_highest_number_draws)
{
    struct bandit_fixture f;
    bandit_fixture(&f, ASSIGN_UNIT, 0);
    bandit_fixture_phase(&f, T0, 1000000, 0, 0);
    bandit_fixture_phase(&f, T0 + 2 * HOUR, 0, 1000000, 0);
    bandit_fixture_phase(&f, T0 + HOUR, 0, 0, 1000000);
    struct phase_def swapped = f.phases[1];
    f.phases[1] = f.phases[3]; /* whatever their order in the document */
    f.phases[3] = swapped;
    struct plan *p = bandit_fixture_plan(&f);
    int seen[5] = {0};
    for (int i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        for (int h = 0; h < 4; h++)
            seen[plan_phase_number(decided(p, user, T0 + h * HOUR).phase)] |= 1 << h;
    }
    ck_assert_int_eq(seen[2], 1);
    ck_assert_int_eq(seen[3], 0);
    ck_assert_int_eq(seen[4], 14);
    plan_unref(p);
}
END_TEST

/* --- decisions --- */

START_TEST(each_decision_is_drawn)
{
    struct bandit_fixture f;
    int n[3] = {0}, total = 0;
    bandit_fixture(&f, ASSIGN_DECISION, HOUR);
    bandit_fixture_phase(&f, T0, 100000, 200000, 700000);
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 20000; i++) {
        uint8_t id[16];
        char user[16];
        snprintf(user, sizeof user, "c-%d", i % 10);
        decision_id(id, i);
        struct decision d = decided_with(p, user, NULL, id, T0 + i * S);
        if (plan_phase_number(d.phase) == 1)
            continue;
        ck_assert_str_eq(d.variant_name, arm_by_hand(&f, 2, &d.unit, id));
        ck_assert_int_eq(d.propensity_ppm, plan_phase_share_ppm(d.phase, d.variant));
        n[plan_variant_id(d.variant) - 11]++;
        total++;
    }
    ck_assert_int_gt(total, 10000);
    double chi2 = 0;
    const double shares[] = {0.1, 0.2, 0.7};
    for (int k = 0; k < 3; k++)
        chi2 += (n[k] - total * shares[k]) * (n[k] - total * shares[k]) / (total * shares[k]);
    ck_assert_msg(chi2 < 20, "%g", chi2); /* 2 degrees of freedom: 5e-5 */
    plan_unref(p);
}
END_TEST

/* The phase in force now draws, whatever a unit's epoch would be. */
START_TEST(decisions_have_no_epochs)
{
    struct bandit_fixture f;
    int64_t from[PHASES];
    bandit_fixture(&f, ASSIGN_DECISION, 5 * HOUR);
    six_phases(&f, from);
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 500; i++) {
        char user[16];
        int64_t now = T0 + (int64_t)i * 41 * 60 * S % (7 * HOUR);
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, now);
        ck_assert_int_eq(plan_phase_number(d.phase), phase_by_hand(&d.unit, from, PHASES, 0, now));
    }
    plan_unref(p);
}
END_TEST

/* --- traffic, arms, states --- */

START_TEST(a_dropped_arm_and_closed_slots_fall_back)
{
    static const struct slot_range closed[] = {{500000, 1000000, 0}};
    struct bandit_fixture f;
    int dropped = 0, outside = 0, served = 0;
    bandit_fixture(&f, ASSIGN_UNIT, 0);
    struct phase_def *ph = bandit_fixture_phase(&f, T0, 200000, 300000, 500000);
    ph->closed = closed;
    ph->n_closed = 1;
    f.variants[1].dropped = true;
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 2000; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, T0);
        if (d.reason == REASON_ARM_DROPPED)
            ck_assert_str_eq(plan_variant_key(d.counterfactual), "b");
        else if (d.reason == REASON_NOT_IN_TRAFFIC)
            ck_assert_ptr_nonnull(d.counterfactual);
        else
            ck_assert_int_eq(d.inclusion_ppm, 500000);
        dropped += d.reason == REASON_ARM_DROPPED;
        outside += d.reason == REASON_NOT_IN_TRAFFIC;
        served += d.reason == REASON_VARIANT;
    }
    ck_assert_int_eq(dropped + outside + served, 2000);
    ck_assert_int_gt(outside, 880);
    ck_assert_int_gt(dropped, 200);
    ck_assert_int_gt(served, 500);
    plan_unref(p);
}
END_TEST

/* Traffic that a later phase opened is drawn by that phase at once; the others wait for their epochs. */
START_TEST(traffic_opened_later_begins_with_its_phase)
{
    static const struct slot_range half[] = {{100000, 500000, 0}};
    struct bandit_fixture f;
    int opened = 0, waiting = 0;
    bandit_fixture(&f, ASSIGN_UNIT, 24 * HOUR);
    struct phase_def *first = bandit_fixture_phase(&f, T0, 1000000, 0, 0);
    first->traffic = half;
    bandit_fixture_phase(&f, T0 + HOUR, 0, 1000000, 0);
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 1000; i++) {
        char user[16];
        struct draw w;
        snprintf(user, sizeof user, "c-%d", i);
        struct decision before = decided(p, user, T0), after = decided(p, user, T0 + HOUR);
        draw_unit(f.x.salt, &after.unit, &w);
        if (slot_of(w.w[0]) < 100000)
            continue;
        if (slot_of(w.w[0]) >= 500000) {
            ck_assert_int_eq(before.reason, REASON_NOT_IN_TRAFFIC);
            ck_assert_str_eq(after.variant_name, "b");
            opened++;
        } else {
            ck_assert_str_eq(before.variant_name, "control");
            waiting += strcmp(after.variant_name, "control") == 0;
        }
        ck_assert_int_eq(after.inclusion_ppm, 1000000);
    }
    ck_assert_int_gt(opened, 400);
    ck_assert_int_gt(waiting, 300);
    plan_unref(p);
}
END_TEST

START_TEST(a_stopped_one_tells_the_counterfactual)
{
    struct bandit_fixture f;
    bandit_fixture(&f, ASSIGN_DECISION, 0);
    bandit_fixture_phase(&f, T0, 0, 0, 1000000);
    f.x.guard_stopped = true;
    struct plan *p = bandit_fixture_plan(&f);
    int c = 0;
    for (int i = 0; i < 200; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, T0);
        ck_assert_int_eq(d.reason, REASON_GUARD_STOP);
        c += plan_variant_id(d.counterfactual) == 13;
    }
    ck_assert_int_gt(c, 160);
    plan_unref(p);
}
END_TEST

/* --- tokens --- */

/* The decision with a token in the context. */
static struct decision with_token(const struct plan *p, const char *user, char *token, int64_t now_us)
{
    uint8_t id[16];
    const struct attr_field fields[] = {
        {"cohortTokens", 12, {.type = ATTR_STRING, .u.string = {token, strlen(token)}}}};
    const struct attr context = {.type = ATTR_OBJECT, .u.object = {fields, 1}};
    decision_id(id, 1);
    return decided_with(p, user, &context, id, now_us);
}

START_TEST(a_token_keeps_the_first_arm_until_its_window_closes)
{
    struct bandit_fixture f;
    uint8_t id[16];
    int kept = 0;
    decision_id(id, 0);
    bandit_fixture(&f, ASSIGN_UNIT, 2 * HOUR);
    bandit_fixture_phase(&f, T0, 1000000, 0, 0);
    bandit_fixture_phase(&f, T0 + HOUR, 0, 0, 1000000);
    f.x.sticky = true;
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 300; i++) {
        char user[16], token[TOKEN_TEXT_MAX + 1], again[TOKEN_TEXT_MAX + 1];
        int64_t first = T0 + HOUR - 60 * S, end = first + 2 * HOUR;
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, first);
        ck_assert(token_of_decision(p, &d, id, first, token));
        struct decision s = with_token(p, user, token, end - 1);
        ck_assert_int_eq(s.reason, REASON_STICKY);
        ck_assert_ptr_eq(s.variant, d.variant);
        ck_assert_int_eq(s.propensity_ppm, d.propensity_ppm);
        ck_assert_int_eq(s.drawn_us, first);
        ck_assert(token_of_decision(p, &s, id, end - 1, again)); /* told again, it is not longer good */
        ck_assert_int_eq(with_token(p, user, again, end - 1).reason, REASON_STICKY);
        s = with_token(p, user, again, end);
        ck_assert_int_eq(s.reason, REASON_VARIANT);
        ck_assert_ptr_eq(s.variant, decided(p, user, end).variant);
        kept += s.variant != d.variant;
    }
    ck_assert_int_gt(kept, 200);
    plan_unref(p);
}
END_TEST

START_TEST(no_token_keeps_where_decisions_are_drawn)
{
    struct bandit_fixture f;
    uint8_t id[16];
    char token[TOKEN_TEXT_MAX + 1];
    struct token t;
    decision_id(id, 0);
    bandit_fixture(&f, ASSIGN_DECISION, 0);
    bandit_fixture_phase(&f, T0, 500000, 500000, 0);
    f.x.sticky = true;
    struct plan *p = bandit_fixture_plan(&f);
    struct decision d = decided(p, "c-1", T0);
    ck_assert_int_eq(plan_phase_number(d.phase), 2);
    ck_assert(!token_of_decision(p, &d, NULL, T0, token));
    ck_assert(token_of_decision(p, &d, id, T0, token));
    ck_assert_uint_eq(strlen(token), TOKEN_TEXT_MAX);
    ck_assert(token_check(p, token, strlen(token), &t));
    ck_assert(t.has_decision && memcmp(t.decision_id, id, 16) == 0);
    ck_assert_int_eq(t.propensity_ppm, 500000);
    ck_assert_int_eq(with_token(p, "c-1", token, T0).reason, REASON_VARIANT);
    for (size_t i = 0; i < TOKEN_TEXT_MAX; i++) { /* no letter of it may be changed */
        char changed[TOKEN_TEXT_MAX + 1];
        memcpy(changed, token, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'Q' : 'A';
        ck_assert(!token_check(p, changed, TOKEN_TEXT_MAX, &t));
    }
    plan_unref(p);
}
END_TEST

/* --- reports --- */

/* Every decision is what a report of it says; another variant, phase or decision is not. */
static void check_report(const struct decision *d, const uint8_t *id)
{
    struct plan_assignment a;
    struct plan_report r = {.phase = plan_phase_number(d->phase), .decision = id, .ts_us = T0};
    ck_assert_int_eq(plan_reported(d->experiment, &d->unit, &r, &a), REPORT_DRAWN);
    ck_assert_ptr_eq(a.phase, d->phase);
    ck_assert_ptr_eq(a.variant, d->variant);
    ck_assert_int_eq(a.propensity_ppm, d->propensity_ppm);
    ck_assert_int_eq(a.inclusion_ppm, d->inclusion_ppm);
    if (r.phase == 1)
        return;
    r.phase = 9;
    ck_assert_int_eq(plan_reported(d->experiment, &d->unit, &r, &a), REPORT_UNKNOWN_PHASE);
    r.phase = 1; /* not in the slice */
    ck_assert_int_eq(plan_reported(d->experiment, &d->unit, &r, &a), REPORT_UNKNOWN_PHASE);
}

START_TEST(reports_are_recomputed)
{
    for (int k = 0; k < 2; k++) {
        struct bandit_fixture f;
        int64_t from[PHASES];
        bandit_fixture(&f, k ? ASSIGN_DECISION : ASSIGN_UNIT, 2 * HOUR);
        six_phases(&f, from);
        struct plan *p = bandit_fixture_plan(&f);
        for (int i = 0; i < 1000; i++) {
            uint8_t id[16];
            char user[16];
            decision_id(id, i);
            snprintf(user, sizeof user, "c-%d", i);
            struct decision d = decided_with(p, user, NULL, id, T0 + (int64_t)i % 100 * 240 * S);
            check_report(&d, k ? id : NULL);
            struct plan_report r = {.phase = plan_phase_number(d.phase)};
            struct plan_assignment a;
            if (k && r.phase > 1)
                ck_assert_int_eq(plan_reported(d.experiment, &d.unit, &r, &a), REPORT_NEEDS_DECISION);
        }
        plan_unref(p);
    }
}
END_TEST

/* --- definitions that are refused --- */

static void check_refused(const struct bandit_fixture *f, const char *words)
{
    struct plan *p = bandit_fixture_plan(f);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    ck_assert_msg(strstr(plan_quarantine_at(p, 0), words) != NULL, "%s", plan_quarantine_at(p, 0));
    ck_assert_int_eq(decided(p, "c-1", T0).reason, REASON_QUARANTINED);
    plan_unref(p);
}

START_TEST(bad_definitions_are_quarantined)
{
    static const struct slot_range all[] = {{0, SLOTS, 0}}, half[] = {{100000, 500000, 0}};
    struct bandit_fixture f;
    bandit_fixture(&f, ASSIGN_UNIT, 0);
    check_refused(&f, "cta: it is running without a time phase");
    bandit_fixture_phase(&f, T0, 0, 500000, 500000)->traffic = all;
    check_refused(&f, "cta: phase 2 owns slots of the slice that is reserved");
    f.phases[1].traffic = half;
    f.phases[1].closed = all;
    f.phases[1].n_closed = 1;
    check_refused(&f, "cta: phase 2 closes slots [0,1000000) that it does not own");
    f.phases[1].n_closed = 0;
    f.bandit.stick_us = -1;
    check_refused(&f, "cta: stick_us is -1, not 0 or more microseconds");
    f.bandit.stick_us = 0;
    f.x.bandit = NULL;
    check_refused(&f, "cta: it is a bandit without a \"bandit\" in its definition");
    f.x.kind = KIND_AB;
    check_refused(&f, "cta: phase 2 begins at a time, which only a bandit's do");
    f.x.kind = KIND_CONTEXTUAL;
    f.x.bandit = &f.bandit;
    check_refused(&f, "cta: a contextual bandit draws each decision: \"assign\" must be \"decision\"");
    f.bandit.assign = ASSIGN_DECISION;
    check_refused(&f, "cta: it is a contextual bandit without a \"contextual\" in its definition");
}
END_TEST

/* --- traces --- */

START_TEST(a_trace_says_which_phase_and_since_when)
{
    struct bandit_fixture f;
    struct trace *trace = calloc(1, sizeof *trace);
    char text[400], all[4000] = "";
    struct subject s;
    struct decision d;
    uint8_t id[16];
    decision_id(id, 0);
    ck_assert_ptr_nonnull(trace);
    bandit_fixture(&f, ASSIGN_UNIT, HOUR);
    bandit_fixture_phase(&f, T0, 0, 0, 1000000);
    struct plan *p = bandit_fixture_plan(&f);
    subject_init(&s, "c-1", 3, NULL);
    s.trace = trace;
    decide(p, plan_flag_find(p, "f", 1), &s, id, T0 + 30 * HOUR, 0, &d);
    for (size_t i = 0; i < trace->n; i++) {
        trace_describe(&trace->steps[i], text, sizeof text);
        strcat(strcat(all, text), "\n");
    }
    ck_assert_msg(strstr(all,
                         "time phase 2 draws, in force since 2026-09-21T14:13:20Z: the unit's present epoch "
                         "began 2026-09-22T") != NULL,
                  "%s", all);
    ck_assert_msg(strstr(all, "is variant c, of 1000000 ppm") != NULL, "%s", all);
    free(trace);
    plan_unref(p);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("bandit");
    tcase_add_test(tc, a_unit_is_drawn_by_the_phase_of_its_epoch);
    tcase_add_test(tc, a_unit_changes_at_most_once_an_epoch);
    tcase_add_test(tc, never_before_the_first_phase);
    tcase_add_test(tc, the_slice_is_reserved);
    tcase_add_test(tc, the_highest_number_draws);
    tcase_add_test(tc, each_decision_is_drawn);
    tcase_add_test(tc, decisions_have_no_epochs);
    tcase_add_test(tc, a_dropped_arm_and_closed_slots_fall_back);
    tcase_add_test(tc, traffic_opened_later_begins_with_its_phase);
    tcase_add_test(tc, a_stopped_one_tells_the_counterfactual);
    tcase_add_test(tc, a_token_keeps_the_first_arm_until_its_window_closes);
    tcase_add_test(tc, no_token_keeps_where_decisions_are_drawn);
    tcase_add_test(tc, reports_are_recomputed);
    tcase_add_test(tc, bad_definitions_are_quarantined);
    tcase_add_test(tc, a_trace_says_which_phase_and_since_when);
    return run_case("bandit", tc);
}
