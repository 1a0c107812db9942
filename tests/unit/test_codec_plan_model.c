/* The document of the whole model: read as written, and damaged in every way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "codec/plan_json.h"
#include "core/token.h"
#include "model_document.h"
#include "suite.h"

#define NOW 1000

static struct plan_set *read_set(const char *text)
{
    struct plan_set *s;
    struct error e;
    error_clear(&e);
    ck_assert_msg(plan_set_from_json(text, strlen(text), &s, &e) == 0, "%s: %s", e.place, e.text);
    return s;
}

static const struct attr *context(struct attr_field f[3], struct attr *object, const char *country,
                                  const char *token)
{
    f[0] = (struct attr_field){"country", 7, {.type = ATTR_STRING, .u.string = {country, strlen(country)}}};
    f[1] = (struct attr_field){"cohortTokens", 12, {.type = ATTR_STRING, .u.string = {token, strlen(token)}}};
    f[2] = (struct attr_field){"amount", 6, {.type = ATTR_NUMBER, .u.number = 7}};
    *object = (struct attr){.type = ATTR_OBJECT, .u.object = {f, 3}};
    return object;
}

/* Uses everything a plan has. */
static void exercise(const struct plan *p)
{
    struct trace trace;
    char token[TOKEN_TEXT_MAX + 1] = "";
    for (size_t i = 0; i < plan_flag_count(p) && i < 8; i++)
        for (int u = 0; u < 6; u++) {
            struct subject s;
            struct decision d;
            struct attr_field f[3];
            struct attr object;
            char user[8], words[256];
            snprintf(user, sizeof user, "c-%d", u);
            subject_init(&s, user, strlen(user), context(f, &object, u % 3 ? "DE" : "US", token));
            s.trace = u % 2 ? &trace : NULL;
            trace.n = 0;
            trace.cut = false;
            decide(p, plan_flag_at(p, i), &s, NULL, NOW, 0, &d);
            ck_assert_ptr_nonnull(d.variant_name);
            ck_assert_str_ne(decide_reason_name(d.reason), "UNKNOWN");
            ck_assert_uint_le(d.n_holdouts, DECISION_HOLDOUTS);
            for (size_t k = 0; k < trace.n; k++)
                trace_describe(&trace.steps[k], words, sizeof words);
            token_of_decision(p, &d, NULL, NOW, token);
            const struct plan_phase *phase;
            const struct plan_variant *variant;
            int32_t propensity, inclusion;
            if (d.experiment)
                plan_expected(d.experiment, &d.unit, &phase, &variant, &propensity, &inclusion);
        }
    for (size_t i = 0; i < plan_quarantine_count(p); i++)
        ck_assert(utf8_valid(plan_quarantine_at(p, i), strlen(plan_quarantine_at(p, i))));
    plan_api_key_find(p, "ck_admin_x", 10);
}

static struct decision decided(const struct plan *p, const char *flag, int user, const char *country)
{
    struct subject s;
    struct decision d;
    struct attr_field f[3];
    struct attr object;
    char id[16];
    snprintf(id, sizeof id, "c-%d", user);
    subject_init(&s, id, strlen(id), context(f, &object, country, ""));
    decide(p, plan_flag_find(p, flag, strlen(flag)), &s, NULL, NOW, 0, &d);
    return d;
}

START_TEST(the_model_is_read)
{
    struct plan_set *set = read_set(model_document);
    const struct plan *p = plan_set_at(set, 0);
    bool seen[REASON_COUNT] = {false};
    ck_assert_msg(plan_quarantine_count(p) == 0, "%s",
                  plan_quarantine_count(p) ? plan_quarantine_at(p, 0) : "");
    for (int u = 0; u < 2000; u++) {
        struct decision full = decided(p, "full", u, "FR"), done = decided(p, "done", u, "FR");
        seen[full.reason] = seen[done.reason] = true;
        if (full.reason == REASON_VARIANT) {
            ck_assert_int_eq(full.inclusion_ppm, 320000); /* 50 % of 80 % of 80 % */
            ck_assert_uint_eq(full.n_holdouts, 1);
        }
        struct decision far = decided(p, "full", u, "US");
        ck_assert(far.reason == REASON_TARGETING || far.reason == REASON_PREREQUISITE);
    }
    static const enum reason wanted[] = {REASON_VARIANT,      REASON_HOLDOUT,        REASON_NOT_IN_LAYER,
                                         REASON_PREREQUISITE, REASON_NOT_IN_TRAFFIC, REASON_ARM_DROPPED,
                                         REASON_SHIPPED,      REASON_HOLDBACK};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ck_assert_msg(seen[wanted[i]], "%s", decide_reason_name(wanted[i]));
    const struct plan_experiment *x = plan_experiment_find(p, "full", 4);
    ck_assert(plan_experiment_sticky(x) && !plan_experiment_is_holdout(x));
    ck_assert(plan_experiment_is_holdout(plan_experiment_find(p, "global", 6)));
    exercise(p);
    plan_set_unref(set);
}
END_TEST

