/* The arena, attributes and targeting conditions. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/attr.h"
#include "core/condition.h"
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

/* --- arena --- */

START_TEST(pieces_are_zeroed_aligned_and_apart)
{
    char *previous = NULL;
    for (size_t n = 1; n < 5000; n += 37) {
        char *p = arena_alloc(arena, n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(p[i], 0);
        memset(p, 0x5A, n);
        ck_assert_ptr_ne(p, previous);
        previous = p;
    }
}
END_TEST

START_TEST(a_copy_is_terminated)
{
    char *s = arena_copy(arena, "ab\0cd", 4);
    ck_assert_mem_eq(s, "ab\0c", 5);
    ck_assert_str_eq(arena_copy(arena, NULL, 0), "");
}
END_TEST

START_TEST(reset_keeps_one_block_and_gives_zeroed_memory_again)
{
    size_t before = arena_size(arena);
    char *first = arena_alloc(arena, 100);
    memset(first, 1, 100);
    arena_reset(arena);
    ck_assert_uint_eq(arena_size(arena), before);
    ck_assert_ptr_eq(arena_alloc(arena, 100), first);
    for (int i = 0; i < 100; i++)
        arena_alloc(arena, 10000);
    ck_assert_uint_gt(arena_size(arena), 1000000);
    arena_reset(arena);
    ck_assert_uint_le(arena_size(arena), 64 * 1024 + before);
    /* what a request needed once, the next finds */
    size_t kept = arena_size(arena);
    for (int i = 0; i < 3; i++) {
        char *again = arena_alloc(arena, 30000);
        for (int k = 0; k < 30000; k++)
            ck_assert_int_eq(again[k], 0);
        memset(again, 1, 30000);
        arena_reset(arena);
        ck_assert_uint_eq(arena_size(arena), kept);
    }
}
END_TEST

START_TEST(impossible_sizes_fail)
{
    ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(arena, SIZE_MAX - 20));
    ck_assert_ptr_null(arena_copy(arena, "x", SIZE_MAX));
    ck_assert_ptr_nonnull(arena_alloc(arena, 8)); /* and it still works */
    arena_free(NULL);
}
END_TEST

/* --- making attributes --- */

static struct attr null_value(void)
{
    return (struct attr){.type = ATTR_NULL};
}

static struct attr boolean(bool v)
{
    return (struct attr){.type = ATTR_BOOL, .u.boolean = v};
}

static struct attr number(double v)
{
    return (struct attr){.type = ATTR_NUMBER, .u.number = v};
}

static struct attr string(const char *s)
{
    return (struct attr){.type = ATTR_STRING, .u.string = {s, strlen(s)}};
}

static struct attr array(size_t n, const struct attr *items)
{
    return (struct attr){.type = ATTR_ARRAY, .u.array = {items, n}};
}

static struct attr object(size_t n, const struct attr_field *fields)
{
    return (struct attr){.type = ATTR_OBJECT, .u.object = {fields, n}};
}

static struct attr_field field(const char *name, struct attr v)
{
    return (struct attr_field){name, strlen(name), v};
}

#define ARRAY(...)                                                                                           \
    array(sizeof((struct attr[]){__VA_ARGS__}) / sizeof(struct attr), (struct attr[]){__VA_ARGS__})
#define OBJECT(...)                                                                                          \
    object(sizeof((struct attr_field[]){__VA_ARGS__}) / sizeof(struct attr_field),                           \
           (struct attr_field[]){__VA_ARGS__})

START_TEST(fields_are_found_by_name)
{
    struct attr o = OBJECT(field("a", number(1)), field("ab", number(2)), field("", number(3)));
    ck_assert_double_eq(attr_get(&o, "a", 1)->u.number, 1);
    ck_assert_double_eq(attr_get(&o, "ab", 2)->u.number, 2);
    ck_assert_double_eq(attr_get(&o, "", 0)->u.number, 3);
    ck_assert_ptr_null(attr_get(&o, "abc", 3));
    ck_assert_ptr_null(attr_get(&o, "A", 1));
    struct attr n = number(1);
    ck_assert_ptr_null(attr_get(&n, "a", 1));
    ck_assert_ptr_null(attr_get(NULL, "a", 1));
}
END_TEST

START_TEST(equality_is_deep_and_typed)
{
    struct attr values[] = {
        null_value(),
        boolean(false),
        boolean(true),
        number(0),
        number(1),
        string(""),
        string("1"),
        string("true"),
        array(0, NULL),
        ARRAY(number(1)),
        ARRAY(number(1), number(2)),
        ARRAY(number(2), number(1)),
        object(0, NULL),
        OBJECT(field("a", number(1))),
        OBJECT(field("b", number(1))),
        OBJECT(field("a", number(1)), field("b", ARRAY(string("x")))),
    };
    size_t n = sizeof values / sizeof *values;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            ck_assert_msg(attr_equal(&values[i], &values[k]) == (i == k), "%zu and %zu", i, k);
    struct attr ab = OBJECT(field("a", number(1)), field("b", number(2)));
    struct attr ba = OBJECT(field("b", number(2)), field("a", number(1)));
    ck_assert(attr_equal(&ab, &ba));
    struct attr zero = number(0.0), minus_zero = number(-0.0);
    ck_assert(attr_equal(&zero, &minus_zero));
}
END_TEST

