/* Layers, holdouts, shipping, overrides, prerequisites, times, closed slots and dropped arms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/plan_private.h"
#include "plan_fixture.h"
#include "suite.h"

#define USERS 400

static const char *const cta[] = {"cta", NULL};
static const char *const second[] = {"second", NULL};
static const char *const both[] = {"cta", "second", NULL};
static const struct slot_range low[] = {{0, 400000, 0}};
static const struct slot_range high[] = {{600000, SLOTS, 0}, {500000, 550000, 0}};

/* --- helpers --- */

static struct decision decided_at(const struct plan *p, const char *flag, int user, int64_t now)
{
    struct subject s;
    struct decision d;
    char id[16];
    snprintf(id, sizeof id, "c-%d", user);
    subject_init(&s, id, strlen(id), NULL);
    decide(p, plan_flag_find(p, flag, strlen(flag)), &s, NULL, now, 0, &d);
    return d;
}

static struct decision decided(const struct plan *p, const char *flag, int user)
{
    return decided_at(p, flag, user, 1000);
}

static struct plan *one_plan(const struct experiment_def *x)
{
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", cta);
    return fixture_finish(b);
}

static uint32_t slot_by(const uint8_t *salt, const struct unit *u)
{
    struct draw d;
    draw_unit(salt, u, &d);
    return slot_of(d.w[0]);
}

static void is(const struct decision *d, enum reason reason)
{
    ck_assert_str_eq(decide_reason_name(d->reason), decide_reason_name(reason));
}

/* A fallback: the default and nothing drawn. */
static void falls_back(const struct decision *d, enum reason reason)
{
    is(d, reason);
    ck_assert_ptr_null(d->variant);
    ck_assert_ptr_null(d->phase);
    ck_assert_str_eq(d->variant_name, "default");
    ck_assert_str_eq(d->value_json, "\"off\"");
}

static void whole(const struct plan *p)
{
    ck_assert_msg(plan_quarantine_count(p) == 0, "%s",
                  plan_quarantine_count(p) ? plan_quarantine_at(p, 0) : "");
}

/* --- status and times --- */

static void closed_for(enum plan_status status, enum reason reason, bool counterfactual)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->status = status;
    struct plan *p = one_plan(x);
    struct decision d = decided(p, "f", 1);
    falls_back(&d, reason);
    ck_assert(counterfactual == (d.counterfactual != NULL));
    plan_unref(p);
}

START_TEST(statuses)
{
    closed_for(STATUS_SCHEDULED, REASON_SCHEDULED, false);
    closed_for(STATUS_PAUSED, REASON_PAUSED, true);
    closed_for(STATUS_STOPPED, REASON_STOPPED, true);
}
END_TEST

/* Exact to the microsecond on every node: the start belongs to it, the end does not. */
START_TEST(times)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->has_window = true;
    x->starts_us = 100;
    x->ends_us = 200;
    struct plan *p = one_plan(x);
    static const struct {
        int64_t now;
        enum reason reason;
    } cases[] = {{99, REASON_NOT_STARTED}, {100, REASON_VARIANT}, {199, REASON_VARIANT}, {200, REASON_ENDED}};
    for (size_t i = 0; i < 4; i++) {
        struct decision d = decided_at(p, "f", 1, cases[i].now);
        is(&d, cases[i].reason);
        ck_assert((d.reason == REASON_ENDED) == (d.counterfactual != NULL));
    }
    plan_unref(p);
}
END_TEST

/* --- traffic --- */

/* Closing sends slots to the fallback, with what they had as the counterfactual; reopening gives it back. */
START_TEST(closed_slots_and_back)
{
    struct plan *open = one_plan(fixture_experiment(1, "cta"));
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_phase(1)->closed = high;
    fixture_phase(1)->n_closed = 2;
    struct plan *closed = one_plan(x);
    whole(closed);
    int n = 0;
    for (int i = 0; i < USERS; i++) {
        struct decision a = decided(open, "f", i), b = decided(closed, "f", i);
        uint32_t slot = slot_by(x->salt, &a.unit);
        bool shut = slot >= 600000 || (slot >= 500000 && slot < 550000);
        const struct plan_phase *phase;
        const struct plan_variant *variant;
        int32_t propensity, inclusion;
        /* A report of what was drawn before the slot was closed is still right. */
        ck_assert(plan_expected(b.experiment, &b.unit, &phase, &variant, &propensity, &inclusion));
        ck_assert_int_eq(plan_variant_id(variant), plan_variant_id(a.variant));
        ck_assert_int_eq(inclusion, 550000);
        if (shut)
            falls_back(&b, REASON_NOT_IN_TRAFFIC);
        else
            ck_assert_int_eq(b.inclusion_ppm, 550000);
        ck_assert_int_eq(plan_variant_id(shut ? b.counterfactual : b.variant), plan_variant_id(a.variant));
        n += shut;
    }
    ck_assert_int_gt(n, USERS / 4);
    plan_unref(open);
    plan_unref(closed);
}
END_TEST

