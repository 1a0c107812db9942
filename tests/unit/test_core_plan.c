/* Plans: what the builder takes, what it refuses, and what is found in the result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"
#include "core/plan_build.h"
#include "plan_fixture.h"
#include "suite.h"

#define NO_MORE ((const char *)NULL)

/* --- what is found --- */

START_TEST(an_empty_plan)
{
    struct plan *p = fixture_finish(fixture_builder());
    ck_assert_int_eq(plan_version(p), 12);
    ck_assert_int_eq(plan_stop_version(p), 3);
    ck_assert_str_eq(plan_environment(p), "production");
    ck_assert_uint_eq(plan_flag_count(p), 0);
    ck_assert_ptr_null(plan_flag_find(p, "x", 1));
    ck_assert_ptr_null(plan_experiment_find(p, "x", 1));
    ck_assert_ptr_null(plan_api_key_find(p, "x", 1));
    ck_assert(!plan_event_declared(p, "x", 1));
    ck_assert(!plan_event_declared(p, "", 0));
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    ck_assert_uint_gt(plan_size(p), 0);
    plan_unref(p);
    plan_unref(NULL);
    plan_builder_free(NULL);
}
END_TEST

START_TEST(the_unit_key_is_the_documents)
{
    struct plan *p = fixture_finish(fixture_builder());
    uint8_t key[32];
    struct unit_key k;
    struct unit a, b;
    memset(key, 'u', sizeof key);
    unit_key_init(&k, key, sizeof key);
    unit_from_raw(&k, "user", 4, "c-1", 3, &a);
    unit_from_raw(plan_unit_key(p), "user", 4, "c-1", 3, &b);
    ck_assert_mem_eq(a.bytes, b.bytes, 16);
    plan_unref(p);
}
END_TEST

START_TEST(references_are_counted)
{
    struct plan *p = fixture_finish(fixture_builder());
    ck_assert_ptr_eq(plan_ref(p), p);
    plan_unref(p);
    ck_assert_int_eq(plan_version(p), 12); /* the sanitizer would object */
    plan_unref(p);
}
END_TEST

START_TEST(flags_are_sorted_and_found)
{
    static const char *const keys[] = {"b", "a.b", "a", "z9", "a-b", "0", "ab", "a_b"};
    static const char *const none[] = {NO_MORE};
    struct plan_builder *b = fixture_builder();
    for (size_t i = 0; i < 8; i++)
        fixture_flag(b, (int32_t)i + 1, keys[i], none);
    struct plan *p = fixture_finish(b);
    ck_assert_uint_eq(plan_flag_count(p), 8);
    for (size_t i = 1; i < 8; i++)
        ck_assert_int_lt(strcmp(plan_flag_key(plan_flag_at(p, i - 1)), plan_flag_key(plan_flag_at(p, i))), 0);
    for (size_t i = 0; i < 8; i++) {
        const struct plan_flag *f = plan_flag_find(p, keys[i], strlen(keys[i]));
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(plan_flag_id(f), (int32_t)i + 1);
        ck_assert(!plan_flag_archived(f));
    }
    ck_assert_ptr_null(plan_flag_find(p, "a.", 2));
    ck_assert_ptr_null(plan_flag_find(p, "a.bc", 4));
    ck_assert_ptr_nonnull(plan_flag_find(p, "a.bc", 3)); /* the length counts, not a terminator */
    ck_assert_ptr_null(plan_flag_find(p, "a\0b", 3));
    ck_assert_ptr_null(plan_flag_find(p, "", 0));
    ck_assert_ptr_null(plan_flag_find(p, "A", 1));
    plan_unref(p);
}
END_TEST

START_TEST(experiments_and_their_variants_are_found)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(3, "cta");
    x->on_evaluation = false;
    x->unit_type = "device";
    plan_builder_experiment(b, x);
    plan_builder_experiment(b, fixture_experiment(2, "other"));
    struct plan *p = fixture_finish(b);
    const struct plan_experiment *found = plan_experiment_find(p, "cta", 3);
    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(plan_experiment_id(found), 3);
    ck_assert_str_eq(plan_experiment_key(found), "cta");
    ck_assert_str_eq(plan_experiment_unit_type(found), "device");
    ck_assert(!plan_experiment_exposes(found));
    ck_assert(plan_experiment_exposes(plan_experiment_find(p, "other", 5)));
    const struct plan_variant *v = plan_variant_find(found, "treatment", 9);
    ck_assert_ptr_nonnull(v);
    ck_assert_int_eq(plan_variant_id(v), 32);
    ck_assert_str_eq(plan_variant_key(v), "treatment");
    ck_assert_int_eq(plan_variant_id(plan_variant_find(found, "control", 7)), 31);
    ck_assert_ptr_null(plan_variant_find(found, "contro", 6));
    ck_assert_ptr_null(plan_variant_find(found, "", 0));
    ck_assert_ptr_null(plan_experiment_find(p, "ct", 2));
    plan_unref(p);
}
END_TEST

