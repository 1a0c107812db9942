/* Documents of several environments: whose key is it, and which plan answers. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/plan_document.h"
#include "codec/plan_json.h"
#include "core/decide.h"
#include "core/plan_stops.h"
#include "model_document.h"
#include "suite.h"

#define KEY_P "f90f48f03c28dc866d91b62c99a0ea47a4423959838711ca3133f19b0abb0915"
#define KEY_S "6c4009295861905c0d1bba597699b22be85e092ae7b45f9861fe325d00a5c764"
#define HEAD "{\"format\":2,\"version\":12,\"stop_version\":3,\"environments\":["

/* One environment with one key of that id, "ck_" and the environment's name. */
static void body(char *out, size_t cap, const char *environment, const char *hash_key, int id)
{
    unsigned char key[32], mac[32];
    char presented[64], hex[65];
    snprintf(presented, sizeof presented, "ck_%s", environment);
    ck_assert_int_eq(sodium_hex2bin(key, sizeof key, hash_key, 64, NULL, NULL, NULL), 0);
    crypto_auth_hmacsha256(mac, (const unsigned char *)presented, strlen(presented), key);
    sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    snprintf(
        out, cap,
        "{\"environment\":\"%s\",\"unit_key\":\"%s\",\"hash_key\":\"%s\",\"events\":[],\"flags\":[{\"id\":1,"
        "\"key\":\"%s\",\"type\":\"string\",\"archived\":false,\"rules\":[]}],\"experiments\":[],"
        "\"api_keys\":[{\"id\":%d,\"role\":\"admin\",\"hash\":\"%s\"}]}",
        environment, KEY_P, hash_key, environment, id, hex);
}

static struct plan_set *read_set(const char *text)
{
    struct plan_set *s;
    struct error e;
    error_clear(&e);
    ck_assert_msg(plan_set_from_json(text, strlen(text), &s, &e) == 0, "%s: %s", e.place, e.text);
    return s;
}

static char *two(const char *first, const char *second)
{
    char a[1024], b[1024], *text = malloc(4096);
    body(a, sizeof a, first, KEY_P, 1);
    body(b, sizeof b, second, KEY_S, 2);
    snprintf(text, 4096, HEAD "%s,%s]}", a, b);
    return text;
}

START_TEST(each_key_has_its_plan)
{
    char *text = two("staging", "production");
    struct plan_set *s = read_set(text);
    const struct plan *p;
    ck_assert_uint_eq(plan_set_count(s), 2);
    ck_assert_int_eq(plan_set_version(s), 12);
    ck_assert_int_eq(plan_set_stop_version(s), 3);
    ck_assert_str_eq(plan_environment(plan_set_at(s, 0)), "production");
    ck_assert_int_eq(plan_version(plan_set_at(s, 1)), 12);
    ck_assert_int_eq(plan_stop_version(plan_set_at(s, 1)), 3);
    ck_assert_ptr_eq(plan_set_find(s, "staging", 7), plan_set_at(s, 1));
    ck_assert_ptr_null(plan_set_find(s, "stag", 4));
    const struct plan_api_key *k = plan_set_find_key(s, "ck_staging", 10, &p);
    ck_assert_ptr_nonnull(k);
    ck_assert_int_eq(k->id, 1);
    ck_assert_ptr_eq(p, plan_set_at(s, 1));
    ck_assert_int_eq(plan_set_find_key(s, "ck_production", 13, &p)->id, 2);
    ck_assert_ptr_eq(p, plan_set_at(s, 0));
    ck_assert_ptr_null(plan_set_find_key(s, "ck_other", 8, &p));
    ck_assert_ptr_null(p);
    ck_assert(plan_set_size(s) > plan_size(plan_set_at(s, 0)) + plan_size(plan_set_at(s, 1)));
    struct plan_set *again = plan_set_ref(s);
    struct plan *kept = plan_ref(plan_set_at(s, 0));
    plan_set_unref(s);
    ck_assert_uint_eq(plan_set_count(again), 2);
    plan_set_unref(again);
    plan_set_unref(NULL);
    ck_assert_str_eq(plan_environment(kept), "production"); /* outlives its set */
    plan_unref(kept);
    free(text);
}
END_TEST

START_TEST(one_environment_is_a_set_too)
{
    char b[1024], text[2048];
    body(b, sizeof b, "production", KEY_P, 1);
    snprintf(text, sizeof text, "{\"format\":1,\"version\":7,\"stop_version\":1,%s", b + 1);
    struct plan_set *s = read_set(text);
    ck_assert_uint_eq(plan_set_count(s), 1);
    ck_assert_int_eq(plan_version(plan_set_at(s, 0)), 7);
    plan_set_unref(s);
}
END_TEST