START_TEST(a_dropped_arm_falls_back)
{
    struct plan *before = one_plan(fixture_experiment(1, "cta"));
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_variants(1)[1].dropped = true;
    struct plan *after = one_plan(x);
    for (int i = 0; i < USERS; i++) {
        struct decision a = decided(before, "f", i), b = decided(after, "f", i);
        if (strcmp(a.variant_name, "control") == 0) {
            is(&b, REASON_VARIANT);
            ck_assert_int_eq(plan_variant_id(b.variant), plan_variant_id(a.variant));
        } else {
            falls_back(&b, REASON_ARM_DROPPED);
            ck_assert_int_eq(plan_variant_id(b.counterfactual), plan_variant_id(a.variant));
        }
    }
    plan_unref(before);
    plan_unref(after);
}
END_TEST

/* --- layers --- */

static void layered(struct experiment_def *x, const struct slot_range *slots, size_t n)
{
    x->layer = "checkout";
    x->layer_slots = slots;
    x->n_layer_slots = n;
}

static struct plan *layer_plan(const struct slot_range *first, size_t n)
{
    uint8_t salt[SALT_BYTES] = "layer's own salt";
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    layered(x, first, n);
    plan_builder_experiment(b, x);
    x = fixture_experiment(2, "second");
    layered(x, high, 2);
    plan_builder_experiment(b, x);
    plan_builder_layer(b, "checkout", salt);
    fixture_flag(b, 1, "f", cta);
    fixture_flag(b, 2, "g", second);
    return fixture_finish(b);
}

START_TEST(a_layer_keeps_experiments_apart)
{
    struct plan *p = layer_plan(low, 1);
    whole(p);
    int in[3] = {0};
    for (int i = 0; i < USERS; i++) {
        struct decision a = decided(p, "f", i), b = decided(p, "g", i);
        uint32_t slot = slot_by((const uint8_t *)"layer's own salt", &a.unit);
        bool first = slot < 400000, other = slot >= 600000 || (slot >= 500000 && slot < 550000);
        is(&a, first ? REASON_VARIANT : REASON_NOT_IN_LAYER);
        is(&b, other ? REASON_VARIANT : REASON_NOT_IN_LAYER);
        ck_assert_int_eq(a.inclusion_ppm, first ? 400000 : -1);
        ck_assert_int_eq(b.inclusion_ppm, other ? 450000 : -1);
        in[first ? 0 : other ? 1 : 2]++;
    }
    for (int k = 0; k < 3; k++)
        ck_assert_int_gt(in[k], USERS / 20);
    plan_unref(p);
}
END_TEST

/* Growing takes more slots; who is in stays as they are. */
START_TEST(growing_moves_nobody)
{
    static const struct slot_range more[] = {{0, 500000, 0}, {550000, 600000, 0}};
    struct plan *small = layer_plan(low, 1), *large = layer_plan(more, 2);
    int grown = 0;
    for (int i = 0; i < USERS; i++) {
        struct decision a = decided(small, "f", i), b = decided(large, "f", i);
        if (a.variant)
            ck_assert_int_eq(plan_variant_id(a.variant), plan_variant_id(b.variant));
        grown += !a.variant && b.variant;
        struct decision c = decided(small, "g", i), d = decided(large, "g", i);
        ck_assert_int_eq(c.reason, d.reason);
    }
    ck_assert_int_gt(grown, 0);
    plan_unref(small);
    plan_unref(large);
}
END_TEST

