/* Segments, and the bounds of conditions: depth, size, steps, memory. */
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "codec/json_in.h"
#include "core/condition.h"
#include "core/fold.h"
#include "core/segment.h"
#include "core/value_set.h"
#include "suite.h"

/* --- every allocation is counted, and one of them can fail --- */

static size_t allocations, fail_at;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool may_allocate(void)
{
    return ++allocations != fail_at;
}

void *__wrap_malloc(size_t n)
{
    return may_allocate() ? __real_malloc(n) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return may_allocate() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t n)
{
    return may_allocate() ? __real_realloc(p, n) : NULL;
}

/* --- help --- */

static struct arena *arena;
static struct segments *segments;

static void open_arena(void)
{
    fail_at = 0;
    arena = arena_new();
    segments = segments_new(arena);
    ck_assert_ptr_nonnull(segments);
}

static void close_arena(void)
{
    arena_free(arena);
}

static const struct attr *json(const char *text)
{
    json_error_t je;
    struct error e;
    json_t *v = json_loads(text, JSON_DECODE_ANY, &je);
    ck_assert_msg(v != NULL, "%s: %s", text, je.text);
    struct attr *out = arena_alloc(arena, sizeof *out);
    ck_assert_int_eq(json_in_attr(arena, v, out, &e), 0);
    json_decref(v);
    return out;
}

static const struct condition *compiled(const char *text)
{
    const struct condition *c;
    struct error e;
    ck_assert_msg(condition_compile(arena, json(text), segments, &c, &e) == 0, "%s: %s", e.place, e.text);
    return c;
}

static bool meets(const struct condition *c, const char *attributes)
{
    return condition_eval(c, json(attributes));
}

static void refused(const struct attr *definition, const char *text)
{
    const struct condition *c;
    struct error e;
    ck_assert_int_eq(condition_compile(arena, definition, segments, &c, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.text, text) != NULL, "%s", e.text);
}

static void add_condition(const char *key, const char *text)
{
    struct error e;
    ck_assert_msg(segments_add_condition(segments, key, json(text), &e) == 0, "%s", e.text);
}

static void check_segment(const char *key, int expected, const char *text)
{
    const struct condition *c;
    struct error e;
    error_clear(&e);
    ck_assert_int_eq(segments_condition(segments, key, strlen(key), &c, &e), expected);
    ck_assert_msg(!text || strstr(e.text, text), "%s", e.text);
    ck_assert(expected == 0 || !c);
}

/* --- segments --- */

START_TEST(conditions_by_name)
{
    add_condition("german", "{\"country\": {\"$in\": [\"DE\", \"AT\"]}}");
    add_condition("adult-german", "{\"$segment\": \"german\", \"age\": {\"$gte\": 18}}");
    add_condition("everyone", "{}");
    const struct condition *c = compiled("{\"$not\": {\"$segment\": \"adult-german\"}, \"plan\": \"pro\"}");
    ck_assert(meets(c, "{\"plan\": \"pro\", \"country\": \"DE\", \"age\": 17}"));
    ck_assert(!meets(c, "{\"plan\": \"pro\", \"country\": \"AT\", \"age\": 18}"));
    ck_assert(meets(compiled("{\"$segment\": \"everyone\"}"), "{}"));
    ck_assert(!meets(compiled("{\"$not\": {\"$segment\": \"everyone\"}}"), "{}"));
    /* What it looks at, through segments too, each once; not what $elemMatch looks for inside of items. */
    c = compiled(
        "{\"$or\": [{\"$segment\": \"adult-german\"}, {\"age\": 7, \"pets\": {\"$elemMatch\": {\"kind\": "
        "\"dog\"}}}], \"a.b\": 1}");
    const char *wanted[] = {"country", "age", "pets", "a"};
    ck_assert_uint_eq(condition_input_count(c), 4);
    for (size_t i = 0; i < 4; i++) {
        bool there = false;
        for (size_t k = 0; k < 4; k++)
            there = there || strcmp(condition_input(c, i), wanted[k]) == 0;
        ck_assert_msg(there, "%s", condition_input(c, i));
    }
}
END_TEST