/* --- conditions --- */

static const struct condition *compiled(const struct attr *definition)
{
    const struct condition *c;
    struct error e;
    ck_assert_msg(condition_compile(arena, definition, NULL, &c, &e) == 0, "%s: %s", e.place, e.text);
    return c;
}

static bool meets(struct attr definition, struct attr attributes)
{
    return condition_eval(compiled(&definition), &attributes);
}

START_TEST(no_condition_is_met_by_everyone)
{
    struct attr nothing = object(0, NULL), someone = OBJECT(field("a", number(1)));
    ck_assert_ptr_null(compiled(&nothing));
    ck_assert(condition_eval(NULL, NULL));
    ck_assert(condition_eval(NULL, &someone));
    ck_assert_uint_eq(condition_input_count(NULL), 0);
}
END_TEST

START_TEST(a_plain_value_means_equal)
{
    struct attr de = OBJECT(field("country", string("DE")), field("age", number(30)));
    ck_assert(meets(OBJECT(field("country", string("DE"))), de));
    ck_assert(!meets(OBJECT(field("country", string("de"))), de));
    ck_assert(!meets(OBJECT(field("country", string("DE "))), de));
    ck_assert(!meets(OBJECT(field("age", string("30"))), de));
    ck_assert(meets(OBJECT(field("country", string("DE")), field("age", number(30))), de));
    ck_assert(!meets(OBJECT(field("country", string("DE")), field("age", number(31))), de));
    ck_assert(meets(OBJECT(field("country", OBJECT(field("$eq", string("DE"))))), de));
    ck_assert(!meets(OBJECT(field("country", OBJECT(field("$eq", string("FR"))))), de));
}
END_TEST

START_TEST(what_is_missing_is_null)
{
    struct attr nobody = object(0, NULL), null_country = OBJECT(field("country", null_value()));
    struct attr wants_null = OBJECT(field("country", null_value()));
    struct attr in_null = OBJECT(field("country", OBJECT(field("$in", ARRAY(null_value())))));
    ck_assert(meets(wants_null, nobody));
    ck_assert(meets(wants_null, null_country));
    ck_assert(meets(in_null, nobody));
    ck_assert(meets(in_null, null_country));
    ck_assert(condition_eval(compiled(&wants_null), NULL));
    ck_assert(!meets(OBJECT(field("country", string("DE"))), nobody));
    ck_assert(!meets(OBJECT(field("country", boolean(false))), nobody));
    ck_assert(!meets(OBJECT(field("country", string("null"))), nobody));
}
END_TEST

START_TEST(in_looks_into_lists_and_arrays)
{
    struct attr list =
        ARRAY(string("team"), number(7), string("pro"), boolean(true), ARRAY(number(1)), null_value());
    struct attr plans = OBJECT(field("plan", OBJECT(field("$in", list))));
    ck_assert(meets(plans, OBJECT(field("plan", string("pro")))));
    ck_assert(meets(plans, OBJECT(field("plan", string("team")))));
    ck_assert(meets(plans, OBJECT(field("plan", number(7)))));
    ck_assert(meets(plans, OBJECT(field("plan", boolean(true)))));
    ck_assert(!meets(plans, OBJECT(field("plan", boolean(false)))));
    ck_assert(!meets(plans, OBJECT(field("plan", string("pr")))));
    ck_assert(!meets(plans, OBJECT(field("plan", string("prox")))));
    ck_assert(!meets(plans, OBJECT(field("plan", string("7")))));
    ck_assert(!meets(plans, OBJECT(field("plan", object(0, NULL)))));
    /* An array needs one item in common; an item may be an array itself. */
    ck_assert(meets(plans, OBJECT(field("plan", ARRAY(string("x"), string("pro"))))));
    ck_assert(!meets(plans, OBJECT(field("plan", ARRAY(string("x"), string("y"))))));
    ck_assert(!meets(plans, OBJECT(field("plan", array(0, NULL)))));
    ck_assert(meets(plans, OBJECT(field("plan", ARRAY(ARRAY(number(1)))))));
    ck_assert(!meets(plans, OBJECT(field("plan", ARRAY(number(1))))));
    struct attr none = OBJECT(field("plan", OBJECT(field("$in", array(0, NULL)))));
    ck_assert(!meets(none, OBJECT(field("plan", string("pro")))));
}
END_TEST

START_TEST(two_operators_on_one_field_are_and)
{
    struct attr both =
        OBJECT(field("n", OBJECT(field("$in", ARRAY(number(1), number(2))), field("$eq", number(2)))));
    ck_assert(meets(both, OBJECT(field("n", number(2)))));
    ck_assert(!meets(both, OBJECT(field("n", number(1)))));
}
END_TEST