/* A stopped experiment gave its slots back; late reports of it are judged by its phases alone. */
START_TEST(reports_after_the_layer_was_left)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    uint8_t salt[SALT_BYTES] = "layer's own salt";
    struct plan_builder *b = fixture_builder();
    x->status = STATUS_STOPPED;
    layered(x, NULL, 0);
    plan_builder_experiment(b, x);
    plan_builder_layer(b, "checkout", salt);
    fixture_flag(b, 1, "f", cta);
    struct plan *p = fixture_finish(b);
    const struct plan_phase *phase;
    const struct plan_variant *variant;
    int32_t propensity, inclusion;
    struct decision d = decided(p, "f", 1);
    falls_back(&d, REASON_STOPPED);
    ck_assert_ptr_nonnull(d.counterfactual);
    ck_assert(plan_expected(d.experiment, &d.unit, &phase, &variant, &propensity, &inclusion));
    ck_assert_ptr_eq(variant, d.counterfactual);
    plan_unref(p);
}
END_TEST

/* A draw that can be skipped says the same as the draw: with a trace nothing is skipped. */
START_TEST(skipped_draws_change_nothing)
{
    static const struct slot_range everything[] = {{500000, SLOTS, 0}, {0, 500000, 0}};
    struct plan *p = layer_plan(everything, 2);
    struct trace *trace = malloc(sizeof *trace);
    for (int i = 0; i < 5000; i++) {
        struct subject s;
        struct decision a = decided(p, "f", i), b;
        char id[16];
        const struct occasion o = {.now_us = 1000};
        struct lot quick, full;
        snprintf(id, sizeof id, "c-%d", i);
        subject_init(&s, id, strlen(id), NULL);
        s.trace = trace;
        trace->n = 0;
        decide(p, a.flag, &s, NULL, 1000, 0, &b);
        if (a.reason != b.reason || a.phase != b.phase || a.variant != b.variant ||
            a.propensity_ppm != b.propensity_ppm || a.inclusion_ppm != b.inclusion_ppm)
            ck_abort_msg("%s", id);
        enum drawn x = plan_draw(a.experiment, &a.unit, -1, false, &o, &quick),
                   y = plan_draw(a.experiment, &a.unit, -1, true, &o, &full);
        if (x != y || quick.variant != full.variant || quick.phase != full.phase ||
            quick.traffic_slot != -1 || full.traffic_slot != (int32_t)slot_by(a.experiment->salt, &a.unit) ||
            full.variant_slot != quick.variant_slot)
            ck_abort_msg("%s", id);
    }
    free(trace);
    plan_unref(p);
}
END_TEST

/* --- holdouts --- */

/* "global" with an arm of out_ppm (and "team", nested behind it, when there is one); both experiments ask. */
static struct plan *held_plan(struct experiment_def *x, enum plan_gives gives, bool nested)
{
    static const int32_t ids[] = {3, 4};
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, fixture_holdout(3, "global", 300000, gives));
    plan_builder_experiment(b, fixture_holdout(4, "team", 500000, GIVES_NOTHING));
    struct experiment_def *y = fixture_experiment(2, "second");
    x->holdouts = y->holdouts = ids;
    x->n_holdouts = y->n_holdouts = nested ? 2 : 1;
    plan_builder_experiment(b, x);
    plan_builder_experiment(b, y);
    struct rule_def rules[2] = {{.kind = RULE_EXPERIMENT, .experiment = "cta"},
                                {.kind = RULE_ROLLOUT, .value_json = "\"on\"", .share_ppm = SLOTS}};
    struct flag_def def = {
        .id = 1, .key = "f", .type = VALUE_STRING, .default_json = "\"off\"", .rules = rules, .n_rules = 2};
    plan_builder_flag(b, &def);
    fixture_flag(b, 2, "g", both);
    struct plan *p = fixture_finish(b);
    whole(p);
    return p;
}

static bool is_out(const struct plan *p, const char *key, uint32_t out_ppm, const struct unit *u)
{
    const struct plan_experiment *h = plan_experiment_find(p, key, strlen(key));
    return slot_by(h->salt, u) < out_ppm;
}

