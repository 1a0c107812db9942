/* Decisions: each reason by itself, the order of the steps, and that nothing ever moves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "plan_fixture.h"
#include "suite.h"

#define NO_MORE ((const char *)NULL)

static const char *const one_experiment[] = {"cta", NO_MORE};
static const char *const two_experiments[] = {"cta", "second", NO_MORE};
static const char *const no_experiment[] = {NO_MORE};

/* A plan of the flag "f" (default "off") with the experiment "cta" behind it. */
static struct plan *plan_of(const struct experiment_def *x)
{
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", one_experiment);
    return fixture_finish(b);
}

static struct decision decided(const struct plan *p, const char *user, const struct attr *attributes)
{
    struct subject s;
    struct decision d;
    subject_init(&s, user, user ? strlen(user) : 0, attributes);
    decide(p, plan_flag_find(p, "f", 1), &s, NULL, 0, 0, &d);
    return d;
}

/* What every answer without a variant has. */
static void check_fallback(const struct decision *d, enum reason reason)
{
    ck_assert_str_eq(decide_reason_name(d->reason), decide_reason_name(reason));
    ck_assert_ptr_null(d->variant);
    ck_assert_ptr_null(d->phase);
    ck_assert_str_eq(d->variant_name, "default");
    ck_assert_str_eq(d->value_json, "\"off\"");
    ck_assert_int_eq(d->propensity_ppm, -1);
    ck_assert_int_eq(d->inclusion_ppm, -1);
}

static void check_unit(const struct plan *p, const char *type, const char *raw, const struct unit *u)
{
    struct unit expected;
    unit_from_raw(plan_unit_key(p), type, strlen(type), raw, strlen(raw), &expected);
    ck_assert_mem_eq(u->bytes, expected.bytes, 16);
}

static struct attr_field text_field(const char *name, const char *value)
{
    struct attr v = {.type = ATTR_STRING, .u.string = {value, strlen(value)}};
    return (struct attr_field){name, strlen(name), v};
}

/* --- reasons, one by one --- */

START_TEST(reason_default)
{
    struct plan_builder *b = fixture_builder();
    fixture_flag(b, 1, "f", no_experiment);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_DEFAULT);
    ck_assert_ptr_null(d.experiment);
    ck_assert_ptr_null(d.counterfactual);
    ck_assert_ptr_eq(d.flag, plan_flag_find(p, "f", 1));
    check_unit(p, "user", "c-1", &d.unit);
    plan_unref(p);
}
END_TEST

START_TEST(reason_variant)
{
    struct plan *p = plan_of(fixture_experiment(1, "cta"));
    const struct plan_experiment *x = plan_experiment_find(p, "cta", 3);
    int treated = 0;
    for (int i = 0; i < 1000; i++) {
        char user[16];
        const struct plan_phase *phase;
        const struct plan_variant *variant;
        int32_t propensity, inclusion;
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, NULL);
        bool ok = d.reason == REASON_VARIANT && d.experiment == x && d.counterfactual == NULL &&
                  plan_expected(x, &d.unit, &phase, &variant, &propensity, &inclusion) && phase == d.phase &&
                  variant == d.variant && d.propensity_ppm == 500000 && d.inclusion_ppm == 1000000 &&
                  strcmp(d.variant_name, plan_variant_key(variant)) == 0;
        bool t = plan_variant_id(d.variant) == 12;
        if (!ok || strcmp(d.value_json, t ? "\"t\"" : "\"c\"") != 0)
            ck_abort_msg("%s", user);
        treated += t;
    }
    ck_assert_int_gt(treated, 420);
    ck_assert_int_lt(treated, 580);
    plan_unref(p);
}
END_TEST

/* A variant without a value: the client keeps its own default. */
START_TEST(a_variant_without_a_value)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_variants(1)[0].value_json = NULL;
    fixture_variants(1)[1].value_json = "null";
    struct plan *p = plan_of(x);
    struct decision d = decided(p, "c-1", NULL);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    ck_assert_ptr_null(d.value_json);
    plan_unref(p);
}
END_TEST