START_TEST(paths_walk_into_objects)
{
    struct attr someone =
        OBJECT(field("address", OBJECT(field("city", string("Bonn")))), field("a", number(1)));
    ck_assert(meets(OBJECT(field("address.city", string("Bonn"))), someone));
    ck_assert(!meets(OBJECT(field("address.city", string("Köln"))), someone));
    ck_assert(!meets(OBJECT(field("address.street", string("Bonn"))), someone));
    ck_assert(!meets(OBJECT(field("a.city", string("Bonn"))), someone));
    ck_assert(!meets(OBJECT(field("address.city.x", string("Bonn"))), someone));
    ck_assert(meets(OBJECT(field("address", OBJECT(field("city", string("Bonn"))))), someone));
    struct attr definition = OBJECT(field("address.city", string("Bonn")), field("a", number(1)));
    const struct condition *c = compiled(&definition);
    ck_assert_uint_eq(condition_input_count(c), 2);
    ck_assert_str_eq(condition_input(c, 0), "address");
    ck_assert_str_eq(condition_input(c, 1), "a");
}
END_TEST

static void refused(struct attr definition, const char *place, const char *text)
{
    const struct condition *c;
    struct error e;
    ck_assert_int_eq(condition_compile(arena, &definition, NULL, &c, &e), ERR_INVALID);
    ck_assert_str_eq(e.place, place);
    ck_assert_msg(strstr(e.text, text) != NULL, "%s", e.text);
    ck_assert_int_eq(condition_compile(arena, &definition, NULL, &c, NULL), ERR_INVALID);
}

START_TEST(what_is_not_known_is_named)
{
    char path[CONDITION_PATH_MAX + 2];
    refused(OBJECT(field("n", OBJECT(field("$near", number(1))))), "n", "unknown operator $near");
    refused(OBJECT(field("$xor", array(0, NULL))), "$xor", "unknown operator $xor");
    refused(OBJECT(field("n", OBJECT(field("$eq", number(1)), field("x", number(2))))), "n", "mixed: \"x\"");
    refused(OBJECT(field("n", OBJECT(field("$in", string("x"))))), "n", "$in takes an array");
    refused(OBJECT(field("", number(1))), "", "not the path");
    refused(OBJECT(field("a..b", number(1))), "a..b", "not the path");
    refused(OBJECT(field(".a", number(1))), ".a", "not the path");
    refused(OBJECT(field("a.", number(1))), "a.", "not the path");
    refused(string("x"), "condition", "must be an object");
    refused(array(0, NULL), "condition", "must be an object");
    refused(null_value(), "condition", "must be an object");
    memset(path, 'p', sizeof path);
    path[CONDITION_PATH_MAX + 1] = '\0';
    struct error e;
    const struct condition *c;
    struct attr too_long = OBJECT(field(path, number(1)));
    ck_assert_int_eq(condition_compile(arena, &too_long, NULL, &c, &e), ERR_INVALID);
    path[CONDITION_PATH_MAX] = '\0';
    struct attr just_right = OBJECT(field(path, number(1)));
    ck_assert_int_eq(condition_compile(arena, &just_right, NULL, &c, &e), 0);
}
END_TEST

/* Every one of many is found and their neighbours are not. */
START_TEST(long_lists)
{
    enum { N = 5000 };
    struct attr *items = arena_alloc(arena, N * sizeof *items);
    for (int i = 0; i < N; i++)
        items[i] = number(2 * ((i * 37) % N));
    struct attr definition = OBJECT(field("n", OBJECT(field("$in", array(N, items)))));
    const struct condition *c = compiled(&definition);
    for (int i = 0; i < N; i++) {
        struct attr even = OBJECT(field("n", number(2 * i))), odd = OBJECT(field("n", number(2 * i + 1)));
        ck_assert(condition_eval(c, &even));
        ck_assert(!condition_eval(c, &odd));
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("condition");
    tcase_add_checked_fixture(tc, open_arena, close_arena);
    tcase_add_test(tc, pieces_are_zeroed_aligned_and_apart);
    tcase_add_test(tc, a_copy_is_terminated);
    tcase_add_test(tc, reset_keeps_one_block_and_gives_zeroed_memory_again);
    tcase_add_test(tc, impossible_sizes_fail);
    tcase_add_test(tc, fields_are_found_by_name);
    tcase_add_test(tc, equality_is_deep_and_typed);
    tcase_add_test(tc, no_condition_is_met_by_everyone);
    tcase_add_test(tc, a_plain_value_means_equal);
    tcase_add_test(tc, what_is_missing_is_null);
    tcase_add_test(tc, in_looks_into_lists_and_arrays);
    tcase_add_test(tc, two_operators_on_one_field_are_and);
    tcase_add_test(tc, paths_walk_into_objects);
    tcase_add_test(tc, what_is_not_known_is_named);
    tcase_add_test(tc, long_lists);
    return run_case("condition", tc);
}