START_TEST(a_holdout_keeps_out_and_tells)
{
    struct plan *free_plan = one_plan(fixture_experiment(1, "cta"));
    struct plan *p = held_plan(fixture_experiment(1, "cta"), GIVES_NOTHING, false);
    int out = 0;
    for (int i = 0; i < USERS; i++) {
        struct decision a = decided(free_plan, "f", i), d = decided(p, "f", i);
        bool held = is_out(p, "global", 300000, &d.unit);
        ck_assert_uint_eq(d.n_holdouts, 1);
        ck_assert_str_eq(plan_experiment_key(d.holdouts[0].experiment), "global");
        ck_assert_str_eq(plan_variant_key(d.holdouts[0].variant), held ? "out" : "in");
        ck_assert_int_eq(d.holdouts[0].propensity_ppm, held ? 300000 : 700000);
        ck_assert_int_eq(d.holdouts[0].inclusion_ppm, 1000000);
        ck_assert_mem_eq(&d.holdouts[0].unit, &d.unit, sizeof d.unit);
        ck_assert_int_eq(plan_phase_number(d.holdouts[0].phase), 1);
        ck_assert_str_eq(plan_experiment_key(d.experiment), "cta");
        if (held) {
            falls_back(&d, REASON_HOLDOUT);
            ck_assert_int_eq(plan_variant_id(d.counterfactual), plan_variant_id(a.variant));
            ck_assert_str_eq(plan_experiment_key(d.holdout), "global");
            ck_assert_str_eq(plan_variant_key(d.holdout_variant), "out");
            ck_assert_int_eq(d.propensity_ppm, 300000);
            ck_assert_int_eq(d.inclusion_ppm, 1000000);
        } else {
            is(&d, REASON_VARIANT);
            ck_assert_int_eq(plan_variant_id(d.variant), plan_variant_id(a.variant));
            ck_assert_ptr_null(d.holdout);
            ck_assert_int_eq(d.propensity_ppm, 500000);
            ck_assert_int_eq(d.inclusion_ppm, 700000);
        }
        out += held;
    }
    ck_assert_int_gt(out, USERS / 5);
    ck_assert_int_lt(out, USERS * 2 / 5);
    plan_unref(free_plan);
    plan_unref(p);
}
END_TEST

/* An arm that gives rules: the rollout behind the experiment serves, and the holdout stays told. */
START_TEST(what_an_arm_leaves)
{
    struct plan *rules = held_plan(fixture_experiment(1, "cta"), GIVES_RULES, false);
    struct plan *shipped = held_plan(fixture_experiment(1, "cta"), GIVES_SHIPPED, false);
    for (int i = 0; i < USERS; i++) {
        struct decision d = decided(rules, "f", i), e = decided(shipped, "f", i);
        bool held = is_out(rules, "global", 300000, &d.unit);
        is(&d, held ? REASON_HOLDOUT : REASON_VARIANT);
        is(&e, held ? REASON_HOLDOUT : REASON_VARIANT);
        if (!held)
            continue;
        ck_assert_str_eq(d.variant_name, "rollout");
        ck_assert_str_eq(d.value_json, "\"on\"");
        ck_assert_ptr_nonnull(d.counterfactual);
        ck_assert_ptr_null(d.variant);
        ck_assert_str_eq(e.variant_name, "rollout");
    }
    plan_unref(rules);
    plan_unref(shipped);
}
END_TEST

/* Where the subject is not eligible no holdout is told, in no arm; but nothing is served to who gets nothing.
 */
START_TEST(eligibility_comes_first)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_phase(1)->traffic = low;
    struct plan *p = held_plan(x, GIVES_NOTHING, false);
    int empty = 0;
    for (int i = 0; i < USERS; i++) {
        struct decision d = decided(p, "f", i);
        bool held = is_out(p, "global", 300000, &d.unit), in = slot_by(x->salt, &d.unit) < 400000;
        ck_assert_uint_eq(d.n_holdouts, in ? 1 : 0);
        if (in) {
            is(&d, held ? REASON_HOLDOUT : REASON_VARIANT);
            ck_assert_int_eq(d.inclusion_ppm, held ? 400000 : 280000);
        } else if (held) {
            falls_back(&d, REASON_NOT_IN_TRAFFIC); /* not the rollout */
            empty++;
        } else {
            is(&d, REASON_ROLLOUT);
        }
    }
    ck_assert_int_gt(empty, 0);
    plan_unref(p);
}
END_TEST

