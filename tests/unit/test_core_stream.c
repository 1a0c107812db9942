/* What streams need of the core: tokens for their URLs, and tags of what a plan would decide. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_state.h"
#include "core/plan_stops.h"
#include "core/stream_token.h"
#include "plan_fixture.h"
#include "suite.h"

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1800000000) * SECOND)

static const char *const cta[] = {"cta", NULL};

static void add_key(struct plan_builder *b, int32_t id)
{
    struct plan_api_key key = {.id = id, .role = ROLE_CLIENT};
    uint8_t hash[32];
    memset(hash, id, sizeof hash);
    plan_builder_api_key(b, &key, hash);
}

/* production with key 5, staging with key 6. */
static struct plan_set *two_environments(void)
{
    struct plan_header h = {.environment = "staging"};
    struct plan_builder *b = fixture_builder(), *other;
    struct plan *plans[2];
    struct plan_set *set;
    memset(h.hash_key, 'H', sizeof h.hash_key);
    other = plan_builder_new(&h);
    add_key(b, 5);
    add_key(other, 6);
    plans[0] = fixture_finish(b);
    plans[1] = fixture_finish(other);
    ck_assert_int_eq(plan_set_new(plans, 2, 1, 0, &set, NULL), 0);
    plan_unref(plans[0]);
    plan_unref(plans[1]);
    return set;
}

static enum stream_token_state check(const struct plan_set *set, const char *text, int64_t now,
                                     const struct plan **plan)
{
    struct stream_token t;
    return stream_token_check(set, text, strlen(text), now, &t, plan);
}

START_TEST(a_token_is_of_its_environment)
{
    struct plan_set *set = two_environments();
    const struct plan *production = plan_set_find(set, "production", 10),
                      *staging = plan_set_find(set, "staging", 7), *plan;
    struct stream_token t = {5, NOW + 60 * SECOND}, back;
    char text[STREAM_TOKEN_TEXT + 1];
    ck_assert(stream_token_make(production, &t, text));
    ck_assert_uint_eq(strlen(text), STREAM_TOKEN_TEXT);
    ck_assert_int_eq(stream_token_check(set, text, STREAM_TOKEN_TEXT, NOW, &back, &plan), STREAM_TOKEN_GOOD);
    ck_assert(plan == production && back.key_id == 5 && back.expires_us == t.expires_us);
    ck_assert_int_eq(check(set, text, t.expires_us - 1, &plan), STREAM_TOKEN_GOOD);
    ck_assert_int_eq(check(set, text, t.expires_us, &plan), STREAM_TOKEN_EXPIRED);
    /* signed by staging, but with a key of production */
    ck_assert(stream_token_make(staging, &t, text));
    ck_assert_int_eq(check(set, text, NOW, &plan), STREAM_TOKEN_REVOKED);
    plan_set_unref(set);
}
END_TEST

START_TEST(no_other_text_is_a_token)
{
    struct plan_set *set = two_environments();
    const struct plan *plan;
    struct stream_token t = {6, NOW + 60 * SECOND};
    char text[STREAM_TOKEN_TEXT + 1], changed[STREAM_TOKEN_TEXT + 1];
    ck_assert(stream_token_make(plan_set_find(set, "staging", 7), &t, text));
    for (size_t i = 0; i < STREAM_TOKEN_TEXT; i++) {
        memcpy(changed, text, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_msg(check(set, changed, NOW, &plan) == STREAM_TOKEN_FORGED, "%zu", i);
        ck_assert_ptr_null(plan);
        changed[i] = '+';
        ck_assert_int_eq(check(set, changed, NOW, &plan), STREAM_TOKEN_FORGED);
        changed[i] = '\0';
        ck_assert_int_eq(check(set, changed, NOW, &plan), STREAM_TOKEN_FORGED);
    }
    plan_set_unref(set);
}
END_TEST

/* At least one life, less than two, and the same all through a life. */
START_TEST(lives_are_shared)
{
    for (uint32_t offset = 0; offset < 4000; offset += 777) {
        int64_t changes = 0, last = stream_token_expiry(NOW, offset);
        for (int64_t now = NOW; now < NOW + 2 * STREAM_TOKEN_LIFE_US; now += 7 * SECOND) {
            int64_t at = stream_token_expiry(now, offset);
            ck_assert(at - now > STREAM_TOKEN_LIFE_US && at - now <= 2 * STREAM_TOKEN_LIFE_US);
            changes += at != last;
            ck_assert(at == last || at == last + STREAM_TOKEN_LIFE_US);
            last = at;
        }
        ck_assert(changes == 1 || changes == 2); /* one may fall on NOW */
    }
}
END_TEST

static uint64_t state(const struct plan *p, int64_t now, int64_t blind)
{
    uint8_t bytes[PLAN_STATE_BYTES];
    uint64_t n;
    plan_state(p, now, blind, bytes);
    memcpy(&n, bytes, sizeof n);
    return n;
}

static struct plan *with_window(const char *document)
{
    struct plan_builder *b = fixture_builder();
    struct experiment_def *x = fixture_experiment(1, "cta");
    x->has_window = true;
    x->starts_us = NOW;
    x->ends_us = NOW + 100 * SECOND;
    x->guard_max_blind_us = 900 * SECOND;
    plan_builder_document(b, document, strlen(document));
    plan_builder_experiment(b, x);
    fixture_flag(b, 1, "f", cta);
    return fixture_finish(b);
}

START_TEST(a_state_changes_when_decisions_may)
{
    struct plan *p = with_window("{}"), *same = with_window("{}"), *other = with_window("{ }");
    uint64_t before = state(p, NOW - 1, 0), during = state(p, NOW, 0);
    ck_assert(before == state(p, 0, 0) && before == state(same, NOW - 1, 900 * SECOND));
    ck_assert(during != before && during == state(p, NOW + 99 * SECOND, 0));
    uint64_t after = state(p, NOW + 100 * SECOND, 0);
    ck_assert(after != during && after != before);
    ck_assert(state(p, NOW, 901 * SECOND) != during);
    ck_assert(state(p, NOW, INT64_MAX) == state(p, NOW, 901 * SECOND));
    ck_assert(state(other, NOW, 0) != during);
    ck_assert(plan_stop(p, fixture_experiment(1, "cta")->salt));
    ck_assert(state(p, NOW, 0) != during && state(same, NOW, 0) == during);
    plan_unref(p);
    plan_unref(same);
    plan_unref(other);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("stream");
    tcase_add_test(tc, a_token_is_of_its_environment);
    tcase_add_test(tc, no_other_text_is_a_token);
    tcase_add_test(tc, lives_are_shared);
    tcase_add_test(tc, a_state_changes_when_decisions_may);
    return run_case("stream", tc);
}
