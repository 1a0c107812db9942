/* Sticky tokens: signed, foreign, old, of an earlier iteration; event tokens; and traces in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_token.h"
#include "core/token.h"
#include "plan_fixture.h"
#include "suite.h"

#define NOW (INT64_C(1800000000) * 1000000)

static const char *const cta[] = {"cta", NULL};

static struct plan *sticky_plan(struct experiment_def *x)
{
    struct plan_builder *b = fixture_builder();
    x->sticky = true;
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", cta);
    return fixture_finish(b);
}

/* user c-1 with this context attribute. */
static struct decision decided(const struct plan *p, const struct attr *tokens, struct trace *trace)
{
    struct attr_field f = {.name = "cohortTokens", .name_len = 12};
    struct attr object = {.type = ATTR_OBJECT, .u.object = {&f, tokens ? 1 : 0}};
    struct subject s;
    struct decision d;
    if (tokens)
        f.value = *tokens;
    subject_init(&s, "c-1", 3, &object);
    s.trace = trace;
    if (trace)
        trace->n = 0;
    decide(p, plan_flag_find(p, "f", 1), &s, NULL, NOW, 0, &d);
    return d;
}

static struct attr text(const char *s)
{
    return (struct attr){.type = ATTR_STRING, .u.string = {s, strlen(s)}};
}

START_TEST(a_token_is_read_as_made)
{
    struct plan *p = sticky_plan(fixture_experiment(1, "cta"));
    struct token t = {.experiment_id = 7, .phase_id = 2147483647, .variant_id = 1, .issued_us = NOW}, back;
    char out[TOKEN_TEXT_MAX + 1];
    memset(t.unit.bytes, 0xA5, 16);
    token_make(p, &t, out);
    ck_assert_uint_eq(strlen(out), TOKEN_TEXT);
    ck_assert(token_check(p, out, TOKEN_TEXT, &back));
    ck_assert_int_eq(back.experiment_id, 7);
    ck_assert_int_eq(back.phase_id, 2147483647);
    ck_assert_int_eq(back.variant_id, 1);
    ck_assert_int_eq(back.issued_us, NOW);
    ck_assert_mem_eq(&back.unit, &t.unit, 16);
    /* Every other text of this length is refused, whatever character changed. */
    for (size_t i = 0; i < TOKEN_TEXT; i++) {
        char changed[TOKEN_TEXT_MAX + 1];
        memcpy(changed, out, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_msg(!token_check(p, changed, TOKEN_TEXT, &back), "%zu", i);
        changed[i] = '+';
        ck_assert(!token_check(p, changed, TOKEN_TEXT, &back));
    }
    for (size_t n = 0; n < TOKEN_TEXT; n++)
        ck_assert(!token_check(p, out, n, &back));
    plan_unref(p);
    struct plan_header h = {.environment = "staging"};
    memset(h.hash_key, 'H', sizeof h.hash_key);
    struct plan_builder *b = plan_builder_new(&h);
    p = fixture_finish(b);
    ck_assert(!token_check(p, out, TOKEN_TEXT, &back)); /* another environment's */
    plan_unref(p);
}
END_TEST

static void token_for(const struct plan *p, const struct decision *d, int32_t experiment, const char *variant,
                      int64_t issued, char out[TOKEN_TEXT_MAX + 1])
{
    struct token t = {.experiment_id = experiment,
                      .phase_id = 101,
                      .variant_id = strcmp(variant, "control") == 0 ? 11 : 12,
                      .unit = d->unit,
                      .issued_us = issued};
    token_make(p, &t, out);
}

START_TEST(who_has_a_token_stays)
{
    struct plan *p = sticky_plan(fixture_experiment(1, "cta"));
    struct decision d = decided(p, NULL, NULL);
    const char *other = strcmp(d.variant_name, "control") == 0 ? "treatment" : "control";
    char own[TOKEN_TEXT_MAX + 1], token[TOKEN_TEXT_MAX + 1];
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    ck_assert(token_of_decision(p, &d, NULL, NOW, own));
    token_for(p, &d, 1, other, NOW - 1, token);
    struct attr texts[] = {text("junk"), {.type = ATTR_NUMBER}, text(token)};
    struct attr list = {.type = ATTR_ARRAY, .u.array = {texts, 3}};
    struct decision s = decided(p, &texts[2], NULL), l = decided(p, &list, NULL);
    ck_assert_int_eq(s.reason, REASON_STICKY);
    ck_assert_int_eq(l.reason, REASON_STICKY);
    ck_assert_str_eq(s.variant_name, other);
    ck_assert_int_eq(plan_phase_id(s.phase), 101);
    ck_assert_int_eq(s.propensity_ppm, 500000);
    ck_assert_int_eq(s.inclusion_ppm, 1000000);
    ck_assert(token_of_decision(p, &s, NULL, NOW, own));
    plan_unref(p);
}
END_TEST

/* Through a change of targeting, lower traffic, a restart; but not through a pause, or when it is not asked.
 */
START_TEST(what_a_token_outlasts)
{
    static const struct slot_range none[] = {{0, SLOTS, 0}};
    struct plan *first = sticky_plan(fixture_experiment(1, "cta"));
    struct decision d = decided(first, NULL, NULL);
    char token[TOKEN_TEXT_MAX + 1], again[TOKEN_TEXT_MAX + 1];
    token_of_decision(first, &d, NULL, NOW - 5, token);
    struct attr t = text(token);
    for (int k = 0; k < 6; k++) {
        struct plan_builder *b = fixture_builder();
        struct experiment_def *x = fixture_experiment(1, "cta");
        x->sticky = k != 4;
        if (k == 0)
            x->condition = fixture_condition(b, "country", "DE");
        if (k == 1) {
            fixture_phase(1)->closed = none;
            fixture_phase(1)->n_closed = 1;
        }
        if (k == 2) { /* a restart: another id, salt and phase; the variants are the same */
            x->id = 77;
            fixture_phase(1)->id = 777;
            memset(x->salt, 0, SALT_BYTES);
        }
        x->status = k == 3 ? STATUS_PAUSED : STATUS_RUNNING;
        if (k == 5)
            fixture_variants(1)[0].dropped = fixture_variants(1)[1].dropped = true;
        plan_builder_experiment(b, x);
        fixture_flag(b, 1, "f", cta);
        struct plan *p = fixture_finish(b);
        struct decision s = decided(p, &t, NULL);
        if (k < 3) {
            ck_assert_str_eq(decide_reason_name(s.reason), "STICKY");
            ck_assert_int_eq(plan_variant_id(s.variant), plan_variant_id(d.variant));
            /* The new iteration's results must not meet who was drawn by the old one. */
            ck_assert((k == 2) == (s.phase == NULL));
            ck_assert((k == 2) == (s.propensity_ppm == -1 && s.inclusion_ppm == -1));
            ck_assert((k != 2) == token_of_decision(p, &s, NULL, NOW, again));
        } else {
            ck_assert_str_ne(decide_reason_name(s.reason), "STICKY");
        }
        plan_unref(p);
    }
    plan_unref(first);
}
END_TEST

/* What the n-th step of a kind says. */
static const char *step(const struct trace *t, enum trace_code code, char *words, size_t cap)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->steps[i].code == code) {
            trace_describe(&t->steps[i], words, cap);
            return words;
        }
    return "";
}