/* Asked in order; the first that keeps the unit out decides, and those behind it are not asked. */
START_TEST(nested_holdouts)
{
    struct plan *p = held_plan(fixture_experiment(1, "cta"), GIVES_NOTHING, true);
    int seen[3] = {0};
    for (int i = 0; i < USERS; i++) {
        struct decision d = decided(p, "f", i);
        bool global = is_out(p, "global", 300000, &d.unit), team = is_out(p, "team", 500000, &d.unit);
        ck_assert_uint_eq(d.n_holdouts, global ? 1 : 2);
        is(&d, global || team ? REASON_HOLDOUT : REASON_VARIANT);
        ck_assert_int_eq(d.inclusion_ppm, global ? 1000000 : team ? 700000 : 350000);
        if (global || team)
            ck_assert_str_eq(plan_experiment_key(d.holdout), global ? "global" : "team");
        if (!global) {
            ck_assert_int_eq(d.holdouts[1].inclusion_ppm, 700000);
            ck_assert_str_eq(plan_variant_key(d.holdouts[1].variant), team ? "out" : "in");
        }
        seen[global ? 0 : team ? 1 : 2]++;
        /* Two experiments behind one flag, one exposure for each holdout. */
        struct decision g = decided(p, "g", i);
        ck_assert_uint_eq(g.n_holdouts, global ? 1 : 2);
    }
    for (int k = 0; k < 3; k++)
        ck_assert_int_gt(seen[k], USERS / 8);
    plan_unref(p);
}
END_TEST

START_TEST(a_holdout_that_is_over_asks_nobody)
{
    for (int k = 0; k < 4; k++) {
        static const int32_t ids[] = {3};
        struct plan_builder *b = fixture_builder();
        struct experiment_def *h = fixture_holdout(3, "global", 999999, GIVES_NOTHING);
        struct experiment_def *x = fixture_experiment(1, "cta");
        h->status = k == 0 ? STATUS_STOPPED : k == 1 ? STATUS_DRAFT : STATUS_RUNNING;
        h->guard_stopped = k == 2;
        h->has_window = k == 3;
        h->starts_us = PLAN_ALWAYS;
        h->ends_us = 1000;
        plan_builder_experiment(b, h);
        x->holdouts = ids;
        x->n_holdouts = 1;
        plan_builder_experiment(b, x);
        fixture_flag(b, 1, "f", cta);
        struct plan *p = fixture_finish(b);
        struct decision d = decided_at(p, "f", 1, 1000);
        is(&d, REASON_VARIANT);
        ck_assert_uint_eq(d.n_holdouts, 0);
        ck_assert_int_eq(d.inclusion_ppm, 1000000);
        if (k == 3) {
            d = decided_at(p, "f", 1, 999);
            is(&d, REASON_HOLDOUT);
        }
        plan_unref(p);
    }
}
END_TEST

/* --- shipping --- */

static struct experiment_def *shipped(int32_t holdback)
{
    static struct ship_def s;
    struct experiment_def *x = fixture_experiment(1, "cta");
    s = (struct ship_def){.variant = "treatment", .holdback_ppm = holdback};
    memset(s.salt, 's', SALT_BYTES);
    x->status = STATUS_SHIPPED;
    x->shipped = &s;
    return x;
}

START_TEST(shipping_with_a_holdback)
{
    struct experiment_def *x = shipped(200000);
    fixture_phase(1)->traffic = low; /* no longer matters */
    struct plan *p = one_plan(x);
    whole(p);
    int back = 0;
    for (int i = 0; i < USERS; i++) {
        struct decision d = decided(p, "f", i);
        bool kept = slot_by(x->shipped->salt, &d.unit) < 200000;
        is(&d, kept ? REASON_HOLDBACK : REASON_SHIPPED);
        ck_assert_str_eq(d.variant_name, kept ? "control" : "treatment");
        ck_assert_int_eq(d.propensity_ppm, kept ? 200000 : 800000);
        ck_assert_int_eq(d.inclusion_ppm, 1000000);
        ck_assert_ptr_null(d.phase);
        ck_assert(kept == (d.counterfactual != NULL));
        back += kept;
    }
    ck_assert_int_gt(back, USERS / 8);
    plan_unref(p);
    p = one_plan(shipped(0));
    struct decision d = decided(p, "f", 1);
    is(&d, REASON_SHIPPED);
    ck_assert_int_eq(d.propensity_ppm, 1000000);
    plan_unref(p);
}
END_TEST

