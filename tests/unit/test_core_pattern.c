/* Regular expressions: what they find, that nothing makes them slow, that threads share them. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/pattern.h"
#include "suite.h"

static struct arena *arena;

static void open_arena(void)
{
    arena = arena_new();
    ck_assert_ptr_nonnull(arena);
}

static void close_arena(void)
{
    arena_free(arena);
}

static const struct pattern *compiled(const char *s)
{
    const struct pattern *p;
    struct error e;
    ck_assert_msg(pattern_compile(arena, s, strlen(s), false, &p, &e) == 0, "%s", e.text);
    return p;
}

static enum pattern_answer found(const struct pattern *p, const char *s, size_t len)
{
    uint32_t steps = 250000;
    return pattern_find(p, s, len, &steps);
}

START_TEST(a_bad_pattern_is_named_with_the_reason)
{
    static const char *const bad[] = {"(",   "[a",   "/???***[)", "a{2,1}", "\\",  "(?<n>a)(?<n>b)",
                                      "\\C", "\xff", "(?P<",      "[z-a]",  "\\1", "(*NO_SUCH)x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct pattern *p;
        struct error e;
        ck_assert_msg(pattern_compile(arena, bad[i], strlen(bad[i]), false, &p, &e) == ERR_INVALID, "%s",
                      bad[i]);
        ck_assert_ptr_null(p);
        ck_assert_msg(strstr(e.text, "regular expression \"") && strstr(e.text, "is wrong at byte"), "%s",
                      e.text);
        ck_assert_int_eq(pattern_compile(arena, bad[i], strlen(bad[i]), true, &p, NULL), ERR_INVALID);
    }
    const struct pattern *p;
    struct error e;
    pattern_compile(arena, "(", 1, false, &p, &e);
    ck_assert_msg(strstr(e.text, "missing closing parenthesis"), "%s", e.text);
}
END_TEST

START_TEST(a_pattern_has_bounds)
{
    char text[PATTERN_MAX + 2], *at = text;
    const struct pattern *p;
    struct error e;
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(pattern_compile(arena, text, PATTERN_MAX, false, &p, &e), 0);
    ck_assert_int_eq(pattern_compile(arena, text, PATTERN_MAX + 1, false, &p, &e), ERR_INVALID);
    for (int i = 0; i < 60; i++)
        *at++ = '(';
    for (int i = 0; i < 60; i++)
        *at++ = ')';
    ck_assert_int_eq(pattern_compile(arena, text, (size_t)(at - text), false, &p, &e), ERR_INVALID);
    /* What would be enormous compiled is refused, and takes little to refuse. */
    size_t before = arena_size(arena);
    const char *huge = "((((a{1,200}){1,200}){1,200}){1,200})";
    ck_assert_int_eq(pattern_compile(arena, huge, strlen(huge), false, &p, &e), ERR_INVALID);
    ck_assert_uint_lt(arena_size(arena) - before, 4u << 20);
}
END_TEST

/* Texts of any bytes: nothing crashes, and what is UTF-8 around them is found. */
START_TEST(any_bytes_can_be_searched)
{
    const struct pattern *word = compiled("\\bkéy\\b"), *any = compiled("^.*$"), *back = compiled("(?<=é)x");
    ck_assert_int_eq(found(word, "\xff\xfe kéy \xc3", 9), PATTERN_YES);
    ck_assert_int_eq(found(word, "k\xc3", 2), PATTERN_NO);
    ck_assert_int_eq(found(any, "", 0), PATTERN_YES);
    ck_assert_int_eq(found(any, "a\xff", 2), PATTERN_NO);
    ck_assert_int_eq(found(back, "\xa9x", 2), PATTERN_NO);
    ck_assert_int_eq(found(back, "éx", 3), PATTERN_YES);
    ck_assert_int_eq(found(word, "a\0kéy\0b", 8), PATTERN_YES);
    ck_assert_int_eq(found(compiled("k"), "a\0k", 3), PATTERN_YES);
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) {
        char text[24];
        size_t len = (size_t)(i % (int)sizeof text);
        for (size_t k = 0; k < len; k++) {
            seed = seed * 1103515245u + 12345u;
            text[k] = (char)(seed >> 16);
        }
        found(word, text, len);
        found(back, text, len);
        found(compiled("[^a]+\\W|\\X"), text, len);
        if (i % 1000 == 0) {
            arena_reset(arena);
            word = compiled("\\bkéy\\b");
            back = compiled("(?<=é)x");
        }
    }
}
END_TEST