START_TEST(events_are_known_by_name)
{
    struct plan_builder *b = fixture_builder();
    plan_builder_event(b, "unsubscribe");
    plan_builder_event(b, "complaint");
    plan_builder_event(b, "refund");
    struct plan *p = fixture_finish(b);
    ck_assert(plan_event_declared(p, "unsubscribe", 11));
    ck_assert(plan_event_declared(p, "complaint", 9));
    ck_assert(plan_event_declared(p, "refunds", 6));
    ck_assert(!plan_event_declared(p, "refunds", 7));
    ck_assert(!plan_event_declared(p, "refun", 5));
    ck_assert(!plan_event_declared(p, "Refund", 6));
    ck_assert(!plan_event_declared(p, "refund\0", 7));
    plan_unref(p);
}
END_TEST

static void hash_key_of(const char *presented, uint8_t out[32])
{
    uint8_t key[32];
    crypto_auth_hmacsha256_state state;
    memset(key, 'h', sizeof key);
    crypto_auth_hmacsha256_init(&state, key, sizeof key);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)presented, strlen(presented));
    crypto_auth_hmacsha256_final(&state, out);
}

START_TEST(api_keys_are_found_by_their_hash)
{
    static const char *const keys[] = {"ck_admin_A", "ck_events_B", "ck_client_C"};
    static const enum api_role roles[] = {ROLE_ADMIN, ROLE_EVENTS, ROLE_CLIENT};
    struct plan_builder *b = fixture_builder();
    for (int i = 0; i < 3; i++) {
        uint8_t hash[32];
        hash_key_of(keys[i], hash);
        plan_builder_api_key(b, &(struct plan_api_key){.id = i + 1, .role = roles[i]}, hash);
    }
    struct plan *p = fixture_finish(b);
    for (int i = 0; i < 3; i++) {
        const struct plan_api_key *k = plan_api_key_find(p, keys[i], strlen(keys[i]));
        ck_assert_ptr_nonnull(k);
        ck_assert_int_eq(k->id, i + 1);
        ck_assert_int_eq(k->role, roles[i]);
    }
    char too_long[300];
    memset(too_long, 'k', sizeof too_long);
    ck_assert_ptr_null(plan_api_key_find(p, "ck_admin_a", 10));
    ck_assert_ptr_null(plan_api_key_find(p, "ck_admin_", 9));
    ck_assert_ptr_null(plan_api_key_find(p, "ck_admin_A ", 11));
    ck_assert_ptr_null(plan_api_key_find(p, "", 0));
    ck_assert_ptr_null(plan_api_key_find(p, too_long, sizeof too_long));
    plan_unref(p);
}
END_TEST

/* --- what the contract says of a unit --- */

static const struct slot_range traffic_one[] = {{0, 50000, 0}, {200000, 200001, 0}};
static const struct slot_range traffic_two[] = {{50000, 150000, 0}};
static const struct slot_range ten[] = {{0, 100000, 0}};
static const struct slot_range ninety[] = {{100000, SLOTS, 0}};

/* Two phases: 5 % (and one slot more) at 50:50, then 10 % at 90:10. */
static struct plan *two_phases(void)
{
    static struct phase_def phases[2];
    static struct phase_variant_def arms[2];
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    arms[0] = (struct phase_variant_def){"treatment", 100000, ten, 1};
    arms[1] = (struct phase_variant_def){"control", 900000, ninety, 1};
    phases[1] = *fixture_phase(1);
    phases[1].traffic = traffic_one;
    phases[1].n_traffic = 2;
    phases[0] = (struct phase_def){
        .id = 7, .number = 2, .traffic = traffic_two, .n_traffic = 1, .variants = arms, .n_variants = 2};
    memset(phases[0].salt, 's', SALT_BYTES);
    x->phases = phases;
    x->n_phases = 2;
    plan_builder_experiment(b, x);
    return fixture_finish(b);
}