START_TEST(tokens_that_are_ignored_say_why)
{
    struct plan *p = sticky_plan(fixture_experiment(1, "cta"));
    struct trace *trace = calloc(1, sizeof *trace);
    struct decision d = decided(p, NULL, trace), foreign = d;
    char token[TOKEN_TEXT_MAX + 1] = "", words[200];
    struct attr t = {.type = ATTR_STRING, .u.string = {token, TOKEN_TEXT}};
    ck_assert_str_eq(step(trace, TRACE_TOKEN, words, sizeof words), "");
    foreign.unit.bytes[0] ^= 1;
    token_for(p, &foreign, 1, "control", NOW, token);
    decided(p, &t, trace);
    ck_assert_str_eq(step(trace, TRACE_TOKEN, words, sizeof words),
                     "a token is ignored: it is another unit's");
    token_for(p, &d, 1, "control", NOW - TOKEN_MAX_AGE_US - 1, token);
    struct decision s = decided(p, &t, trace);
    ck_assert_int_eq(s.reason, REASON_VARIANT);
    ck_assert_str_eq(step(trace, TRACE_TOKEN, words, sizeof words), "a token is ignored: it has expired");
    token_for(p, &d, 1, "control", NOW + TOKEN_MAX_FUTURE_US + 1, token);
    decided(p, &t, trace);
    ck_assert_str_eq(step(trace, TRACE_TOKEN, words, sizeof words),
                     "a token is ignored: it was issued in the future");
    token_for(p, &d, 1, "control", NOW, token);
    token[3] ^= 1;
    decided(p, &t, trace);
    ck_assert_str_eq(step(trace, TRACE_TOKEN, words, sizeof words),
                     "a token is ignored: it is not one of ours");
    free(trace);
    plan_unref(p);
}
END_TEST

/* --- traces --- */

