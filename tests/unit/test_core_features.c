/* Features: which columns there are, what is read into them, what is refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/features.h"
#include "suite.h"

static const char *const countries[] = {"DE", "FR", "US"};

/* amount (number), pro (boolean), country (3), age (number), amount x country (3), country x pro (3). */
static const struct feature_def defs[] = {
    {.name = "amount", .kind = FEATURE_NUMBER, .attribute = "amount"},
    {.name = "pro", .kind = FEATURE_BOOLEAN, .attribute = "is_pro"},
    {.name = "country", .kind = FEATURE_ONE_HOT, .attribute = "country", .values = countries, .n_values = 3},
    {.name = "age", .kind = FEATURE_NUMBER, .attribute = "age"},
    {.name = "by", .kind = FEATURE_INTERACTION, .of = {"amount", "country"}},
    {.name = "cp", .kind = FEATURE_INTERACTION, .of = {"country", "pro"}},
};
#define N (sizeof defs / sizeof *defs)

static const struct features *compiled(struct arena *a)
{
    const struct features *f;
    struct error e;
    ck_assert_msg(features_compile(a, defs, N, &f, &e) == 0, "%s", e.text);
    return f;
}

#define TEXT(n, s)                                                                                           \
    {                                                                                                        \
        n, sizeof n - 1,                                                                                     \
        {                                                                                                    \
            .type = ATTR_STRING, .u.string = { s, sizeof s - 1 }                                             \
        }                                                                                                    \
    }
#define NUMBER(n, v)                                                                                         \
    {                                                                                                        \
        n, sizeof n - 1,                                                                                     \
        {                                                                                                    \
            .type = ATTR_NUMBER, .u.number = v                                                               \
        }                                                                                                    \
    }
#define BOOL(n, v)                                                                                           \
    {                                                                                                        \
        n, sizeof n - 1,                                                                                     \
        {                                                                                                    \
            .type = ATTR_BOOL, .u.boolean = v                                                                \
        }                                                                                                    \
    }

static struct attr object(const struct attr_field *fields, size_t n)
{
    return (struct attr){.type = ATTR_OBJECT, .u.object = {fields, n}};
}

START_TEST(columns_are_in_order)
{
    struct arena *a = arena_new();
    const struct features *f = compiled(a);
    static const size_t first[] = {1, 2, 3, 6, 7, 10}, many[] = {1, 1, 3, 1, 3, 3};
    const char *const *names;
    ck_assert_uint_eq(features_count(f), N);
    ck_assert_uint_eq(features_columns(f), 13);
    ck_assert_uint_eq(features_numbers(f), 2);
    ck_assert_uint_eq(features_attributes(f, &names), 4);
    ck_assert_str_eq(names[0], "age");
    ck_assert_str_eq(names[3], "is_pro");
    for (size_t i = 0; i < N; i++) {
        size_t n;
        ck_assert_uint_eq(features_column(f, i, &n), first[i]);
        ck_assert_uint_eq(n, many[i]);
        ck_assert_str_eq(features_name(f, i), defs[i].name);
    }
    arena_free(a);
}
END_TEST

static const double centre[] = {10, 40}, scale[] = {4, 0.5}, low[] = {0, 18}, high[] = {100, 99};
static const struct feature_scale scaled = {centre, scale, low, high};

START_TEST(a_row_is_read)
{
    struct arena *a = arena_new();
    const struct features *f = compiled(a);
    const struct attr_field fields[] = {TEXT("zip", "1"), NUMBER("age", 41), BOOL("is_pro", true),
                                        TEXT("country", "FR"), NUMBER("amount", 16)};
    const struct attr context = object(fields, 5);
    static const double plain[] = {1, 16, 1, 0, 1, 0, 41, 0, 16, 0, 0, 1, 0};
    static const double brought[] = {1, 1.5, 1, 0, 1, 0, 2, 0, 1.5, 0, 0, 1, 0};
    double row[13];
    ck_assert_int_eq(features_read(f, &context, NULL, row, NULL), FEATURES_OK);
    for (int i = 0; i < 13; i++)
        ck_assert_msg(row[i] == plain[i], "%d: %g", i, row[i]);
    ck_assert_int_eq(features_read(f, &context, &scaled, row, NULL), FEATURES_OK);
    for (int i = 0; i < 13; i++)
        ck_assert_msg(row[i] == brought[i], "%d: %g", i, row[i]);
    arena_free(a);
}
END_TEST

START_TEST(a_value_without_a_match_is_all_zeros)
{
    struct arena *a = arena_new();
    const struct features *f = compiled(a);
    const struct attr_field fields[] = {TEXT("country", "FRA"), NUMBER("age", 41), BOOL("is_pro", false),
                                        NUMBER("amount", 16)};
    const struct attr context = object(fields, 4);
    double row[13];
    ck_assert_int_eq(features_read(f, &context, &scaled, row, NULL), FEATURES_OK);
    for (int i = 3; i < 6; i++)
        ck_assert(row[i] == 0);
    for (int i = 7; i < 13; i++)
        ck_assert(row[i] == 0);
    arena_free(a);
}
END_TEST