/* The contract once more, by hand. */
static void check_unit(const struct plan_experiment *x, const struct unit *u, uint32_t counts[4])
{
    uint8_t salt[SALT_BYTES];
    struct draw d;
    const struct plan_phase *phase = NULL;
    const struct plan_variant *variant = NULL;
    int32_t propensity = 0, inclusion = 0;
    memset(salt, 'e' + 1, sizeof salt);
    draw_unit(salt, u, &d);
    uint32_t slot = slot_of(d.w[0]);
    bool in = plan_expected(x, u, &phase, &variant, &propensity, &inclusion);
    if (in != (slot < 150000 || slot == 200000))
        ck_abort_msg("slot %u", slot);
    counts[0] += !in;
    if (!in)
        return;
    int number = slot < 50000 || slot == 200000 ? 1 : 2;
    memset(salt, number == 1 ? 'p' + 1 : 's', sizeof salt);
    draw_unit(salt, u, &d);
    bool treated = number == 1 ? slot_of(d.w[1]) >= 500000 : slot_of(d.w[1]) < 100000;
    int32_t share = number == 1 ? 500000 : treated ? 100000 : 900000;
    if (plan_phase_number(phase) != number || plan_phase_id(phase) != (number == 1 ? 101 : 7) ||
        plan_variant_id(variant) != (treated ? 12 : 11) || propensity != share || inclusion != 150001)
        ck_abort_msg("phase %d of slot %u", number, slot);
    counts[number]++;
    counts[3] += treated;
}

START_TEST(phases_and_variants_follow_the_slots)
{
    struct plan *p = two_phases();
    const struct plan_experiment *x = plan_experiment_find(p, "cta", 3);
    uint32_t counts[4] = {0};
    for (int i = 0; i < 40000; i++) {
        char raw[16];
        struct unit u;
        int n = snprintf(raw, sizeof raw, "c-%d", i);
        unit_from_raw(plan_unit_key(p), "user", 4, raw, (size_t)n, &u);
        check_unit(x, &u, counts);
    }
    /* 40,000 at 5 % and 10 %: within five standard deviations. */
    ck_assert_uint_gt(counts[1], 1780);
    ck_assert_uint_lt(counts[1], 2220);
    ck_assert_uint_gt(counts[2], 3700);
    ck_assert_uint_lt(counts[2], 4300);
    ck_assert_uint_gt(counts[3], 1200);
    ck_assert_uint_lt(counts[3], 1600);
    plan_unref(p);
}
END_TEST

/* One slot of a million: 2,000,000 draws find about two, and exactly those the contract says. */
START_TEST(a_share_of_one_ppm)
{
    static const struct slot_range one[] = {{123456, 123457, 0}};
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_phase(1)->traffic = one;
    plan_builder_experiment(b, x);
    struct plan *p = fixture_finish(b);
    const struct plan_experiment *found = plan_experiment_find(p, "cta", 3);
    uint8_t salt[SALT_BYTES];
    uint32_t in = 0, wrong = 0;
    memset(salt, 'e' + 1, sizeof salt);
    for (uint64_t i = 0; i < 2000000; i++) {
        struct unit u = {{0}};
        struct draw d;
        const struct plan_phase *phase;
        const struct plan_variant *variant;
        int32_t propensity, inclusion = 0;
        memcpy(u.bytes, &i, sizeof i);
        draw_unit(salt, &u, &d);
        bool expected = slot_of(d.w[0]) == 123456;
        bool got = i % 50 == 0 || expected
                       ? plan_expected(found, &u, &phase, &variant, &propensity, &inclusion)
                       : expected;
        wrong += got != expected || (got && inclusion != 1);
        in += got;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_ge(in, 1);
    ck_assert_uint_le(in, 10);
    plan_unref(p);
}
END_TEST

/* A dropped arm owns no slots: those who drew it fall back, the others stay. */
START_TEST(a_dropped_arm_serves_nobody)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_arms(1)[1].n_slots = 0;
    plan_builder_experiment(b, x);
    struct plan *p = fixture_finish(b);
    const struct plan_experiment *found = plan_experiment_find(p, "cta", 3);
    int in = 0;
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    for (int i = 0; i < 200; i++) {
        const struct plan_phase *phase;
        const struct plan_variant *variant = NULL;
        int32_t propensity = 0, inclusion = 0;
        struct unit u = {{(uint8_t)i}};
        if (!plan_expected(found, &u, &phase, &variant, &propensity, &inclusion))
            continue;
        in++;
        if (strcmp(plan_variant_key(variant), "control") != 0 || propensity != 500000)
            ck_abort_msg("unit %d", i);
    }
    ck_assert_int_gt(in, 60);
    ck_assert_int_lt(in, 140);
    plan_unref(p);
}
END_TEST

