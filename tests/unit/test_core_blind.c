/* Experiments whose guardrails nobody watches: served for as long as each allows, then the fallback. */
#include <stdio.h>
#include <string.h>

#include "core/decide.h"
#include "core/token.h"
#include "plan_fixture.h"
#include "suite.h"

#define S 1000000
#define NO_MORE ((const char *)NULL)

static const char *const cta[] = {"cta", NO_MORE};
static const char *const both[] = {"cta", "second", NO_MORE};

static struct plan *plan_of(const struct experiment_def *x)
{
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", cta);
    return fixture_finish(b);
}

static struct experiment_def *allowing(int64_t blind_us)
{
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->guard_max_blind_us = blind_us;
    return x;
}

static struct decision decided(const struct plan *p, const char *user, int64_t now_us, int64_t blind_us,
                               struct trace *trace)
{
    struct subject s;
    struct decision d;
    subject_init(&s, user, strlen(user), NULL);
    s.trace = trace;
    decide(p, plan_flag_find(p, "f", 1), &s, NULL, now_us, blind_us, &d);
    return d;
}

static enum reason reason_of(const struct experiment_def *x, int64_t now_us, int64_t blind_us)
{
    struct plan *p = plan_of(x);
    enum reason r = decided(p, "c-1", now_us, blind_us, NULL).reason;
    plan_unref(p);
    return r;
}

START_TEST(served_up_to_the_limit_and_no_longer)
{
    ck_assert_int_eq(reason_of(allowing(900 * (int64_t)S), 0, 0), REASON_VARIANT);
    ck_assert_int_eq(reason_of(allowing(900 * (int64_t)S), 0, 900 * (int64_t)S), REASON_VARIANT);
    ck_assert_int_eq(reason_of(allowing(900 * (int64_t)S), 0, 900 * (int64_t)S + 1), REASON_GUARD_BLIND);
    ck_assert_int_eq(reason_of(allowing(900 * (int64_t)S), 0, INT64_MAX), REASON_GUARD_BLIND);
    ck_assert_int_eq(reason_of(allowing(0), 0, INT64_MAX), REASON_VARIANT);
}
END_TEST

/* Other states say more; a shipped experiment is watched no more. */
START_TEST(only_what_would_serve_is_blind)
{
    struct experiment_def *x = allowing(S);
    x->guard_stopped = true;
    ck_assert_int_eq(reason_of(x, 0, INT64_MAX), REASON_GUARD_STOP);
    x = allowing(S);
    x->status = STATUS_STOPPED;
    ck_assert_int_eq(reason_of(x, 0, INT64_MAX), REASON_STOPPED);
    x->status = STATUS_PAUSED;
    ck_assert_int_eq(reason_of(x, 0, INT64_MAX), REASON_PAUSED);
    x->status = STATUS_DRAFT;
    ck_assert_int_eq(reason_of(x, 0, INT64_MAX), REASON_NOT_STARTED);
    x = allowing(S);
    x->has_window = true;
    x->starts_us = 0;
    x->ends_us = S;
    ck_assert_int_eq(reason_of(x, S, INT64_MAX), REASON_ENDED);
    ck_assert_int_eq(reason_of(x, S - 1, INT64_MAX), REASON_GUARD_BLIND);
    static const struct ship_def ship = {.variant = "treatment"};
    x = allowing(S);
    x->status = STATUS_SHIPPED;
    x->shipped = &ship;
    ck_assert_int_eq(reason_of(x, 0, INT64_MAX), REASON_SHIPPED);
}
END_TEST

/* The fallback is whole, what would have been served is told, and afterwards everybody has it again. */
START_TEST(the_counterfactual_is_what_they_had)
{
    struct plan *p = plan_of(allowing(S));
    for (int i = 0; i < 200; i++) {
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        struct decision before = decided(p, user, 0, 0, NULL), blind = decided(p, user, 0, 2 * S, NULL),
                        after = decided(p, user, 0, S, NULL);
        ck_assert_int_eq(blind.reason, REASON_GUARD_BLIND);
        ck_assert_ptr_null(blind.variant);
        ck_assert_ptr_null(blind.phase);
        ck_assert_str_eq(blind.value_json, "\"off\"");
        ck_assert_str_eq(blind.variant_name, "default");
        ck_assert_int_eq(blind.propensity_ppm, -1);
        ck_assert_uint_eq(blind.n_holdouts, 0);
        ck_assert_str_eq(plan_experiment_key(blind.experiment), "cta");
        ck_assert_ptr_eq(blind.counterfactual, before.variant);
        ck_assert_ptr_eq(after.variant, before.variant);
    }
    plan_unref(p);
}
END_TEST