START_TEST(a_trace_tells_every_step)
{
    static const int32_t ids[] = {3};
    static const struct slot_range half[] = {{0, 500000, 0}};
    const uint8_t salt[SALT_BYTES] = "layer's own salt";
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    struct trace *trace = calloc(1, sizeof *trace);
    char words[4096] = "", one[200];
    x->holdouts = ids;
    x->n_holdouts = 1;
    x->layer = "checkout";
    x->layer_slots = half;
    x->n_layer_slots = 1;
    plan_builder_experiment(b, fixture_holdout(3, "global", 50000, GIVES_NOTHING));
    plan_builder_experiment(b, x);
    plan_builder_layer(b, "checkout", salt);
    fixture_flag(b, 1, "f", cta);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, NULL, trace);
    for (size_t i = 0; i < trace->n; i++) {
        size_t n = trace_describe(&trace->steps[i], one, sizeof one);
        ck_assert_uint_eq(n, strlen(one));
        strcat(strcat(words, one), "\n");
        ck_assert_uint_eq(trace_describe(&trace->steps[i], one, 5), 4); /* cut */
        ck_assert_str_ne(trace_code_name(trace->steps[i].code), "unknown");
    }
    ck_assert_msg(d.reason == REASON_VARIANT || d.reason == REASON_NOT_IN_LAYER, "%s",
                  decide_reason_name(d.reason));
    ck_assert_ptr_nonnull(strstr(words, "rule 1, experiment cta\nit is open\nholdout global: slot "));
    ck_assert_ptr_nonnull(
        strstr(words, "which lets it through\nthe targeting of cta is met\nlayer checkout: "));
    free(trace);
    plan_unref(p);
}
END_TEST

START_TEST(every_step_has_words)
{
    for (int c = 0; c < TRACE_COUNT; c++)
        for (int ok = 0; ok < 2; ok++) {
            struct trace_step s = {
                .code = (enum trace_code)c, .ok = ok, .number = 4, .limit = 2, .name = "a", .other = "b"};
            char words[200];
            ck_assert_uint_gt(trace_describe(&s, words, sizeof words), 5);
            ck_assert_ptr_null(strstr(words, "(null)"));
        }
    struct trace *t = calloc(1, sizeof *t);
    for (int i = 0; i <= TRACE_STEPS; i++) {
        ck_assert(!t->cut);
        trace_add(t, (struct trace_step){.code = TRACE_RULE, .name = "force"});
    }
    ck_assert(t->cut);
    ck_assert_uint_eq(t->n, TRACE_STEPS);
    free(t);
}
END_TEST

/* Of a user and a device; the plan knows both types. */
START_TEST(an_event_token_has_the_units_of_the_context)
{
    static const int64_t day = INT64_C(86400) * 1000000;
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->unit_type = "device";
    struct plan *p = sticky_plan(x);
    struct attr_field f = {.name = "device", .name_len = 6, .value = text("d-1")};
    struct attr object = {.type = ATTR_OBJECT, .u.object = {&f, 1}};
    struct subject s;
    struct event_token t;
    struct unit user, device, other;
    char out[EVENT_TOKEN_TEXT + 1];
    int64_t expires = event_token_expiry(NOW, 7 * day);
    ck_assert(expires > NOW + 8 * day && expires <= NOW + 9 * day);
    ck_assert_int_eq(event_token_expiry(NOW + 1, 7 * day), expires);
    subject_init(&s, "c-1", 3, &object);
    ck_assert(event_token_make(p, &s, expires, out));
    size_t len = strlen(out);
    ck_assert_int_eq(event_token_check(p, out, len, NOW, &t), EVENT_TOKEN_GOOD);
    ck_assert_int_eq(t.expires_us, expires);
    ck_assert_int_eq(event_token_check(p, out, len, expires - 1, &t), EVENT_TOKEN_GOOD);
    ck_assert_int_eq(event_token_check(p, out, len, expires, &t), EVENT_TOKEN_EXPIRED);
    ck_assert_uint_eq(t.n_units, 2);
    unit_from_raw(plan_unit_key(p), "user", 4, "c-1", 3, &user);
    unit_from_raw(plan_unit_key(p), "device", 6, "d-1", 3, &device);
    unit_from_raw(plan_unit_key(p), "device", 6, "c-1", 3, &other);
    ck_assert(event_token_has(&t, &user) && event_token_has(&t, &device) && !event_token_has(&t, &other));
    for (size_t i = 0; i < len; i++) {
        char changed[EVENT_TOKEN_TEXT + 1];
        memcpy(changed, out, len + 1);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_msg(event_token_check(p, changed, len, NOW, &t) == EVENT_TOKEN_FORGED, "%zu", i);
    }
    for (size_t n = 0; n < len; n++)
        ck_assert_int_eq(event_token_check(p, out, n, NOW, &t), EVENT_TOKEN_FORGED);
    subject_init(&s, NULL, 0, NULL);
    ck_assert(!event_token_make(p, &s, expires, out)); /* nobody */
    plan_unref(p);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("token");
    tcase_add_test(tc, a_token_is_read_as_made);
    tcase_add_test(tc, who_has_a_token_stays);
    tcase_add_test(tc, what_a_token_outlasts);
    tcase_add_test(tc, tokens_that_are_ignored_say_why);
    tcase_add_test(tc, an_event_token_has_the_units_of_the_context);
    tcase_add_test(tc, a_trace_tells_every_step);
    tcase_add_test(tc, every_step_has_words);
    return run_case("token", tc);
}