START_TEST(names_nobody_knows)
{
    struct error e;
    ck_assert_int_eq(segments_add_list(segments, "list", json("[1]"), &e), 0);
    add_condition("condition", "{\"a\": 1}");
    refused(json("{\"$segment\": \"nope\"}"), "no segment nope with a condition");
    refused(json("{\"$segment\": \"list\"}"), "no segment list with a condition");
    refused(json("{\"$segment\": 7}"), "takes the key of a segment");
    refused(json("{\"id\": {\"$inGroup\": \"nope\"}}"), "no segment nope with a list");
    refused(json("{\"id\": {\"$notInGroup\": \"condition\"}}"), "no segment condition with a list");
    ck_assert_int_eq(segments_add_list(segments, "condition", json("[1]"), &e), ERR_INVALID);
    ck_assert_int_eq(segments_add_condition(segments, "list", json("{}"), &e), ERR_INVALID);
    ck_assert_int_eq(segments_add_list(segments, "x", json("{}"), &e), ERR_INVALID);
    ck_assert_int_eq(segments_add_list(segments, "x", json("[1, [2]]"), &e), ERR_INVALID);
    segments = NULL;
    refused(json("{\"$segment\": \"condition\"}"), "no segment condition");
    refused(json("{\"id\": {\"$inGroup\": \"list\"}}"), "no segment list");
}
END_TEST

START_TEST(circles_are_refused)
{
    add_condition("self", "{\"$segment\": \"self\"}");
    add_condition("a", "{\"$or\": [{\"x\": 1}, {\"$segment\": \"b\"}]}");
    add_condition("b", "{\"$not\": {\"$segment\": \"c\"}}");
    add_condition("c", "{\"$and\": [{\"$segment\": \"a\"}]}");
    add_condition("outside", "{\"$segment\": \"b\"}");
    add_condition("fine", "{\"x\": 1}");
    add_condition("bad", "{\"x\": {\"$near\": 1}}");
    add_condition("on-bad", "{\"$segment\": \"bad\"}");
    check_segment("self", ERR_INVALID, "refers to itself");
    check_segment("a", ERR_INVALID, "refers to itself");
    check_segment("b", ERR_INVALID, "is refused");
    check_segment("c", ERR_INVALID, "is refused");
    check_segment("outside", ERR_INVALID, "is refused");
    check_segment("fine", 0, NULL);
    check_segment("bad", ERR_INVALID, "unknown operator $near");
    check_segment("on-bad", ERR_INVALID, "unknown operator $near");
    check_segment("nope", ERR_NOT_FOUND, "no segment nope");
}
END_TEST

/* A chain of 8 is fine and of 9 is not, from whichever end it is compiled. */
START_TEST(chains_are_bounded)
{
    for (int from_end = 0; from_end < 2; from_end++) {
        segments = segments_new(arena);
        for (int i = 0; i < 20; i++) {
            char key[16], text[64];
            snprintf(key, sizeof key, "s%d", i);
            snprintf(text, sizeof text, i == 0 ? "{\"x\": 1}" : "{\"$segment\": \"s%d\"}", i - 1);
            add_condition(key, text);
        }
        for (int i = 0; from_end && i < 20; i++) {
            char key[16];
            snprintf(key, sizeof key, "s%d", i);
            check_segment(key, i < 8 ? 0 : ERR_INVALID, NULL);
        }
        if (!from_end)
            check_segment("s19", ERR_INVALID, "more than 8 deep");
        check_segment("s7", 0, NULL);
        check_segment("s9", ERR_INVALID, NULL);
    }
}
END_TEST

/* --- lists --- */

static struct attr *long_list(size_t n, const char *format)
{
    struct attr *items = arena_alloc(arena, n * sizeof *items), *list = arena_alloc(arena, sizeof *list);
    char text[600];
    for (size_t i = 0; i < n; i++) {
        int len = snprintf(text, sizeof text, format, (i * 7919) % n);
        items[i] = (struct attr){.type = ATTR_STRING,
                                 .u.string = {arena_copy(arena, text, (size_t)len), (size_t)len}};
    }
    *list = (struct attr){.type = ATTR_ARRAY, .u.array = {items, n}};
    return list;
}

static struct attr text_value(const char *s)
{
    return (struct attr){.type = ATTR_STRING, .u.string = {s, strlen(s)}};
}