/* What shipped reaches members whose arm gives it, and nobody else's. */
START_TEST(shipping_under_holdouts)
{
    static const enum plan_gives gives[] = {GIVES_NOTHING, GIVES_RULES, GIVES_SHIPPED};
    for (size_t k = 0; k < 3; k++) {
        struct plan *p = held_plan(shipped(0), gives[k], false);
        for (int i = 0; i < USERS; i++) {
            struct decision d = decided(p, "f", i);
            bool held = is_out(p, "global", 300000, &d.unit) && gives[k] < GIVES_SHIPPED;
            is(&d, held ? REASON_HOLDOUT : REASON_SHIPPED);
            ck_assert_uint_eq(d.n_holdouts, 1);
            if (held)
                ck_assert_str_eq(plan_variant_key(d.counterfactual), "treatment");
            else
                ck_assert_int_eq(d.inclusion_ppm, gives[k] == GIVES_SHIPPED ? 1000000 : 700000);
        }
        plan_unref(p);
    }
}
END_TEST

/* --- overrides --- */

START_TEST(overrides)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    struct override_def o[30];
    struct plan *plain = one_plan(x);
    for (int i = 0; i < 30; i++) {
        struct decision d = decided(plain, "f", i);
        o[i] = (struct override_def){.has_unit = true,
                                     .unit = d.unit,
                                     .variant = i % 2 ? "control" : "treatment",
                                     .expires_us = i < 20 ? PLAN_NEVER : 1000};
    }
    plan_unref(plain);
    x->overrides = o;
    x->n_overrides = 30;
    x->status = STATUS_DRAFT; /* for trying it out before it starts */
    struct plan *p = one_plan(x);
    whole(p);
    for (int i = 0; i < 40; i++) {
        struct decision d = decided(p, "f", i);
        is(&d, i < 20 ? REASON_OVERRIDE : REASON_NOT_STARTED);
        ck_assert_int_eq(d.propensity_ppm, -1);
        ck_assert_int_eq(d.inclusion_ppm, -1);
        ck_assert_ptr_null(d.phase); /* so it is no exposure */
        if (i < 20)
            ck_assert_str_eq(d.variant_name, i % 2 ? "control" : "treatment");
        d = decided_at(p, "f", i, 999);
        is(&d, i < 30 ? REASON_OVERRIDE : REASON_NOT_STARTED);
    }
    plan_unref(p);
    x->status = STATUS_ARCHIVED;
    p = one_plan(x);
    struct decision d = decided(p, "f", 1);
    is(&d, REASON_ARCHIVED);
    plan_unref(p);
}
END_TEST

static const struct attr *country(struct attr_field *f, struct attr *object, const char *name)
{
    *f = (struct attr_field){"country", 7, {.type = ATTR_STRING, .u.string = {name, strlen(name)}}};
    *object = (struct attr){.type = ATTR_OBJECT, .u.object = {f, 1}};
    return object;
}

START_TEST(a_segment_is_overridden)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    struct segment_def segment = {.key = "germany", .condition = fixture_condition(b, "country", "DE")};
    struct override_def o = {.segment = "germany", .variant = "treatment", .expires_us = PLAN_NEVER};
    plan_builder_segment(b, &segment);
    x->overrides = &o;
    x->n_overrides = 1;
    x->guard_stopped = true;
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", cta);
    struct plan *p = fixture_finish(b);
    whole(p);
    struct attr_field f;
    struct attr object;
    struct subject s;
    struct decision d;
    const char *names[2];
    subject_init(&s, "c-1", 3, country(&f, &object, "DE"));
    decide(p, plan_flag_find(p, "f", 1), &s, NULL, 0, 0, &d);
    is(&d, REASON_OVERRIDE);
    subject_init(&s, "c-1", 3, country(&f, &object, "FR"));
    decide(p, plan_flag_find(p, "f", 1), &s, NULL, 0, 0, &d);
    is(&d, REASON_GUARD_STOP);
    ck_assert_uint_eq(decide_inputs(plan_flag_find(p, "f", 1), names, 2), 1);
    ck_assert_str_eq(names[0], "country");
    plan_unref(p);
}
END_TEST

/* --- prerequisites --- */

static const char *const treatment[] = {"treatment"};