static void check_closed(struct experiment_def *x, enum reason reason, bool counterfactual)
{
    struct plan *p = plan_of(x);
    for (int i = 0; i < 50; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, NULL);
        check_fallback(&d, reason);
        ck_assert_str_eq(plan_experiment_key(d.experiment), "cta");
        ck_assert(counterfactual == (d.counterfactual != NULL));
    }
    plan_unref(p);
}

START_TEST(reason_archived)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->status = STATUS_ARCHIVED;
    check_closed(x, REASON_ARCHIVED, false);
    x->guard_stopped = true;
    check_closed(x, REASON_ARCHIVED, false);
}
END_TEST

START_TEST(an_archived_flag_serves_its_default)
{
    struct plan_builder *b = fixture_builder();
    struct rule_def rule = {.kind = RULE_FORCE, .value_json = "\"x\""};
    struct flag_def def = {.id = 1,
                           .key = "f",
                           .type = VALUE_STRING,
                           .default_json = "\"off\"",
                           .archived = true,
                           .rules = &rule,
                           .n_rules = 1};
    plan_builder_flag(b, &def);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_ARCHIVED);
    ck_assert(plan_flag_archived(d.flag));
    plan_unref(p);
}
END_TEST

START_TEST(reason_not_started)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->status = STATUS_DRAFT;
    check_closed(x, REASON_NOT_STARTED, false);
    x->n_phases = 0; /* a draft has none yet, and that is no mistake */
    check_closed(x, REASON_NOT_STARTED, false);
    struct plan *p = plan_of(x);
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    plan_unref(p);
}
END_TEST

START_TEST(reason_stopped)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->status = STATUS_STOPPED;
    check_closed(x, REASON_STOPPED, true);
    x->n_phases = 0;
    check_closed(x, REASON_STOPPED, false);
}
END_TEST

START_TEST(reason_guard_stop)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->guard_stopped = true;
    check_closed(x, REASON_GUARD_STOP, true);
    x->status = STATUS_STOPPED; /* the guardrail says more than the status */
    check_closed(x, REASON_GUARD_STOP, true);
}
END_TEST

/* The same person, before and after the stop: the counterfactual is what they had. */
START_TEST(the_counterfactual_is_the_variant_they_had)
{
    struct plan *running = plan_of(fixture_experiment(1, "cta"));
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->guard_stopped = true;
    struct plan *stopped = plan_of(x);
    for (int i = 0; i < 200; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision before = decided(running, user, NULL), after = decided(stopped, user, NULL);
        if (plan_variant_id(before.variant) != plan_variant_id(after.counterfactual))
            ck_abort_msg("%s", user);
    }
    plan_unref(running);
    plan_unref(stopped);
}
END_TEST

START_TEST(reason_targeting)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->condition = fixture_condition(b, "country", "DE");
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", one_experiment);
    struct plan *p = fixture_finish(b);
    struct attr_field de = text_field("country", "DE"), fr = text_field("country", "FR");
    struct attr in = {.type = ATTR_OBJECT, .u.object = {&de, 1}};
    struct attr out = {.type = ATTR_OBJECT, .u.object = {&fr, 1}};
    struct decision d = decided(p, "c-1", &out);
    check_fallback(&d, REASON_TARGETING);
    ck_assert_ptr_null(d.counterfactual);
    d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_TARGETING);
    d = decided(p, "c-1", &in);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    plan_unref(p);
}
END_TEST

/* Who would not have been in it has no counterfactual. */
START_TEST(a_stopped_experiment_still_targets)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->condition = fixture_condition(b, "country", "DE");
    x->guard_stopped = true;
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", one_experiment);
    struct plan *p = fixture_finish(b);
    struct attr_field de = text_field("country", "DE");
    struct attr in = {.type = ATTR_OBJECT, .u.object = {&de, 1}};
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_GUARD_STOP);
    ck_assert_ptr_null(d.counterfactual);
    d = decided(p, "c-1", &in);
    check_fallback(&d, REASON_GUARD_STOP);
    ck_assert_ptr_nonnull(d.counterfactual);
    plan_unref(p);
}
END_TEST