/* --- what is refused --- */

/* Builds a plan of this experiment alone and expects one reason with that text. */
static void refused(const struct experiment_def *x, const char *text)
{
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, x);
    plan_builder_experiment(b, fixture_experiment(8, "healthy"));
    struct plan *p = fixture_finish(b);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    ck_assert_msg(strstr(plan_quarantine_at(p, 0), text) != NULL, "%s", plan_quarantine_at(p, 0));
    const struct plan_phase *phase;
    const struct plan_variant *variant;
    int32_t propensity, inclusion;
    struct unit u = {{1}};
    const struct plan_experiment *bad = x->key ? plan_experiment_find(p, x->key, strlen(x->key)) : NULL;
    if (bad)
        ck_assert(!plan_expected(bad, &u, &phase, &variant, &propensity, &inclusion));
    ck_assert(
        plan_expected(plan_experiment_find(p, "healthy", 7), &u, &phase, &variant, &propensity, &inclusion));
    plan_unref(p);
}

START_TEST(experiments_with_a_wrong_name)
{
    char long_key[PLAN_KEY_MAX + 2];
    struct experiment_def *x = fixture_experiment(1, "Bad Key");
    refused(x, "the key \"Bad Key\" is not valid");
    x->key = NULL;
    refused(x, "is not valid");
    memset(long_key, 'k', sizeof long_key);
    long_key[PLAN_KEY_MAX + 1] = '\0';
    x->key = long_key;
    refused(x, "is not valid");
    x = fixture_experiment(1, "cta");
    x->id = 0;
    refused(x, "cta: the experiment has no id");
    x = fixture_experiment(1, "cta");
    x->unit_type = "User";
    refused(x, "cta: a unit type must be");
    x = fixture_experiment(1, "cta");
    x->refused = "salt must be 32 hexadecimal digits";
    refused(x, "cta: salt must be 32 hexadecimal digits");
}
END_TEST

START_TEST(experiments_with_wrong_variants)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->n_variants = 0;
    refused(x, "cta: phase 1 names a variant that the experiment doesn't have");
    x = fixture_experiment(1, "cta");
    x->n_variants = 0;
    x->n_phases = 0;
    refused(x, "cta: it is running without variants");
    x = fixture_experiment(1, "cta");
    x->n_phases = 0;
    refused(x, "cta: it is running without a phase");
    x = fixture_experiment(1, "cta");
    fixture_variants(1)[1].key = "control";
    refused(x, "cta: two variants are called control");
    x = fixture_experiment(1, "cta");
    fixture_variants(1)[1].key = "";
    refused(x, "cta: the key of variant 2 is not valid");
    x = fixture_experiment(1, "cta");
    fixture_variants(1)[0].id = -1;
    refused(x, "cta: variant control has no id");
}
END_TEST

START_TEST(experiments_with_wrong_phases)
{
    static const struct slot_range overlapping[] = {{0, 600000, 0}, {500000, 600000, 0}};
    static const struct slot_range beyond[] = {{0, SLOTS + 1, 0}};
    static const struct slot_range crossing[] = {{499999, SLOTS - 1, 0}};
    struct phase_def twice[2];
    struct experiment_def *x = fixture_experiment(1, "cta");
    fixture_phase(1)->traffic = overlapping;
    fixture_phase(1)->n_traffic = 2;
    refused(x, "cta: traffic: slots [0,600000) and [500000,600000) overlap");
    x = fixture_experiment(1, "cta");
    fixture_phase(1)->traffic = beyond;
    refused(x, "cta: traffic: slots [0,1000001) are not a range");
    x = fixture_experiment(1, "cta");
    fixture_arms(1)[1].slots = crossing;
    refused(x, "cta: phase 1, variants: slots [0,500000) and [499999,999999) overlap");
    x = fixture_experiment(1, "cta");
    fixture_arms(1)[1].share_ppm = 400000;
    refused(x, "cta: phase 1: variant treatment has a share of 400000 ppm but owns 500000 slots");
    x = fixture_experiment(1, "cta");
    fixture_arms(1)[1].share_ppm = -1;
    refused(x, "cta: phase 1: the share of variant treatment is -1");
    x = fixture_experiment(1, "cta");
    fixture_arms(1)[1].variant = "control";
    refused(x, "cta: phase 1 names variant control twice");
    x = fixture_experiment(1, "cta");
    fixture_phase(1)->n_variants = 0;
    refused(x, "cta: phase 1 has no variants");
    x = fixture_experiment(1, "cta");
    fixture_phase(1)->number = 0;
    refused(x, "cta: a phase has no id or number");
    x = fixture_experiment(1, "cta");
    twice[0] = twice[1] = *fixture_phase(1);
    x->phases = twice;
    x->n_phases = 2;
    refused(x, "cta: two phases have the number 1");
}
END_TEST