/* second requires cta's treatment; x is cta. */
static struct plan *chained(struct experiment_def *x, const int32_t *holdouts, size_t n)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *y = fixture_experiment(2, "second");
    struct prerequisite_def r = {"cta", treatment, 1};
    if (n > 0)
        plan_builder_experiment(b, fixture_holdout(3, "global", 300000, GIVES_NOTHING));
    y->prerequisites = &r;
    y->n_prerequisites = 1;
    x->holdouts = y->holdouts = holdouts;
    x->n_holdouts = y->n_holdouts = n;
    plan_builder_experiment(b, x);
    plan_builder_experiment(b, y);
    fixture_flag(b, 1, "f", cta);
    fixture_flag(b, 2, "g", second);
    struct plan *p = fixture_finish(b);
    whole(p);
    return p;
}

START_TEST(a_prerequisite)
{
    struct plan *p = chained(fixture_experiment(1, "cta"), NULL, 0);
    for (int i = 0; i < USERS; i++) {
        struct decision a = decided(p, "f", i), b = decided(p, "g", i);
        bool met = strcmp(a.variant_name, "treatment") == 0;
        is(&b, met ? REASON_VARIANT : REASON_PREREQUISITE);
        ck_assert_str_eq(plan_experiment_key(b.experiment), "second");
        ck_assert_ptr_null(b.counterfactual);
    }
    plan_unref(p);
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->status = STATUS_PAUSED;
    p = chained(x, NULL, 0);
    struct decision b = decided(p, "g", 1);
    falls_back(&b, REASON_PREREQUISITE);
    plan_unref(p);
}
END_TEST

/* Who is held out of both is eligible for the second as if the holdout let it through: as many are told of
 * the holdout in one arm as in the other. */
START_TEST(a_prerequisite_under_one_holdout)
{
    static const int32_t ids[] = {3};
    struct plan *apart = chained(fixture_experiment(1, "cta"), NULL, 0);
    struct plan *p = chained(fixture_experiment(1, "cta"), ids, 1);
    for (int i = 0; i < USERS; i++) {
        struct decision want = decided(apart, "g", i), d = decided(p, "g", i);
        bool held = is_out(p, "global", 300000, &d.unit);
        ck_assert_uint_eq(d.n_holdouts, want.variant ? 1 : 0);
        is(&d, !want.variant ? REASON_PREREQUISITE : held ? REASON_HOLDOUT : REASON_VARIANT);
    }
    plan_unref(apart);
    plan_unref(p);
}
END_TEST

/* Cycles are refused where they are defined; here they end. */
START_TEST(circles_end)
{
    struct plan_builder *b = fixture_builder();
    static const char *const keys[] = {"cta", "second"};
    static const char *const any[] = {"control", "treatment"};
    struct prerequisite_def r[2][40];
    for (int k = 0; k < 2; k++) {
        struct experiment_def *x = fixture_experiment(k + 1, keys[k]);
        for (int i = 0; i < 40; i++)
            r[k][i] = (struct prerequisite_def){keys[1 - k], any, 2};
        x->prerequisites = r[k];
        x->n_prerequisites = 40;
        plan_builder_experiment(b, x);
    }
    fixture_flag(b, 1, "f", cta);
    fixture_flag(b, 2, "g", second);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "f", 1);
    falls_back(&d, REASON_PREREQUISITE);
    plan_unref(p);
}
END_TEST

/* --- what the compiler refuses --- */

static void refused(struct plan_builder *b, const char *why)
{
    fixture_flag(b, 1, "f", cta);
    struct plan *p = fixture_finish(b);
    ck_assert_uint_ge(plan_quarantine_count(p), 1);
    ck_assert_str_eq(plan_quarantine_at(p, plan_quarantine_count(p) - 1), why);
    plan_unref(p);
}

#define REFUSED(why, ...)                                                                                    \
    do {                                                                                                     \
        struct plan_builder *b = fixture_builder();                                                          \
        struct experiment_def *x = fixture_experiment(1, "cta");                                             \
        __VA_ARGS__;                                                                                         \
        plan_builder_experiment(b, x);                                                                       \
        refused(b, why);                                                                                     \
    } while (0)