/* The first reason of the plan when `old` becomes `new`. */
static void quarantined_in(const char *text, const char *old, const char *new, const char *why)
{
    const char *at = strstr(text, old);
    ck_assert_msg(at != NULL, "%s", old);
    char *changed = malloc(strlen(text) + strlen(new) + 1);
    memcpy(changed, text, (size_t)(at - text));
    strcpy(stpcpy(changed + (at - text), new), at + strlen(old));
    struct plan_set *s = read_set(changed);
    const struct plan *p = plan_set_at(s, 0);
    ck_assert_msg(plan_quarantine_count(p) > 0, "%s", new);
    ck_assert_str_eq(plan_quarantine_at(p, 0), why);
    exercise(p);
    plan_set_unref(s);
    free(changed);
}

/* The bandit's two time phases, and the contextual one's model. */
START_TEST(bandits_are_read)
{
    struct plan_set *set = read_set(bandit_document);
    const struct plan *p = plan_set_at(set, 0);
    const char *const *names;
    int phases[4] = {0}, chosen = 0;
    for (int u = 0; u < 1000; u++) {
        struct decision spin = decided(p, "spin", u, "DE"), hello = decided(p, "hello", u, "DE");
        if (spin.phase)
            phases[plan_phase_number(spin.phase)]++;
        ck_assert_int_eq(hello.reason, REASON_VARIANT);
        if (!hello.model)
            continue;
        ck_assert_int_eq(plan_model_id(hello.model), 6);
        ck_assert_int_eq(plan_model_version(hello.model), 2);
        ck_assert_uint_eq(hello.vector.n, 2);
        /* amount 7 is 0.75: scores 1/(1+e^1.75) and 1/(1+e^1.03125); 1/(2+40.5 x 0.114795) = 0.150394 */
        ck_assert_int_eq(hello.vector.list[0].ppm, 157386);
        chosen++;
    }
    ck_assert_int_gt(phases[1], 20);
    ck_assert_int_gt(phases[2], 300); /* their epoch began before the third did */
    ck_assert_int_gt(phases[3], 300);
    ck_assert_int_gt(chosen, 900);
    ck_assert_uint_eq(plan_experiment_features(plan_experiment_find(p, "hello", 5), &names), 2);
    ck_assert_str_eq(names[0], "amount");
    ck_assert_uint_eq(plan_experiment_features(plan_experiment_find(p, "spin", 4), &names), 0);
    plan_set_unref(set);
}
END_TEST

static void quarantined(const char *old, const char *new, const char *why)
{
    quarantined_in(model_document, old, new, why);
}

static void refused(const char *old, const char *new, const char *why)
{
    quarantined_in(bandit_document, old, new, why);
}

START_TEST(one_bad_part_of_a_bandit_is_quarantined)
{
    refused("\"kind\":\"bandit\"", "\"kind\":\"bandits\"", "spin: kind must be one of the known words");
    refused("\"assign\":\"unit\"", "\"assign\":\"units\"", "spin: assign must be one of the known words");
    refused("\"from_us\":800", "\"from_us\":null",
            "spin: from_us must be microseconds since 1970, a whole number");
    refused("\"kind\":\"one_hot\"", "\"kind\":\"one\"", "hello: kind must be one of the known words");
    refused("[\"DE\",\"FR\"]}", "[\"DE\",7]}", "hello: values of a feature must be texts");
    refused("[\"amount\",\"country\"]", "[\"amount\"]",
            "hello: \"of\" of an interaction must be the names of two features");
    refused("\"low\":[0]", "\"low\":[]",
            "hello: centre, scale, low and high of a model must be lists of one length");
    refused("\"gamma\":40.5", "\"gamma\":\"40\"", "hello: gamma must be a number");
    refused("\"weights\":{", "\"weight\":{", "hello: weights must be an object of lists, by variant");
    refused("[-2,0,", "[-2,\"0\",", "hello: weights must be numbers");
    refused("\"safe\":\"control\"", "\"safe\":null", "hello: safe must be a string");
}
END_TEST

START_TEST(one_bad_part_is_quarantined)
{
    quarantined("\"key\":\"checkout\",", "\"key\":\"other\",", "full: there is no layer checkout");
    quarantined("\"list\":[\"DE\"", "\"list\":[[1]",
                "countries: the segment is left out: value 1 of a segment's list is neither text nor number");
    quarantined("\"gives\":\"rules\"", "\"gives\":\"most\"", "global: gives must be one of the known words");
    quarantined("\"unit\":\"0000", "\"unit\":\"zzzz", "full: an override's unit must be a uuid");
    quarantined("\"segment\":\"staff\"", "\"segment\":\"nobody\"",
                "full: $segment: there is no segment nobody with a condition");
    quarantined("{\"key\":\"staff\"",
                "{\"key\":\"unused\",\"condition\":{\"$segment\":\"x\"}},{\"key\":\"staff\"",
                "unused: the segment: $segment: there is no segment x with a condition");
    quarantined("\"holdouts\":[9]", "\"holdouts\":[1]", "full: there is no holdout with the id 1");
    quarantined("\"holdouts\":[9]", "\"holdouts\":[\"9\"]", "full: holdouts must be ids of experiments");
    quarantined("\"variants\":[\"treatment\"]", "\"variants\":[7]",
                "full: a prerequisite names a variant that is no text");
    quarantined("\"starts_at_us\":50", "\"starts_at_us\":\"now\"",
                "full: starts_at_us must be microseconds since 1970, a whole number");
    quarantined("\"shipped\":{", "\"shipped\":null,\"x\":{", "done: it shipped, but not which variant");
}
END_TEST