START_TEST(each_experiment_has_its_own_limit)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *second = fixture_experiment(2, "second");
    second->guard_max_blind_us = 60 * (int64_t)S;
    plan_builder_experiment(b, allowing(S));
    plan_builder_experiment(b, second);
    fixture_flag(b, 1, "f", both);
    struct plan *p = fixture_finish(b);
    struct decision d = decided(p, "c-1", 0, 30 * S, NULL);
    ck_assert_int_eq(d.reason, REASON_VARIANT);
    ck_assert_str_eq(plan_experiment_key(d.experiment), "second");
    d = decided(p, "c-1", 0, 61 * S, NULL);
    ck_assert_int_eq(d.reason, REASON_GUARD_BLIND);
    ck_assert_str_eq(plan_experiment_key(d.experiment), "cta");
    plan_unref(p);
}
END_TEST

/* A token keeps a variant through changes of targeting, not through blindness; an override counts nowhere. */
START_TEST(a_token_does_not_help_and_an_override_does)
{
    struct experiment_def *x = allowing(S);
    x->sticky = true;
    struct plan *p = plan_of(x);
    char token[TOKEN_TEXT_MAX + 1];
    struct decision d = decided(p, "c-1", 0, 0, NULL);
    ck_assert(token_of_decision(p, &d, NULL, 0, token));
    struct attr_field f = {"cohortTokens", 12, {.type = ATTR_STRING, .u.string = {token, strlen(token)}}};
    struct attr attributes = {.type = ATTR_OBJECT, .u.object = {&f, 1}};
    struct subject s;
    subject_init(&s, "c-1", 3, &attributes);
    decide(p, plan_flag_at(p, 0), &s, NULL, 0, 0, &d);
    ck_assert_int_eq(d.reason, REASON_STICKY);
    subject_init(&s, "c-1", 3, &attributes);
    decide(p, plan_flag_at(p, 0), &s, NULL, 0, 2 * S, &d);
    ck_assert_int_eq(d.reason, REASON_GUARD_BLIND);
    struct override_def o = {
        .has_unit = true, .unit = d.unit, .variant = "control", .expires_us = PLAN_NEVER};
    plan_unref(p);
    x->overrides = &o;
    x->n_overrides = 1;
    ck_assert_int_eq(reason_of(x, 0, 2 * S), REASON_OVERRIDE);
}
END_TEST

/* What requires a variant of a blind experiment falls back with it. */
START_TEST(prerequisites_are_blind_too)
{
    static const char *const treatments[] = {"treatment", "control"};
    static const struct prerequisite_def needs = {"cta", treatments, 2};
    static const char *const second_only[] = {"second", NO_MORE};
    struct plan_builder *b = fixture_builder();
    struct experiment_def *second = fixture_experiment(2, "second");
    second->prerequisites = &needs;
    second->n_prerequisites = 1;
    plan_builder_experiment(b, allowing(S));
    plan_builder_experiment(b, second);
    fixture_flag(b, 1, "f", second_only);
    fixture_flag(b, 2, "g", cta);
    struct plan *p = fixture_finish(b);
    ck_assert_int_eq(decided(p, "c-1", 0, 0, NULL).reason, REASON_VARIANT);
    ck_assert_int_eq(decided(p, "c-1", 0, 2 * S, NULL).reason, REASON_PREREQUISITE);
    plan_unref(p);
}
END_TEST

static const char *blind_words(int64_t blind_us, char *words, size_t cap)
{
    struct plan *p = plan_of(allowing(900 * (int64_t)S));
    struct trace t = {0};
    words[0] = '\0';
    decided(p, "c-1", 0, blind_us, &t);
    for (size_t i = 0; i < t.n; i++)
        if (t.steps[i].code == TRACE_BLIND)
            trace_describe(&t.steps[i], words, cap);
    plan_unref(p);
    return words;
}

START_TEST(a_preview_says_for_how_long)
{
    char words[200];
    ck_assert_str_eq(blind_words(1, words, sizeof words), "");
    ck_assert_str_eq(
        blind_words(1234 * (int64_t)S, words, sizeof words),
        "nobody watches its guardrails: the monitor has not been heard for 1234 s, and it allows 900 s");
    ck_assert_str_eq(blind_words(INT64_MAX, words, sizeof words),
                     "nobody watches its guardrails: the monitor was never heard");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("blind");
    tcase_add_test(tc, served_up_to_the_limit_and_no_longer);
    tcase_add_test(tc, only_what_would_serve_is_blind);
    tcase_add_test(tc, the_counterfactual_is_what_they_had);
    tcase_add_test(tc, each_experiment_has_its_own_limit);
    tcase_add_test(tc, a_token_does_not_help_and_an_override_does);
    tcase_add_test(tc, prerequisites_are_blind_too);
    tcase_add_test(tc, a_preview_says_for_how_long);
    return run_case("blind", tc);
}