START_TEST(bad_definitions)
{
    static const int32_t nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const struct slot_range overlapping[] = {{0, 10, 0}, {5, 20, 0}};
    struct prerequisite_def r = {"nothing", treatment, 1};
    struct override_def o = {.segment = "nowhere", .variant = "treatment"};
    struct ship_def s = {.variant = "treatment", .holdback_ppm = 2000000};
    REFUSED("cta: there is no layer checkout", x->layer = "checkout");
    REFUSED("cta: layer slots: slots [0,10) and [5,20) overlap", x->layer = "a", x->layer_slots = overlapping,
            x->n_layer_slots = 2);
    REFUSED("cta: 9 holdouts apply to it; at most 8 can", x->holdouts = nine, x->n_holdouts = 9);
    REFUSED("cta: there is no holdout with the id 2", x->holdouts = nine + 1, x->n_holdouts = 1);
    REFUSED("cta: it requires nothing, which does not exist", x->prerequisites = &r, x->n_prerequisites = 1);
    REFUSED("cta: the holdback is 2000000, not 0 to 1000000 ppm", x->status = STATUS_SHIPPED,
            x->shipped = &s);
    REFUSED("cta: it shipped, but not which variant", x->status = STATUS_SHIPPED);
    REFUSED("cta: 2 variants are marked as control", fixture_variants(1)[0].control = true,
            fixture_variants(1)[1].control = true);
    s.holdback_ppm = 1;
    REFUSED("cta: what shipped names a variant that the experiment doesn't have", x->status = STATUS_SHIPPED,
            s.variant = "other", x->shipped = &s);
    REFUSED("cta: phase 1 closes slots [500000,550000) that it does not own", fixture_phase(1)->traffic = low,
            fixture_phase(1)->closed = high, fixture_phase(1)->n_closed = 2);
    r.experiment = "cta";
    r.variants = (const char *const[]){"other"};
    REFUSED("cta: it requires variant other of cta, which does not exist", x->prerequisites = &r,
            x->n_prerequisites = 1);
    o.variant = "other";
    REFUSED("cta: an override names a variant that the experiment doesn't have", x->overrides = &o,
            x->n_overrides = 1);
    o = (struct override_def){.variant = "control"};
    REFUSED("cta: an override names neither a unit nor a segment", x->overrides = &o, x->n_overrides = 1);
}
END_TEST

START_TEST(bad_holdouts)
{
    static const int32_t ids[] = {3};
    struct plan_builder *b = fixture_builder();
    struct experiment_def *h = fixture_holdout(3, "global", 300000, GIVES_NOTHING);
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_variants(3)[1].gives = GIVES_SHIPPED;
    x->holdouts = ids;
    x->n_holdouts = 1;
    plan_builder_experiment(b, h);
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", cta);
    struct plan *p = fixture_finish(b);
    ck_assert_str_eq(plan_quarantine_at(p, 0), "global: a holdout needs an arm that gives everything");
    ck_assert_str_eq(plan_quarantine_at(p, 1), "cta: its holdout global is left out");
    struct decision d = decided(p, "f", 1);
    falls_back(&d, REASON_QUARANTINED);
    plan_unref(p);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("model");
    tcase_add_test(tc, statuses);
    tcase_add_test(tc, times);
    tcase_add_test(tc, closed_slots_and_back);
    tcase_add_test(tc, a_dropped_arm_falls_back);
    tcase_add_test(tc, a_layer_keeps_experiments_apart);
    tcase_add_test(tc, growing_moves_nobody);
    tcase_add_test(tc, reports_after_the_layer_was_left);
    tcase_add_test(tc, skipped_draws_change_nothing);
    tcase_add_test(tc, a_holdout_keeps_out_and_tells);
    tcase_add_test(tc, what_an_arm_leaves);
    tcase_add_test(tc, eligibility_comes_first);
    tcase_add_test(tc, nested_holdouts);
    tcase_add_test(tc, a_holdout_that_is_over_asks_nobody);
    tcase_add_test(tc, shipping_with_a_holdback);
    tcase_add_test(tc, shipping_under_holdouts);
    tcase_add_test(tc, overrides);
    tcase_add_test(tc, a_segment_is_overridden);
    tcase_add_test(tc, a_prerequisite);
    tcase_add_test(tc, a_prerequisite_under_one_holdout);
    tcase_add_test(tc, circles_end);
    tcase_add_test(tc, bad_definitions);
    tcase_add_test(tc, bad_holdouts);
    return run_case("model", tc);
}