START_TEST(reason_not_in_traffic)
{
    static const struct slot_range some[] = {{0, 1000, 0}};
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_phase(1)->traffic = some;
    struct plan *p = plan_of(x);
    int out = 0;
    for (int i = 0; i < 100; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision d = decided(p, user, NULL);
        if (d.reason == REASON_VARIANT)
            continue;
        check_fallback(&d, REASON_NOT_IN_TRAFFIC);
        ck_assert_ptr_nonnull(d.experiment);
        check_unit(p, "user", user, &d.unit);
        out++;
    }
    ck_assert_int_ge(out, 95);
    fixture_phase(1)->n_traffic = 0;
    plan_unref(p);
}
END_TEST

START_TEST(reason_unit_missing)
{
    static const struct unit none;
    char long_id[514];
    struct plan *p = plan_of(fixture_experiment(1, "cta"));
    memset(long_id, 'x', sizeof long_id);
    long_id[513] = '\0';
    static const char *const bad[] = {NULL, "", "\xFF"};
    for (size_t i = 0; i < 4; i++) {
        struct decision d = decided(p, i < 3 ? bad[i] : long_id, NULL);
        check_fallback(&d, REASON_UNIT_MISSING);
        ck_assert_mem_eq(d.unit.bytes, none.bytes, 16);
    }
    long_id[512] = '\0';
    struct decision d = decided(p, long_id, NULL);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    struct subject s;
    subject_init(&s, "a\0b", 3, NULL);
    decide(p, plan_flag_find(p, "f", 1), &s, NULL, 0, 0, &d);
    check_fallback(&d, REASON_UNIT_MISSING);
    plan_unref(p);
}
END_TEST

START_TEST(reason_quarantined)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->refused = "salt must be 32 hexadecimal digits";
    check_closed(x, REASON_QUARANTINED, false);
    x->guard_stopped = true; /* a stop is told even when the rest can't be read */
    check_closed(x, REASON_GUARD_STOP, false);
    struct plan_builder *b = fixture_builder();
    fixture_flag(b, 1, "f", one_experiment); /* there is no such experiment */
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_QUARANTINED);
    ck_assert_ptr_null(d.experiment);
    plan_unref(p);
}
END_TEST

/* --- force and rollout --- */

static struct plan *plan_of_rules(struct plan_builder *b, const struct rule_def *rules, size_t n)
{
    struct flag_def def = {
        .id = 1, .key = "f", .type = VALUE_STRING, .default_json = "\"off\"", .rules = rules, .n_rules = n};
    plan_builder_flag(b, &def);
    return fixture_finish(b);
}

START_TEST(reason_forced)
{
    struct plan_builder *b = fixture_builder();
    struct rule_def rules[2] = {{.kind = RULE_FORCE, .value_json = "\"vip\""},
                                {.kind = RULE_EXPERIMENT, .experiment = "cta"}};
    rules[0].condition = fixture_condition(b, "plan", "vip");
    plan_builder_experiment(b, fixture_experiment(1, "cta"));
    struct plan *p = plan_of_rules(b, rules, 2);
    struct attr_field vip = text_field("plan", "vip");
    struct attr in = {.type = ATTR_OBJECT, .u.object = {&vip, 1}};
    struct decision d = decided(p, "c-1", &in);
    ck_assert_int_eq(d.reason, REASON_FORCED);
    ck_assert_str_eq(d.variant_name, "forced");
    ck_assert_str_eq(d.value_json, "\"vip\"");
    ck_assert_ptr_null(d.experiment);
    ck_assert_ptr_null(d.variant);
    ck_assert_int_eq(d.propensity_ppm, -1);
    check_unit(p, "user", "c-1", &d.unit);
    d = decided(p, "c-1", NULL);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    d = decided(p, NULL, &in); /* a force rule needs no id */
    ck_assert_int_eq(d.reason, REASON_FORCED);
    plan_unref(p);
}
END_TEST