START_TEST(a_million_entries)
{
    struct error e;
    const size_t n = SEGMENT_LIST_MAX;
    struct arena *own = arena_new();
    struct segments *here = segments_new(own);
    ck_assert_int_eq(segments_add_list(here, "many", long_list(n, "user-%07zu"), &e), 0);
    /* A text of 12 bytes takes 16, and nothing of the list itself is kept. */
    ck_assert_uint_lt(arena_size(own), 20 * n);
    segments = here;
    const struct condition *c = compiled("{\"id\": {\"$inGroup\": \"many\"}}");
    const struct condition *without = compiled("{\"id\": {\"$notInGroup\": \"many\"}}");
    for (size_t i = 0; i < n + 1000; i += 997) {
        char text[32];
        snprintf(text, sizeof text, "user-%07zu", i);
        struct attr_field f = {"id", 2, text_value(text)};
        struct attr subject = {.type = ATTR_OBJECT, .u.object = {&f, 1}};
        ck_assert(condition_eval(c, &subject) == (i < n));
        ck_assert(condition_eval(without, &subject) == (i >= n));
    }
    arena_free(own);
    segments = segments_new(arena);
    ck_assert_int_eq(segments_add_list(segments, "more", long_list(n + 1, "%zu"), &e), ERR_LIMIT);
    ck_assert_int_eq(segments_add_list(segments, "long", long_list(1, "%0513zu"), &e), ERR_LIMIT);
    ck_assert_int_eq(segments_add_list(segments, "just", long_list(1, "%0512zu"), &e), 0);
    ck_assert_int_eq(segments_add_list(segments, "empty", json("[]"), &e), 0);
}
END_TEST

START_TEST(sets_of_all_kinds)
{
    const struct attr *list =
        json("[3, \"b\", null, true, \"\", 1e3, \"B\", [1], -1, \"b\", {\"a\": 1}, 3.0]");
    const struct value_set *exact = value_set_new(arena, list, false),
                           *fold = value_set_new(arena, list, true);
    ck_assert_uint_eq(value_set_scalars(exact), 8);
    ck_assert_uint_eq(value_set_scalars(fold), 7);
    for (size_t i = 0; i < list->u.array.n; i++) {
        ck_assert(value_set_has(exact, &list->u.array.items[i]));
        ck_assert(value_set_has(fold, &list->u.array.items[i]));
    }
    ck_assert(!value_set_has(exact, json("false")));
    ck_assert(!value_set_has(exact, json("\"c\"")));
    ck_assert(!value_set_has(exact, json("[1, 2]")));
    ck_assert(!value_set_has(exact, json("2")));
    ck_assert(!value_set_has(NULL, json("2")));
    size_t seen = 0;
    for (size_t i = 0; i < list->u.array.n; i++) {
        size_t place = value_set_place(exact, &list->u.array.items[i]);
        ck_assert(place == SIZE_MAX || place < 8);
        if (place != SIZE_MAX)
            seen |= (size_t)1 << place;
    }
    ck_assert_uint_eq(seen, 0xFF);
}
END_TEST

/* --- case --- */

/* The library's own table, where the system has one for UTF-8. */
START_TEST(lower_case_is_unicode_s)
{
    bool utf8 = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    size_t letters = 0;
    for (unsigned c = 0x80; utf8 && c < 0x10000; c++) {
        char text[3] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)), (char)(0x80 | (c & 0x3F))};
        char two[2] = {(char)(0xC0 | c >> 6), (char)(0x80 | (c & 0x3F))}, out[8];
        const char *s = c < 0x800 ? two : text;
        size_t len = c < 0x800 ? 2 : 3, n = fold_text(s, len, out);
        ck_assert_uint_le(n, 3);
        if (n == len && memcmp(out, s, n) == 0)
            continue;
        wchar_t lower =
            (wchar_t)(n == 1   ? (unsigned char)out[0]
                      : n == 2 ? (out[0] & 0x1Fu) << 6 | (out[1] & 0x3Fu)
                               : (out[0] & 0x0Fu) << 12 | (out[1] & 0x3Fu) << 6 | (out[2] & 0x3Fu));
        ck_assert_msg((wint_t)lower == towlower((wint_t)c), "U+%04X becomes U+%04X", c, (unsigned)lower);
        letters++;
    }
    ck_assert(!utf8 || letters > 500);
    setlocale(LC_CTYPE, "C");
}
END_TEST

START_TEST(folding_any_bytes)
{
    char out[16];
    ck_assert_uint_eq(fold_text("A\xC3", 2, out), 2);
    ck_assert_mem_eq(out, "a\xC3", 2);
    ck_assert_uint_eq(fold_text("\xE1\xB8", 2, out), 2);
    ck_assert_uint_eq(fold_text("\xF0\x9F\x98\x80Z", 5, out), 5);
    ck_assert_mem_eq(out, "\xF0\x9F\x98\x80z", 5);
    ck_assert_int_eq(fold_compare("ÄB", 3, "äb", 3), 0);
    ck_assert_int_lt(fold_compare("ÄB", 3, "äbc", 4), 0);
    ck_assert_int_gt(fold_compare("ÄBC", 4, "äb", 3), 0);
    ck_assert_int_gt(fold_compare("\xC3\x84", 2, "\xC3", 1), 0);
}
END_TEST