START_TEST(what_can_not_be_read_is_named)
{
    struct arena *a = arena_new();
    const struct features *f = compiled(a);
    const struct attr_field good[] = {NUMBER("amount", 16), BOOL("is_pro", true), TEXT("country", "FR"),
                                      NUMBER("age", 41)};
    const struct {
        size_t at;
        struct attr_field field;
        enum features_read read;
        const char *name;
    } cases[] = {
        {0, TEXT("amount", "16"), FEATURES_MISSING, "amount"},
        {0, NUMBER("amount", INFINITY), FEATURES_MISSING, "amount"},
        {0, NUMBER("amount", NAN), FEATURES_MISSING, "amount"},
        {0, NUMBER("amount", 100.5), FEATURES_OUT_OF_RANGE, "amount"},
        {0, NUMBER("amount", -0.001), FEATURES_OUT_OF_RANGE, "amount"},
        {0, NUMBER("amount", 100), FEATURES_OK, NULL},
        {0, NUMBER("amount", 0), FEATURES_OK, NULL},
        {1, TEXT("is_pro", "true"), FEATURES_MISSING, "is_pro"},
        {1, NUMBER("is_pro", 1), FEATURES_MISSING, "is_pro"},
        {2, NUMBER("country", 1), FEATURES_MISSING, "country"},
        {2, TEXT("Country", "FR"), FEATURES_MISSING, "country"},
        {3, {"age", 3, {.type = ATTR_NULL}}, FEATURES_MISSING, "age"},
        {3, NUMBER("age", 17.9), FEATURES_OUT_OF_RANGE, "age"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct attr_field fields[4];
        const char *name = NULL;
        double row[13];
        memcpy(fields, good, sizeof fields);
        fields[cases[i].at] = cases[i].field;
        const struct attr context = object(fields, 4);
        ck_assert_int_eq(features_read(f, &context, &scaled, row, &name), cases[i].read);
        ck_assert_pstr_eq(name, cases[i].name);
    }
    double row[13];
    const char *name;
    ck_assert_int_eq(features_read(f, NULL, &scaled, row, &name), FEATURES_MISSING);
    ck_assert_str_eq(name, "amount");
    arena_free(a);
}
END_TEST

START_TEST(bad_features_are_refused)
{
    static const char *const twice[] = {"a", "b", "a"}, *const empty[] = {""};
    static const struct {
        struct feature_def def;
        const char *words;
    } cases[] = {
        {{.name = "Amount", .kind = FEATURE_NUMBER, .attribute = "x"}, "the name of feature 2 is not valid"},
        {{.name = "amount", .kind = FEATURE_NUMBER, .attribute = "x"}, "two features are called amount"},
        {{.name = "x", .kind = FEATURE_NUMBER}, "feature 2 needs an attribute"},
        {{.name = "x", .kind = FEATURE_ONE_HOT, .attribute = "x"}, "feature x has 0 values, not 1 to 255"},
        {{.name = "x", .kind = FEATURE_ONE_HOT, .attribute = "x", .values = twice, .n_values = 3},
         "feature x has the value a twice"},
        {{.name = "x", .kind = FEATURE_ONE_HOT, .attribute = "x", .values = empty, .n_values = 1},
         "feature x: value 1 is not a text"},
        {{.name = "x", .kind = FEATURE_INTERACTION, .of = {"amount", "x"}},
         "feature x is of \"x\", which is no feature named before it"},
        {{.name = "x", .kind = FEATURE_INTERACTION, .of = {"amount", NULL}}, "feature x is of \"\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *a = arena_new();
        const struct features *f;
        struct error e;
        const struct feature_def both[] = {defs[0], cases[i].def};
        ck_assert_int_eq(features_compile(a, both, 2, &f, &e), ERR_INVALID);
        ck_assert_msg(strstr(e.text, cases[i].words) != NULL, "%s", e.text);
        arena_free(a);
    }
}
END_TEST

START_TEST(too_many_columns_are_refused)
{
    char texts[200][8];
    const char *values[200];
    struct arena *a = arena_new();
    const struct features *f;
    struct error e;
    for (int i = 0; i < 200; i++) {
        snprintf(texts[i], sizeof texts[i], "v%d", i);
        values[i] = texts[i];
    }
    const struct feature_def many[] = {
        {.name = "a", .kind = FEATURE_ONE_HOT, .attribute = "x", .values = values, .n_values = 16},
        {.name = "b", .kind = FEATURE_ONE_HOT, .attribute = "y", .values = values, .n_values = 14},
        {.name = "c", .kind = FEATURE_INTERACTION, .of = {"a", "b"}},
        {.name = "d", .kind = FEATURE_NUMBER, .attribute = "z"},
        {.name = "e", .kind = FEATURE_NUMBER, .attribute = "z"},
    };
    ck_assert_int_eq(features_compile(a, many, 4, &f, &e), 0);
    ck_assert_uint_eq(features_columns(f), 256);
    ck_assert_int_eq(features_compile(a, many, 5, &f, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "the features up to e make 257 columns; at most 256");
    arena_free(a);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("features");
    tcase_add_test(tc, columns_are_in_order);
    tcase_add_test(tc, a_row_is_read);
    tcase_add_test(tc, a_value_without_a_match_is_all_zeros);
    tcase_add_test(tc, what_can_not_be_read_is_named);
    tcase_add_test(tc, bad_features_are_refused);
    tcase_add_test(tc, too_many_columns_are_refused);
    return run_case("features", tc);
}