START_TEST(bombs_go_off_quietly)
{
    static const char *const bombs[] = {"(?:a?){100}a{100}$",
                                        "(a*)*c?$x|b",
                                        "^(([a-z])+.)+[A-Z]([a-z])+$",
                                        "a*a*a*a*a*[bc]",
                                        "(?:.*a){12}[^a]",
                                        "(a|aa)+[^a]",
                                        "^(a+)+[^a]",
                                        "(?:a|a)*+(?=[bc])",
                                        "^(?:a|a)*[bc]",
                                        "(?R)?a[bc]|(?R)",
                                        "^((a|b)(?1)?)*[cd]",
                                        "(?=(a+))(?=.*\\1[bc])",
                                        "(*LIMIT_MATCH=400000000)(*LIMIT_HEAP=400000000)^(a+)+[^a]"};
    char text[PATTERN_SUBJECT_MAX + 1];
    memset(text, 'a', sizeof text);
    size_t gave_up = 0;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        const struct pattern *p = compiled(bombs[i]);
        for (size_t len = 32; len <= PATTERN_SUBJECT_MAX; len *= 2) {
            uint32_t steps = 250000;
            enum pattern_answer answer = pattern_find(p, text, len, &steps);
            ck_assert_int_ne(answer, PATTERN_YES);
            ck_assert_uint_lt(steps, 250000);
            gave_up += answer == PATTERN_GAVE_UP;
        }
        ck_assert_int_eq(found(p, text, PATTERN_SUBJECT_MAX + 1), PATTERN_GAVE_UP);
    }
    ck_assert_uint_gt(gave_up, 60);
}
END_TEST

START_TEST(steps_are_counted_over_all_searches)
{
    const struct pattern *p = compiled("^[a-z]+@(foo|example)\\.com$");
    const char *text = "someone@example.com";
    uint32_t steps = 100000, before;
    size_t n = 0;
    do {
        before = steps;
        enum pattern_answer answer = pattern_find(p, text, strlen(text), &steps);
        ck_assert(answer == PATTERN_YES || answer == PATTERN_GAVE_UP);
        ck_assert(steps < before || answer == PATTERN_GAVE_UP);
        n += answer == PATTERN_YES;
        if (answer == PATTERN_GAVE_UP)
            break;
    } while (n < 1000000);
    ck_assert_uint_gt(n, 500);
    ck_assert_uint_lt(n, 50000);
}
END_TEST

START_TEST(backtracking_has_room_for_some_hundred_groups)
{
    char text[PATTERN_SUBJECT_MAX];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "foo"[i % 3];
    const struct pattern *p = compiled("^(?:foo|bar)*$");
    ck_assert_int_eq(found(p, text, 3 * 300), PATTERN_YES);
    ck_assert_int_eq(found(p, text, 3 * 1300), PATTERN_GAVE_UP);
    ck_assert_int_eq(found(compiled("^[fo]*$"), text, sizeof text), PATTERN_YES);
}
END_TEST

static void *search_often(void *data)
{
    const struct pattern *p = data;
    size_t wrong = 0;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "v%d.%d-%s", i, i * 7, i % 3 ? "rc" : "final");
        wrong += (found(p, text, (size_t)len) == PATTERN_YES) != (i % 3 != 0);
    }
    return (void *)wrong;
}

START_TEST(threads_share_a_pattern)
{
    const struct pattern *p = compiled("^v(\\d+)\\.(\\d+|x)*-(rc|beta)$");
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, search_often, (void *)p), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_uint_eq((size_t)wrong, 0);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("pattern");
    tcase_add_checked_fixture(tc, open_arena, close_arena);
    tcase_add_test(tc, a_bad_pattern_is_named_with_the_reason);
    tcase_add_test(tc, a_pattern_has_bounds);
    tcase_add_test(tc, any_bytes_can_be_searched);
    tcase_add_test(tc, bombs_go_off_quietly);
    tcase_add_test(tc, steps_are_counted_over_all_searches);
    tcase_add_test(tc, backtracking_has_room_for_some_hundred_groups);
    tcase_add_test(tc, threads_share_a_pattern);
    return run_case("pattern", tc);
}