/* --- bounds --- */

static struct attr *nested(const char *name, int depth, struct attr inner)
{
    struct attr *v = arena_alloc(arena, sizeof *v);
    *v = inner;
    for (int i = 0; i < depth; i++) {
        struct attr_field *f = arena_alloc(arena, sizeof *f);
        *f = (struct attr_field){name, strlen(name), *v};
        v = arena_alloc(arena, sizeof *v);
        *v = (struct attr){.type = ATTR_OBJECT, .u.object = {f, 1}};
    }
    return v;
}

START_TEST(depth_is_bounded)
{
    const struct condition *c;
    struct error e;
    struct attr one = *json("{\"a\": 1}");
    refused(nested("$not", 100000, one), "nested more than 32 deep");
    ck_assert_int_eq(condition_compile(arena, nested("$not", 31, one), segments, &c, &e), 0);
    ck_assert(!meets(c, "{\"a\": 1}"));
    refused(nested("$not", 32, one), "nested more than 32 deep");
    refused(nested("a", 1, *nested("$elemMatch", 100000, one)), "nested more than 32 deep");
    refused(nested("a", 1, *nested("$not", 100000, *json("{\"$eq\": 1}"))), "nested more than 32 deep");
}
END_TEST

START_TEST(breadth_is_bounded)
{
    struct attr_field *fields = arena_alloc(arena, (CONDITION_INPUTS_MAX + 1) * sizeof *fields);
    for (size_t i = 0; i <= CONDITION_INPUTS_MAX; i++) {
        char name[16];
        int len = snprintf(name, sizeof name, "a%zu", i);
        fields[i] = (struct attr_field){arena_copy(arena, name, (size_t)len), (size_t)len, *json("1")};
    }
    struct attr object = {.type = ATTR_OBJECT, .u.object = {fields, CONDITION_INPUTS_MAX + 1}};
    refused(&object, "no more than 256 attributes");
    object.u.object.n--;
    const struct condition *c;
    struct error e;
    ck_assert_int_eq(condition_compile(arena, &object, segments, &c, &e), 0);
    struct attr all = *long_list(CONDITION_ALL_MAX + 1, "%zu");
    struct attr *wants = nested("a", 1, *nested("$all", 1, all));
    refused(wants, "at most 1024 values");
    all.u.array.n--;
    wants = nested("a", 1, *nested("$all", 1, all));
    ck_assert_int_eq(condition_compile(arena, wants, segments, &c, &e), 0);
    ck_assert(condition_eval(c, nested("a", 1, all)));
    all.u.array.n--;
    ck_assert(!condition_eval(c, nested("a", 1, all)));
}
END_TEST

/* Segments that each use the next one ten times: 10^8 questions, of which only so many are asked; and then
 * the answer is false, with a $not around it too. */
START_TEST(work_is_bounded)
{
    char text[400];
    for (int i = 0; i < 8; i++) {
        char key[16];
        size_t n = (size_t)snprintf(text, sizeof text, "{\"$and\": [");
        for (int k = 0; k < 10; k++)
            n +=
                (size_t)snprintf(text + n, sizeof text - n, i ? "%s{\"$segment\": \"s%d\"}" : "%s{\"x\": %d}",
                                 k ? ", " : "", i ? i - 1 : 1);
        snprintf(text + n, sizeof text - n, "]}");
        snprintf(key, sizeof key, "s%d", i);
        add_condition(key, text);
    }
    ck_assert(meets(compiled("{\"$segment\": \"s2\"}"), "{\"x\": 1}"));
    const struct condition *c = compiled("{\"$segment\": \"s6\"}");
    const struct condition *negated = compiled("{\"$not\": {\"$segment\": \"s6\"}}");
    ck_assert(!meets(c, "{\"x\": 1}"));
    ck_assert(!meets(negated, "{\"x\": 1}"));
    ck_assert(meets(negated, "{\"x\": 2}"));
    /* A pattern on many texts shares the steps. */
    struct attr list = *long_list(5000, "aaaaaaaaaaaaaaaaaaaaaaaa%zu");
    c = compiled("{\"a\": {\"$not\": {\"$elemMatch\": {\"$regex\": \"^(a+)+[^a0-9]\"}}}}");
    ck_assert(!condition_eval(c, nested("a", 1, list)));
    c = compiled("{\"a\": {\"$elemMatch\": {\"$regex\": \"^a+7$\"}}}");
    ck_assert(condition_eval(c, nested("a", 1, list)));
    /* Deep comparisons count by their size. */
    c = compiled("{\"a\": {\"$elemMatch\": {\"$in\": [[1, 2, 3], {\"a\": 1, \"b\": 2}]}}}");
    struct attr big = *long_list(200000, "%zu");
    ck_assert(!condition_eval(c, nested("a", 1, big)));
}
END_TEST

