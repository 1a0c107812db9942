/* Each allocation of ours while a plan is read fails in turn: an error, nothing leaked, and the next try
 * works. The linker puts the functions below in front of malloc, calloc and realloc (--wrap); the JSON
 * parser, a shared library, keeps its own. */
#include <stdlib.h>
#include <string.h>

#include "codec/plan_json.h"
#include "core/decide.h"
#include "core/token.h"
#include "model_document.h"
#include "suite.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long until_failure = -1; /* allocations that still work; -1: all */

static bool fails(void)
{
    if (until_failure < 0)
        return false;
    return until_failure-- == 0;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

#define KEY "f90f48f03c28dc866d91b62c99a0ea47a4423959838711ca3133f19b0abb0915"
#define SALT "76bce11275840801ed52ecf58867412e"

/* The large number makes it go through every step; the lists make the builder's arrays grow. */
static const char document[] =
    "{\"format\":1,\"environment\":\"production\",\"version\":1,\"stop_version\":0,\"unit_key\":\"" KEY
    "\",\"hash_key\":\"" KEY "\",\"api_keys\":[{\"id\":1,\"role\":\"admin\",\"hash\":\"" KEY "\"},7],"
    "\"events\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\","
    "\"p\",\"q\"],\"flags\":[{\"id\":1,\"key\":\"f\",\"type\":\"object\",\"default\":{\"n\":[1e400]},"
    "\"archived\":false,\"rules\":[{\"kind\":\"experiment\",\"experiment\":\"x\",\"condition\":{}},"
    "{\"kind\":\"rollout\",\"condition\":{\"a\":{\"$in\":[1,\"x\",[2]]}},\"value\":{},\"share_ppm\":1,"
    "\"salt\":\"" SALT "\",\"unit_type\":\"device\"}]}],\"experiments\":[{\"id\":1,\"key\":\"x\","
    "\"status\":\"running\",\"guard_stopped\":false,\"unit_type\":\"user\",\"exposure\":\"reported\","
    "\"salt\":\"" SALT "\",\"condition\":{\"b.c\":7},\"variants\":[{\"id\":1,\"key\":\"a\",\"value\":{}},"
    "{\"id\":2,\"key\":\"b\"}],\"phases\":[{\"id\":1,\"number\":1,\"salt\":\"" SALT "\",\"traffic_slots\":"
    "[[0,10]],\"variants\":[{\"variant\":\"a\",\"share_ppm\":1,\"slots\":[[0,1]]},{\"variant\":\"b\","
    "\"share_ppm\":2,\"slots\":[[1,3]]}]}]}]}";

START_TEST(each_allocation_fails_in_turn)
{
    int rc = ERR_NOMEM;
    long n = 0;
    for (; rc != 0 && n < 5000; n++) {
        struct plan *p;
        struct error e;
        error_clear(&e);
        until_failure = n;
        rc = plan_from_json(document, sizeof document - 1, &p, &e);
        until_failure = -1;
        if (rc == 0) {
            ck_assert_uint_eq(plan_quarantine_count(p), 2); /* the number, and the key that is a 7 */
            plan_unref(p);
        } else {
            ck_assert_msg(rc == ERR_NOMEM && e.code == ERR_NOMEM && !p, "allocation %ld: %d, %s", n, rc,
                          e.text);
        }
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_gt(n, 15);
}
END_TEST

/* A document in a set. */
static void fail_each_allocation(const char *text, size_t len)
{
    int rc = ERR_NOMEM;
    long n = 0;
    for (; rc != 0 && n < 5000; n++) {
        struct plan_set *s;
        struct error e;
        error_clear(&e);
        until_failure = n;
        rc = plan_set_from_json(text, len, &s, &e);
        until_failure = -1;
        if (rc == 0) {
            ck_assert_uint_eq(plan_quarantine_count(plan_set_at(s, 0)), 0);
            plan_set_unref(s);
        } else {
            ck_assert_msg(rc == ERR_NOMEM && e.code == ERR_NOMEM && !s, "allocation %ld: %d, %s", n, rc,
                          e.text);
        }
    }
    ck_assert_int_eq(rc, 0);
    ck_assert_int_gt(n, 20);
}

START_TEST(each_allocation_of_the_model_fails_in_turn)
{
    fail_each_allocation(model_document, sizeof model_document - 1);
    fail_each_allocation(bandit_document, sizeof bandit_document - 1);
}
END_TEST

static void decide_all(const char *text, size_t len)
{
    static struct trace trace;
    struct plan_set *set;
    char token[TOKEN_TEXT_MAX + 1] = "";
    ck_assert_int_eq(plan_set_from_json(text, len, &set, NULL), 0);
    const struct plan *p = plan_set_at(set, 0);
    until_failure = 0;
    for (int u = 0; u < 300; u++) {
        struct attr_field f[] = {
            {"country", 7, {.type = ATTR_STRING, .u.string = {"DE", 2}}},
            {"amount", 6, {.type = ATTR_NUMBER, .u.number = u % 12}},
            {"cohortTokens", 12, {.type = ATTR_STRING, .u.string = {token, strlen(token)}}}};
        struct attr object = {.type = ATTR_OBJECT, .u.object = {f, 3}};
        struct subject s;
        struct decision d;
        char user[2] = {(char)('!' + u % 90), '\0'};
        subject_init(&s, user, 1, &object);
        s.trace = u % 2 ? &trace : NULL;
        trace.n = 0;
        for (size_t i = 0; i < plan_flag_count(p); i++) {
            static const uint8_t id[16] = {7};
            decide(p, plan_flag_at(p, i), &s, id, 1000, 0, &d);
            token_of_decision(p, &d, id, 1000, token);
        }
    }
    long left = until_failure;
    until_failure = -1;
    ck_assert_int_eq(left, 0);
    plan_set_unref(set);
}

START_TEST(deciding_the_model_allocates_nothing)
{
    decide_all(model_document, sizeof model_document - 1);
    decide_all(bandit_document, sizeof bandit_document - 1);
}
END_TEST

START_TEST(deciding_allocates_nothing)
{
    struct plan *p;
    struct subject s;
    struct decision d;
    ck_assert_int_eq(plan_from_json(document, sizeof document - 1, &p, NULL), 0);
    until_failure = 0;
    subject_init(&s, "c-1", 3, NULL);
    decide(p, plan_flag_at(p, 0), &s, NULL, 0, 0, &d);
    plan_api_key_find(p, "ck_admin_x", 10);
    long left = until_failure;
    until_failure = -1;
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(d.reason, REASON_TARGETING);
    plan_unref(p);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("memory");
    tcase_add_test(tc, each_allocation_fails_in_turn);
    tcase_add_test(tc, each_allocation_of_the_model_fails_in_turn);
    tcase_add_test(tc, deciding_allocates_nothing);
    tcase_add_test(tc, deciding_the_model_allocates_nothing);
    return run_case("memory", tc);
}