START_TEST(an_unknown_operator_is_named)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->condition = fixture_condition(b, "$near", "x");
    plan_builder_experiment(b, x);
    struct plan *p = fixture_finish(b);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    ck_assert_str_eq(
        plan_quarantine_at(p, 0),
        "cta: $near: unknown operator $near; conditions are combined by $and, $or, $nor, $not, $segment");
    plan_unref(p);
}
END_TEST

START_TEST(two_of_one_key)
{
    static const char *const none[] = {NO_MORE};
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, fixture_experiment(2, "cta"));
    plan_builder_experiment(b, fixture_experiment(1, "cta"));
    fixture_flag(b, 2, "f", none);
    fixture_flag(b, 1, "f", none);
    struct plan *p = fixture_finish(b);
    ck_assert_uint_eq(plan_quarantine_count(p), 2);
    ck_assert_str_eq(plan_quarantine_at(p, 0), "f: two flags have this key; only the older one is used");
    ck_assert_str_eq(plan_quarantine_at(p, 1), "cta: two experiments have this key");
    ck_assert_uint_eq(plan_flag_count(p), 1);
    ck_assert_int_eq(plan_flag_id(plan_flag_at(p, 0)), 1);
    plan_unref(p);
}
END_TEST

START_TEST(flags_that_cannot_be_read)
{
    static const char *const unknown[] = {"nothing", NO_MORE}, *const none[] = {NO_MORE};
    struct plan_builder *b = fixture_builder();
    fixture_flag(b, 1, "f", unknown);
    fixture_flag(b, 0, "g", none);
    fixture_flag(b, 2, "h h", none);
    struct rule_def rule = {.kind = RULE_FORCE, .value_json = "true"};
    struct flag_def def = {
        .id = 3, .key = "i", .type = VALUE_NUMBER, .default_json = "\"5\"", .rules = &rule, .n_rules = 1};
    plan_builder_flag(b, &def);
    struct plan *p = fixture_finish(b);
    ck_assert_uint_eq(plan_flag_count(p), 2);
    ck_assert_uint_eq(plan_quarantine_count(p), 5);
    ck_assert_str_eq(plan_quarantine_at(p, 0), "g: the flag has no id");
    ck_assert_str_eq(plan_quarantine_at(p, 1), "flags: the key \"h h\" is not valid");
    ck_assert_str_eq(plan_quarantine_at(p, 2), "i: the default value is not of the flag's type, number");
    ck_assert_str_eq(plan_quarantine_at(p, 3),
                     "i: rule 1 of the flag: its value is not of the flag's type, number");
    ck_assert_str_eq(plan_quarantine_at(p, 4), "f: rule 1 of the flag: there is no experiment nothing");
    plan_unref(p);
}
END_TEST