/* --- memory --- */

static const char everything[] = "{\"$or\": [{\"a\": {\"$in\": [1, \"x\", [2]], \"$ini\": [\"Y\"], \"$all\": "
                                 "[1, {\"$gt\": 2}]}}, {\"$not\": "
                                 "{\"b.c\": {\"$regex\": \"^(x|y)+z$\", \"$vgt\": \"1.2\", \"$size\": "
                                 "{\"$gt\": 1}}}}], \"$segment\": \"s\", "
                                 "\"d\": {\"$elemMatch\": {\"e\": {\"$inGroup\": \"l\"}}, \"$lt\": 5, "
                                 "\"$type\": \"array\", \"$exists\": true}}";

START_TEST(evaluation_allocates_nothing)
{
    struct error e;
    segments_add_list(segments, "l", json("[1, \"z\"]"), &e);
    add_condition("s", "{\"x\": {\"$ne\": 1}}");
    const struct condition *c = compiled(everything);
    const struct attr *who[] = {
        json("{\"a\": [1, 3, \"y\"], \"b\": {\"c\": \"xyxyz\"}, \"d\": [{\"e\": \"z\"}]}"),
        json("{\"a\": \"X\", \"b\": {\"c\": [1, 2]}, \"d\": [{\"e\": 7}]}"),
        json("{\"b\": {\"c\": 1.25}}"),
        json("{}"),
    };
    size_t before = allocations;
    for (int i = 0; i < 100; i++)
        for (size_t k = 0; k < sizeof who / sizeof *who; k++)
            condition_eval(c, who[k]);
    ck_assert_uint_eq(allocations, before);
}
END_TEST

/* Each allocation fails in turn: ERR_NOMEM, or done. The arena starts full so that it must allocate. */
START_TEST(every_allocation_may_fail)
{
    const struct attr *definition = json(everything), *list = json("[1, \"z\"]"), *inner = json("{\"x\": 1}");
    size_t failures = 0;
    for (size_t n = 1; n < 200; n++) {
        struct error e;
        const struct condition *c = NULL;
        struct arena *own = arena_new();
        allocations = 0;
        fail_at = n;
        struct segments *s = segments_new(own);
        int rc = s ? 0 : ERR_NOMEM;
        for (int i = 0; rc == 0 && i < 200; i++) { /* enough to need new blocks */
            char key[16];
            snprintf(key, sizeof key, "%s%d", i ? "l" : "", i);
            rc = segments_add_list(s, i ? key : "l", list, &e);
        }
        if (rc == 0)
            rc = segments_add_condition(s, "s", inner, &e);
        for (int i = 0; rc == 0 && i < 20; i++)
            rc = condition_compile(own, definition, s, &c, &e);
        fail_at = 0;
        ck_assert_msg(rc == 0 || rc == ERR_NOMEM, "%d: %s", rc, e.text);
        failures += rc != 0;
        arena_free(own);
    }
    ck_assert_uint_gt(failures, 10);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("segment");
    tcase_add_checked_fixture(tc, open_arena, close_arena);
    tcase_add_test(tc, conditions_by_name);
    tcase_add_test(tc, names_nobody_knows);
    tcase_add_test(tc, circles_are_refused);
    tcase_add_test(tc, chains_are_bounded);
    tcase_add_test(tc, a_million_entries);
    tcase_add_test(tc, sets_of_all_kinds);
    tcase_add_test(tc, lower_case_is_unicode_s);
    tcase_add_test(tc, folding_any_bytes);
    tcase_add_test(tc, depth_is_bounded);
    tcase_add_test(tc, breadth_is_bounded);
    tcase_add_test(tc, work_is_bounded);
    tcase_add_test(tc, evaluation_allocates_nothing);
    tcase_add_test(tc, every_allocation_may_fail);
    return run_case("segment", tc);
}