static struct plan *rollout_plan(int32_t share, const char *unit_type)
{
    struct rule_def rule = {
        .kind = RULE_ROLLOUT, .value_json = "\"on\"", .share_ppm = share, .unit_type = unit_type};
    memset(rule.salt, 'r', sizeof rule.salt);
    return plan_of_rules(fixture_builder(), &rule, 1);
}

/* Growing the share keeps everyone who is in, and 0 and 1,000,000 mean nobody and everybody. */
START_TEST(reason_rollout)
{
    static const int32_t shares[] = {0, 1, 100000, 500000, 1000000};
    struct plan *plans[5];
    int in[5] = {0};
    for (size_t i = 0; i < 5; i++)
        plans[i] = rollout_plan(shares[i], NULL);
    for (int u = 0; u < 1000; u++) {
        char user[16];
        bool was_in = false;
        snprintf(user, sizeof user, "c-%d", u);
        for (size_t i = 0; i < 5; i++) {
            struct decision d = decided(plans[i], user, NULL);
            bool now_in = d.reason == REASON_ROLLOUT;
            const char *value = now_in ? "\"on\"" : "\"off\"", *name = now_in ? "rollout" : "default";
            if ((was_in && !now_in) || (!now_in && d.reason != REASON_DEFAULT) || d.variant || d.experiment ||
                strcmp(d.value_json, value) != 0 || strcmp(d.variant_name, name) != 0)
                ck_abort_msg("%s at %d ppm", user, shares[i]);
            was_in = now_in;
            in[i] += now_in;
        }
    }
    ck_assert_int_eq(in[0], 0);
    ck_assert_int_le(in[1], 1);
    ck_assert_int_gt(in[2], 50);
    ck_assert_int_lt(in[2], 150);
    ck_assert_int_gt(in[3], 420);
    ck_assert_int_lt(in[3], 580);
    ck_assert_int_eq(in[4], 1000);
    for (size_t i = 0; i < 5; i++)
        plan_unref(plans[i]);
}
END_TEST

START_TEST(a_rollout_without_a_unit)
{
    struct plan *p = rollout_plan(1000000, "device");
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_UNIT_MISSING);
    ck_assert_ptr_null(d.experiment);
    plan_unref(p);
}
END_TEST

/* A rule that can't be read keeps those it was made for out of the rules behind it. */
START_TEST(a_broken_force_rule_ends_the_flag)
{
    struct plan_builder *b = fixture_builder();
    struct rule_def rules[2] = {{.kind = RULE_FORCE, .value_json = "\"x\""},
                                {.kind = RULE_EXPERIMENT, .experiment = "cta"}};
    rules[0].condition = fixture_condition(b, "$near", "x");
    plan_builder_experiment(b, fixture_experiment(1, "cta"));
    struct plan *p = plan_of_rules(b, rules, 2);
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_QUARANTINED);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    plan_unref(p);
}
END_TEST

/* --- several rules --- */

START_TEST(the_next_rule_decides_when_one_falls_through)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->guard_stopped = true;
    plan_builder_experiment(b, x);
    plan_builder_experiment(b, fixture_experiment(2, "second"));
    fixture_flag(b, 1, "f", two_experiments);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "c-1", NULL);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    ck_assert_str_eq(plan_experiment_key(d.experiment), "second");
    ck_assert_ptr_null(d.counterfactual);
    plan_unref(p);
}
END_TEST

START_TEST(the_first_experiment_that_fell_through_is_told)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->guard_stopped = true;
    plan_builder_experiment(b, x);
    x = fixture_experiment(2, "second");
    x->status = STATUS_DRAFT;
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", two_experiments);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_GUARD_STOP);
    ck_assert_str_eq(plan_experiment_key(d.experiment), "cta");
    ck_assert_ptr_nonnull(d.counterfactual);
    plan_unref(p);
}
END_TEST

/* --- units --- */