START_TEST(values_must_have_the_flags_type)
{
    static const struct {
        enum plan_value_type type;
        const char *json;
        size_t refused;
    } cases[] = {
        {VALUE_BOOLEAN, "true", 0},     {VALUE_BOOLEAN, "false", 0}, {VALUE_BOOLEAN, "0", 1},
        {VALUE_STRING, "\"\"", 0},      {VALUE_STRING, "true", 1},   {VALUE_NUMBER, "-5.0", 0},
        {VALUE_NUMBER, "0", 0},         {VALUE_NUMBER, "\"0\"", 1},  {VALUE_OBJECT, "{}", 0},
        {VALUE_OBJECT, "[]", 1},        {VALUE_OBJECT, "null", 0},   {VALUE_STRING, NULL, 0},
        {VALUE_BOOLEAN, "\"true\"", 1},
    };
    static const struct rule_def rule = {.kind = RULE_EXPERIMENT, .experiment = "cta"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan_builder *b = fixture_builder();
        struct experiment_def *x = fixture_experiment(1, "cta");
        fixture_variants(1)[0].value_json = cases[i].json;
        fixture_variants(1)[1].value_json = NULL;
        plan_builder_experiment(b, x);
        struct flag_def def = {.id = 1, .key = "f", .type = cases[i].type, .rules = &rule, .n_rules = 1};
        plan_builder_flag(b, &def);
        struct plan *p = fixture_finish(b);
        ck_assert_msg(plan_quarantine_count(p) == cases[i].refused, "case %zu", i);
        plan_unref(p);
    }
}
END_TEST

START_TEST(reasons_are_bounded)
{
    struct plan_builder *b = fixture_builder();
    for (int i = 0; i < 3 * PLAN_QUARANTINE_MAX; i++)
        plan_builder_refuse(b, "x", "number %d", i);
    struct plan *p = fixture_finish(b);
    ck_assert_uint_eq(plan_quarantine_count(p), PLAN_QUARANTINE_MAX + 1);
    ck_assert_str_eq(plan_quarantine_at(p, 999), "x: number 999");
    ck_assert_ptr_nonnull(strstr(plan_quarantine_at(p, PLAN_QUARANTINE_MAX), "more than 1000"));
    plan_unref(p);
}
END_TEST

START_TEST(many_flags)
{
    static const char *const none[] = {NO_MORE};
    enum { N = 20000 };
    struct plan_builder *b = fixture_builder();
    char key[16];
    for (int i = 0; i < N; i++) {
        snprintf(key, sizeof key, "f%d", (i * 7919) % N);
        fixture_flag(b, i + 1, key, none);
    }
    struct plan *p = fixture_finish(b);
    int missing = 0;
    for (int i = 0; i < N; i++) {
        int n = snprintf(key, sizeof key, "f%d", i);
        missing += plan_flag_find(p, key, (size_t)n) == NULL;
    }
    ck_assert_uint_eq(plan_flag_count(p), N);
    ck_assert_int_eq(missing, 0);
    ck_assert_uint_lt(plan_size(p), N * 300);
    plan_unref(p);
}
END_TEST

START_TEST(keys)
{
    ck_assert(plan_key_valid("a"));
    ck_assert(plan_key_valid("9"));
    ck_assert(plan_key_valid("checkout_cta.v2-b"));
    ck_assert(!plan_key_valid(NULL));
    ck_assert(!plan_key_valid(""));
    ck_assert(!plan_key_valid("_a"));
    ck_assert(!plan_key_valid(".a"));
    ck_assert(!plan_key_valid("-a"));
    ck_assert(!plan_key_valid("aB"));
    ck_assert(!plan_key_valid("a b"));
    ck_assert(!plan_key_valid("a/b"));
    ck_assert(!plan_key_valid("a\n"));
    ck_assert(!plan_key_valid("\xC3\xBC"));
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("plan");
    tcase_add_test(tc, an_empty_plan);
    tcase_add_test(tc, the_unit_key_is_the_documents);
    tcase_add_test(tc, references_are_counted);
    tcase_add_test(tc, flags_are_sorted_and_found);
    tcase_add_test(tc, experiments_and_their_variants_are_found);
    tcase_add_test(tc, events_are_known_by_name);
    tcase_add_test(tc, api_keys_are_found_by_their_hash);
    tcase_add_test(tc, phases_and_variants_follow_the_slots);
    tcase_add_test(tc, a_share_of_one_ppm);
    tcase_add_test(tc, a_dropped_arm_serves_nobody);
    tcase_add_test(tc, experiments_with_a_wrong_name);
    tcase_add_test(tc, experiments_with_wrong_variants);
    tcase_add_test(tc, experiments_with_wrong_phases);
    tcase_add_test(tc, an_unknown_operator_is_named);
    tcase_add_test(tc, two_of_one_key);
    tcase_add_test(tc, flags_that_cannot_be_read);
    tcase_add_test(tc, values_must_have_the_flags_type);
    tcase_add_test(tc, reasons_are_bounded);
    tcase_add_test(tc, many_flags);
    tcase_add_test(tc, keys);
    return run_case("plan", tc);
}