static void damaged(const char *text)
{
    struct plan_set *s;
    struct error e;
    error_clear(&e);
    ck_assert_int_eq(plan_set_from_json(text, strlen(text), &s, &e), ERR_DAMAGED);
    ck_assert_int_eq(e.code, ERR_DAMAGED);
    ck_assert_ptr_null(s);
}

START_TEST(damage_is_told)
{
    char *twice = two("production", "production"), *good = two("production", "staging");
    damaged(twice);
    damaged(HEAD "]}");
    damaged("{\"format\":2,\"version\":1,\"stop_version\":0}");
    damaged("{\"format\":2,\"version\":1,\"stop_version\":0,\"environments\":{}}");
    damaged("{\"format\":2,\"version\":1,\"stop_version\":0,\"environments\":[7]}");
    damaged("{\"format\":3,\"version\":1,\"stop_version\":0,\"environments\":[]}");
    good[strlen(good) - 3] = ' '; /* a bracket of the last environment */
    damaged(good);
    free(twice);
    free(good);
}
END_TEST

/* A plan that was handed out decides like the server's, stops included, and knows no secret of its. */
START_TEST(a_document_is_handed_out)
{
    uint8_t tag[16], later[16];
    size_t len, at = 0;
    struct error e;
    struct plan *out;
    struct plan_set *s = read_set(model_document);
    const struct plan *p = plan_set_at(s, 0);
    plan_document_tag(p, tag);
    char *text = plan_document_text(p, &len);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(memmem(text, len, "hash", 4));
    ck_assert_msg(plan_from_json(text, len, &out, &e) == 0, "%s: %s", e.place, e.text);
    ck_assert_uint_eq(plan_flag_count(out), plan_flag_count(p));
    ck_assert_uint_eq(plan_quarantine_count(out), plan_quarantine_count(p));
    for (size_t i = 0; i < plan_flag_count(p); i++)
        for (int user = 0; user < 200; user++) {
            char id[16];
            struct decision a, b;
            struct subject sa, sb;
            int n = snprintf(id, sizeof id, "u-%d", user);
            subject_init(&sa, id, (size_t)n, NULL);
            subject_init(&sb, id, (size_t)n, NULL);
            decide(p, plan_flag_at(p, i), &sa, NULL, 200, 0, &a);
            decide(out, plan_flag_at(out, i), &sb, NULL, 200, 0, &b);
            ck_assert_int_eq(a.reason, b.reason);
            ck_assert_str_eq(a.variant_name, b.variant_name);
            ck_assert_mem_eq(&a.unit, &b.unit, sizeof a.unit);
            ck_assert_int_eq(a.propensity_ppm, b.propensity_ppm);
        }
    free(text);
    plan_unref(out);
    uint8_t salt[16];
    sodium_hex2bin(salt, sizeof salt, "76bce11275840801ed52ecf588674111", 32, NULL, NULL, NULL);
    ck_assert(plan_set_stop(s, plan_environment(p), salt));
    plan_document_tag(p, later);
    ck_assert(memcmp(tag, later, sizeof tag) != 0);
    text = plan_document_text(p, &len);
    ck_assert_int_eq(plan_from_json(text, len, &out, &e), 0);
    ck_assert_mem_eq(plan_next_stop(out, &at), salt, sizeof salt);
    free(text);
    plan_unref(out);
    plan_set_unref(s);
}
END_TEST

START_TEST(what_was_handed_out_opens_nothing)
{
    struct error e;
    struct plan *out;
    size_t len;
    char *text = two("staging", "production");
    struct plan_set *s = read_set(text);
    free(text);
    text = plan_document_text(plan_set_at(s, 1), &len);
    ck_assert_int_eq(plan_from_json(text, len, &out, &e), 0);
    ck_assert_ptr_null(plan_api_key_find(out, "ck_staging", 10));
    ck_assert_ptr_null(plan_document(out, &len)); /* and is not handed on */
    free(text);
    plan_unref(out);
    plan_set_unref(s);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("plan_set");
    tcase_add_test(tc, each_key_has_its_plan);
    tcase_add_test(tc, a_document_is_handed_out);
    tcase_add_test(tc, what_was_handed_out_opens_nothing);
    tcase_add_test(tc, one_environment_is_a_set_too);
    tcase_add_test(tc, damage_is_told);
    return run_case("plan_set", tc);
}