START_TEST(another_unit_type_takes_its_attribute)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->unit_type = "device";
    struct plan *p = plan_of(x);
    struct attr_field fields[] = {text_field("device", "d-1"), text_field("user", "ignored")};
    struct attr with = {.type = ATTR_OBJECT, .u.object = {fields, 2}};
    struct decision d = decided(p, "c-1", &with);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    check_unit(p, "device", "d-1", &d.unit);
    d = decided(p, "c-1", NULL);
    check_fallback(&d, REASON_UNIT_MISSING);
    check_unit(p, "user", "c-1", &d.unit); /* for the log, when the experiment's own is missing */
    fields[0].value = (struct attr){.type = ATTR_NUMBER, .u.number = 7};
    d = decided(p, "c-1", &with);
    check_fallback(&d, REASON_UNIT_MISSING);
    plan_unref(p);
}
END_TEST

START_TEST(a_subject_remembers_and_outgrows_its_memory)
{
    struct plan *p = plan_of(fixture_experiment(1, "cta"));
    struct attr_field fields[12];
    char names[12][8], copies[12][8];
    for (int i = 0; i < 12; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i);
        memcpy(copies[i], names[i], sizeof copies[i]);
        fields[i] = text_field(names[i], "id");
    }
    struct attr attributes = {.type = ATTR_OBJECT, .u.object = {fields, 12}};
    struct subject s;
    subject_init(&s, "c-1", 3, &attributes);
    for (int i = 0; i < 24; i++) {
        struct unit u;
        const char *type = i < 12 ? names[i] : copies[i - 12]; /* other pointers, the same types */
        ck_assert(subject_unit(p, &s, type, &u));
        check_unit(p, type, "id", &u);
    }
    ck_assert_uint_eq(s.n_units, SUBJECT_UNITS);
    plan_unref(p);
}
END_TEST

/* Again and again, from a plan built again, with other flags around: the same. */
START_TEST(decisions_are_stable)
{
    struct plan *p = plan_of(fixture_experiment(1, "cta"));
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, fixture_experiment(2, "second"));
    plan_builder_experiment(b, fixture_experiment(1, "cta"));
    fixture_flag(b, 9, "another", two_experiments);
    fixture_flag(b, 1, "f", one_experiment);
    struct plan *again = fixture_finish(b);
    for (int i = 0; i < 2000; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i % 500);
        struct decision x = decided(p, user, NULL), y = decided(p, user, NULL),
                        z = decided(again, user, NULL);
        if (x.variant != y.variant || plan_variant_id(x.variant) != plan_variant_id(z.variant))
            ck_abort_msg("%s", user);
    }
    plan_unref(p);
    plan_unref(again);
}
END_TEST

/* --- inputs, names --- */

START_TEST(inputs_are_the_attributes_looked_at_but_no_ids)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    struct rule_def rules[5] = {{.kind = RULE_FORCE, .value_json = "\"x\""},
                                {.kind = RULE_FORCE, .value_json = "\"x\""},
                                {.kind = RULE_FORCE, .value_json = "\"x\""},
                                {.kind = RULE_ROLLOUT, .value_json = "\"x\"", .unit_type = "account"},
                                {.kind = RULE_EXPERIMENT, .experiment = "cta"}};
    const char *names[2] = {"untouched", "untouched"};
    x->unit_type = "device";
    x->condition = fixture_condition(b, "country", "DE");
    plan_builder_experiment(b, x);
    rules[0].condition = fixture_condition(b, "plan.name", "vip");
    rules[1].condition = fixture_condition(b, "device", "d-1");
    rules[2].condition = fixture_condition(b, "targetingKey", "c-1");
    rules[3].condition = fixture_condition(b, "account", "a-1");
    rules[4].condition = fixture_condition(b, "country", "DE");
    struct plan *p = plan_of_rules(b, rules, 5);
    const struct plan_flag *f = plan_flag_find(p, "f", 1);
    ck_assert_uint_eq(decide_inputs(f, names, 1), 2);
    ck_assert_str_eq(names[0], "country");
    ck_assert_str_eq(names[1], "untouched");
    ck_assert_uint_eq(decide_inputs(f, names, 2), 2);
    ck_assert_str_eq(names[1], "plan");
    ck_assert_uint_eq(decide_inputs(f, NULL, 0), 2);
    plan_unref(p);
}
END_TEST