static void change_bytes(const char *text, size_t len)
{
    static const char replacements[] = {'"', '}', '9', '\0'};
    size_t read = 0;
    char *changed = malloc(len);
    for (size_t i = 0; i < len; i++)
        for (size_t k = i % 2; k < sizeof replacements; k += 2) {
            struct plan_set *s;
            memcpy(changed, text, len);
            changed[i] = replacements[k];
            if (plan_set_from_json(changed, len, &s, NULL) != 0)
                continue;
            read++;
            for (size_t n = 0; n < plan_set_count(s); n++)
                exercise(plan_set_at(s, n));
            plan_set_unref(s);
        }
    free(changed);
    ck_assert_uint_gt(read, len / 4);
}

START_TEST(every_byte_changed)
{
    change_bytes(model_document, sizeof model_document - 1);
}
END_TEST

START_TEST(every_byte_of_a_bandit_changed)
{
    change_bytes(bandit_document, sizeof bandit_document - 1);
}
END_TEST

/* Every value of the document in turn becomes each of these. */
static void replace_values(json_t *value, json_t *root, size_t *n)
{
    static const char *const others[] = {"null",  "true", "-1", "1e18",         "9007199254740993",
                                         "\"x\"", "[]",   "{}", "[[0,5],[3,9]]"};
    const char *key;
    json_t *inner;
    size_t index;
    json_array_foreach(value, index, inner) replace_values(inner, root, n);
    json_t *keys = json_object();
    json_object_update(keys, value);
    json_object_foreach(keys, key, inner)
    {
        for (size_t o = 0; o < sizeof others / sizeof *others; o++) {
            json_object_set_new(value, key, json_loads(others[o], JSON_DECODE_ANY, NULL));
            char *text = json_dumps(root, JSON_COMPACT);
            struct plan_set *s;
            if (plan_set_from_json(text, strlen(text), &s, NULL) == 0) {
                exercise(plan_set_at(s, 0));
                plan_set_unref(s);
            }
            free(text);
            (*n)++;
        }
        json_object_set(value, key, inner);
        replace_values(inner, root, n);
    }
    json_decref(keys);
}

START_TEST(every_value_of_every_type)
{
    static const char *const documents[] = {model_document, bandit_document};
    for (int i = 0; i < 2; i++) {
        json_t *root = json_loads(documents[i], 0, NULL);
        size_t n = 0;
        ck_assert_ptr_nonnull(root);
        replace_values(root, root, &n);
        ck_assert_uint_gt(n, 800);
        json_decref(root);
    }
}
END_TEST

/* Bounded, and told: no list is too long to be read or refused. */
START_TEST(a_million_entries)
{
    enum { N = 1000001 };
    for (int over = 0; over < 2; over++) {
        char *text = malloc(sizeof model_document + 12 * N), *p = text;
        const char *at = strstr(model_document, "\"DE\",\"FR\",7");
        p += at - model_document;
        memcpy(text, model_document, (size_t)(at - model_document));
        p = stpcpy(p, "\"DE\",\"FR\"");
        for (int i = 2; i < N - 1 + over; i++)
            p += sprintf(p, ",\"%07d\"", i);
        strcpy(p, at + strlen("\"DE\",\"FR\",7"));
        struct plan_set *s = read_set(text);
        const struct plan *plan = plan_set_at(s, 0);
        ck_assert_uint_eq(plan_quarantine_count(plan) > 0, over);
        struct decision d = decided(plan, "full", 1, "0000003");
        ck_assert((d.reason == REASON_QUARANTINED) == over);
        plan_set_unref(s);
        free(text);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("plan_model");
    tcase_add_test(tc, the_model_is_read);
    tcase_add_test(tc, bandits_are_read);
    tcase_add_test(tc, one_bad_part_is_quarantined);
    tcase_add_test(tc, one_bad_part_of_a_bandit_is_quarantined);
    tcase_add_test(tc, every_byte_changed);
    tcase_add_test(tc, every_byte_of_a_bandit_changed);
    tcase_add_test(tc, every_value_of_every_type);
    tcase_add_test(tc, a_million_entries);
    return run_case("plan_model", tc);
}