START_TEST(every_reason_has_its_words)
{
    static const char *const ofrep[REASON_COUNT] = {
        [REASON_DEFAULT] = "DEFAULT",
        [REASON_FORCED] = "TARGETING_MATCH",
        [REASON_ROLLOUT] = "SPLIT",
        [REASON_VARIANT] = "SPLIT",
        [REASON_ARCHIVED] = "DISABLED",
        [REASON_NOT_STARTED] = "DISABLED",
        [REASON_STOPPED] = "DISABLED",
        [REASON_GUARD_STOP] = "DISABLED",
        [REASON_TARGETING] = "DEFAULT",
        [REASON_NOT_IN_TRAFFIC] = "DEFAULT",
        [REASON_UNIT_MISSING] = "DEFAULT",
        [REASON_QUARANTINED] = "DISABLED",
        [REASON_SCHEDULED] = "DISABLED",
        [REASON_PAUSED] = "DISABLED",
        [REASON_ENDED] = "DISABLED",
        [REASON_OVERRIDE] = "TARGETING_MATCH",
        [REASON_HOLDOUT] = "DEFAULT",
        [REASON_PREREQUISITE] = "DEFAULT",
        [REASON_NOT_IN_LAYER] = "DEFAULT",
        [REASON_ARM_DROPPED] = "DEFAULT",
        [REASON_SHIPPED] = "SPLIT",
        [REASON_HOLDBACK] = "SPLIT",
        [REASON_STICKY] = "SPLIT",
        [REASON_GUARD_BLIND] = "DISABLED",
        [REASON_LOW_CONFIDENCE] = "DEFAULT",
        [REASON_OUT_OF_RANGE] = "DEFAULT",
        [REASON_ATTRIBUTE_MISSING] = "DEFAULT",
    };
    for (int r = 0; r < REASON_COUNT; r++) {
        ck_assert_str_eq(decide_reason_ofrep((enum reason)r), ofrep[r]);
        ck_assert_ptr_nonnull(decide_reason_name((enum reason)r));
        for (int k = 0; k < r; k++)
            ck_assert_str_ne(decide_reason_name((enum reason)r), decide_reason_name((enum reason)k));
    }
    ck_assert_str_eq(decide_reason_name(REASON_GUARD_STOP), "GUARD_STOP");
    ck_assert_str_eq(decide_reason_name(REASON_COUNT), "UNKNOWN");
    ck_assert_str_eq(decide_reason_ofrep(REASON_COUNT), "UNKNOWN");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("decide");
    tcase_add_test(tc, reason_default);
    tcase_add_test(tc, reason_variant);
    tcase_add_test(tc, a_variant_without_a_value);
    tcase_add_test(tc, reason_archived);
    tcase_add_test(tc, an_archived_flag_serves_its_default);
    tcase_add_test(tc, reason_not_started);
    tcase_add_test(tc, reason_stopped);
    tcase_add_test(tc, reason_guard_stop);
    tcase_add_test(tc, the_counterfactual_is_the_variant_they_had);
    tcase_add_test(tc, reason_targeting);
    tcase_add_test(tc, a_stopped_experiment_still_targets);
    tcase_add_test(tc, reason_not_in_traffic);
    tcase_add_test(tc, reason_unit_missing);
    tcase_add_test(tc, reason_quarantined);
    tcase_add_test(tc, reason_forced);
    tcase_add_test(tc, reason_rollout);
    tcase_add_test(tc, a_rollout_without_a_unit);
    tcase_add_test(tc, a_broken_force_rule_ends_the_flag);
    tcase_add_test(tc, the_next_rule_decides_when_one_falls_through);
    tcase_add_test(tc, the_first_experiment_that_fell_through_is_told);
    tcase_add_test(tc, another_unit_type_takes_its_attribute);
    tcase_add_test(tc, a_subject_remembers_and_outgrows_its_memory);
    tcase_add_test(tc, decisions_are_stable);
    tcase_add_test(tc, inputs_are_the_attributes_looked_at_but_no_ids);
    tcase_add_test(tc, every_reason_has_its_words);
    return run_case("decide", tc);
}
