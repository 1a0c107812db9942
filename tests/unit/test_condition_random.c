/* Random conditions on random attributes: core's compiled condition and the reference must agree.
 *
 *     test_condition_random [ROUNDS [SEED]] */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "condition_reference.h"
#include "core/condition.h"
#include "core/segment.h"

static uint64_t state;

static uint32_t below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

#define PICK(list) ((list)[below(sizeof(list) / sizeof *(list))])

/* --- values: few, so that they meet --- */

static json_t *random_text(void)
{
    static const char *const texts[] = {"",      "a",       "A",        "ab",          "AB",   "b",
                                        "B",     "aB",      "10",       "9",           "1.5",  "-1",
                                        "1e1",   "0x1",     "null",     "true",        "1.10", "1.9",
                                        "1.2.3", "v1.10.0", "1.2.3-rc", "1.2.3-rc.10", "ba",   "abab"};
    return json_string(PICK(texts));
}

static json_t *random_scalar(void)
{
    static const double numbers[] = {0, 1, 2, 5, 9, 10, -1, 1.5};
    switch (below(7)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean((int)below(2));
    case 2:
    case 3:
        return below(3) ? json_integer((json_int_t)below(12) - 1) : json_real(PICK(numbers));
    default:
        return random_text();
    }
}

static json_t *random_value(unsigned depth)
{
    static const char *const names[] = {"a", "b", "c", "0"};
    uint32_t kind = depth ? below(10) : 9;
    if (kind > 2)
        return random_scalar();
    if (kind == 0) {
        json_t *object = json_object();
        for (uint32_t n = below(3); n > 0; n--)
            json_object_set_new(object, PICK(names), random_value(depth - 1));
        return object;
    }
    json_t *array = json_array();
    for (uint32_t n = below(4); n > 0; n--)
        json_array_append_new(array, random_value(depth - 1));
    return array;
}

static json_t *random_list(unsigned depth)
{
    json_t *array = json_array();
    for (uint32_t n = below(5); n > 0; n--)
        json_array_append_new(array, random_value(depth));
    return array;
}

/* --- conditions --- */

static json_t *random_condition(unsigned depth);
static json_t *random_demand(unsigned depth);

/* A condition that can't be taken for operators. */
static json_t *random_element(unsigned depth)
{
    json_t *condition = random_condition(depth);
    if (!json_object_get(condition, "a"))
        json_object_set_new(condition, "a", random_demand(depth));
    return condition;
}

static json_t *random_pattern(void)
{
    static const char *const patterns[] = {"a", "^a", "b$", "^ab$", "", "^", "$", "1", "^1", "0$", "AB"};
    return json_string(PICK(patterns));
}

static json_t *random_operand(const char *op, unsigned depth)
{
    static const char *const types[] = {"null", "boolean", "number", "string", "array", "object"};
    static const char *const groups[] = {"some", "others"};
    if (strstr("$eq $ne", op))
        return random_value(2);
    if (strstr("$in $nin $ini $nini", op))
        return random_list(1);
    if (strstr("$inGroup $notInGroup", op))
        return json_string(PICK(groups));
    if (strstr("$regex $regexi", op))
        return random_pattern();
    if (strstr("$gte $lte", op))
        return below(2) ? random_text() : json_integer((json_int_t)below(12) - 1);
    if (strcmp(op, "$exists") == 0)
        return json_boolean((int)below(2));
    if (strcmp(op, "$type") == 0)
        return json_string(PICK(types));
    if (op[1] == 'v')
        return random_text();
    if (strcmp(op, "$size") == 0)
        return json_integer(below(4));
    if (strcmp(op, "$elemMatch") == 0)
        return below(2) ? random_demand(depth) : random_element(depth);
    if (strcmp(op, "$not") == 0)
        return below(2) ? random_demand(depth) : random_value(1);
    json_t *list = json_array(); /* $all, $alli */
    for (uint32_t n = below(3); n > 0; n--)
        json_array_append_new(list, below(3) || !depth ? random_value(1) : random_demand(depth));
    return list;
}

static const char *const operators[] = {
    "$eq",   "$ne",   "$in",    "$nin",    "$ini",    "$nini", "$inGroup", "$notInGroup", "$all",
    "$alli", "$gt",   "$gte",   "$lt",     "$lte",    "$veq",  "$vne",     "$vgt",        "$vgte",
    "$vlt",  "$vlte", "$regex", "$regexi", "$exists", "$type", "$size",    "$elemMatch",  "$not"};
#define N_OPERATORS (sizeof operators / sizeof *operators)

/* An object of one or two operators. */
static json_t *random_demand(unsigned depth)
{
    json_t *object = json_object();
    for (uint32_t n = 1 + below(4) / 3; n > 0; n--) {
        const char *op;
        do
            op = PICK(operators);
        while (depth == 0 && (strcmp(op, "$elemMatch") == 0 || strcmp(op, "$not") == 0));
        json_object_set_new(object, op, random_operand(op, depth ? depth - 1 : 0));
    }
    return object;
}

static json_t *random_conditions(unsigned depth)
{
    json_t *list = json_array();
    for (uint32_t n = below(4); n > 0; n--)
        json_array_append_new(list, random_condition(depth));
    return list;
}

static json_t *random_condition(unsigned depth)
{
    static const char *const paths[] = {"a", "b", "c", "a.b", "b.c", "a.0", "b.1.a", "c.0.0", "$groups"};
    json_t *object = json_object();
    for (uint32_t n = 1 + below(2); n > 0; n--) {
        uint32_t kind = depth ? below(10) : 9;
        const char *path = PICK(paths);
        if (kind < 3)
            json_object_set_new(object,
                                kind == 0   ? "$and"
                                : kind == 1 ? "$or"
                                            : "$nor",
                                random_conditions(depth - 1));
        else if (kind == 3)
            json_object_set_new(object, "$not", random_condition(depth - 1));
        else if (below(4) || path[0] == '$')
            json_object_set_new(object, path, random_demand(depth ? depth - 1 : 0));
        else
            json_object_set_new(object, path, random_value(1));
    }
    return object;
}

/* One operator on one attribute. */
static json_t *random_question(void)
{
    static const char *const paths[] = {"a", "b", "a.b", "a.0"};
    const char *op = PICK(operators), *path = PICK(paths);
    json_t *demand = json_object(), *object = json_object();
    json_object_set_new(demand, op, random_operand(op, 1));
    json_object_set_new(object, path, demand);
    return object;
}

static json_t *random_attributes(void)
{
    static const char *const names[] = {"a", "b", "c", "$groups"};
    json_t *object = json_object();
    for (size_t i = 0; i < 4; i++)
        if (below(5))
            json_object_set_new(object, names[i], random_value(3));
    return object;
}

/* --- both --- */

static bool compiled_says(struct arena *a, const json_t *condition, const json_t *attributes,
                          const json_t *groups, struct error *e)
{
    struct attr *definition = arena_alloc(a, sizeof *definition), subject;
    struct segments *segments = segments_new(a);
    const struct condition *c;
    const char *key;
    json_t *list;
    json_object_foreach((json_t *)groups, key, list)
    {
        struct attr values;
        if (json_in_attr(a, list, &values, e) != 0 || segments_add_list(segments, key, &values, e) != 0)
            abort();
    }
    if (json_in_attr(a, condition, definition, e) != 0 || json_in_attr(a, attributes, &subject, e) != 0 ||
        condition_compile(a, definition, segments, &c, e) != 0)
        return false;
    return condition_eval(c, &subject);
}

struct tally {
    size_t rounds, agreed, met;
    size_t by_operator[N_OPERATORS][2]; /* conditions of that operator alone, not met and met */
};

static void tally_operator(struct tally *t, const json_t *condition, bool met)
{
    void *field = json_object_iter((json_t *)condition);
    const json_t *demand = json_object_iter_value(field);
    if (json_object_size(condition) != 1 || json_object_size(demand) != 1)
        return;
    const char *op = json_object_iter_key(json_object_iter((json_t *)demand));
    for (size_t i = 0; i < N_OPERATORS; i++)
        if (strcmp(operators[i], op) == 0)
            t->by_operator[i][met]++;
}

static void print_case(const json_t *condition, const json_t *attributes, bool expected, const char *refused)
{
    char *c = json_dumps(condition, 0), *a = json_dumps(attributes, 0);
    printf("%s of %s should be %s %s\n", c, a, expected ? "true" : "false", refused);
    free(c);
    free(a);
}

static void run_round(struct arena *a, struct tally *t)
{
    struct error e;
    error_clear(&e);
    json_t *condition = below(2) ? random_condition(3) : random_question(), *attributes = random_attributes();
    json_t *groups = json_pack("{s:[i,s,b],s:[s,i,n]}", "some", 1, "a", 1, "others", "b", 2);
    bool expected = reference_condition(condition, attributes, groups);
    bool got = compiled_says(a, condition, attributes, groups, &e);
    t->rounds++;
    t->met += expected;
    if (e.code == 0 && got == expected)
        t->agreed++;
    else if (t->rounds - t->agreed < 20)
        print_case(condition, attributes, expected, e.text);
    tally_operator(t, condition, expected);
    json_decref(condition);
    json_decref(attributes);
    json_decref(groups);
    arena_reset(a);
}

/* Operators and names where they don't belong, with anything behind them. */
static json_t *random_garbage(unsigned depth)
{
    static const char *const names[] = {"$and",  "$or", "$nor", "$not", "$segment",
                                        "$near", "$",   "a",    "a.b",  "a..b"};
    if (depth == 0 || below(5) == 0)
        return below(3) ? random_value(2) : random_pattern();
    if (below(4) == 0) {
        json_t *array = json_array();
        for (uint32_t n = below(4); n > 0; n--)
            json_array_append_new(array, random_garbage(depth - 1));
        return array;
    }
    json_t *object = json_object();
    for (uint32_t n = below(4); n > 0; n--)
        json_object_set_new(object, below(2) ? PICK(operators) : PICK(names), random_garbage(depth - 1));
    return object;
}

/* Refused or not, nothing bad happens; what is refused says why. */
static bool garbage_is_survived(struct arena *a)
{
    struct error e;
    struct attr *definition = arena_alloc(a, sizeof *definition), subject;
    const struct condition *c;
    json_t *condition = random_garbage(6), *attributes = random_attributes();
    error_clear(&e);
    if (json_in_attr(a, condition, definition, &e) != 0 || json_in_attr(a, attributes, &subject, &e) != 0)
        abort();
    int rc = condition_compile(a, definition, NULL, &c, &e);
    condition_eval(c, &subject);
    bool right = rc == 0 || (rc == ERR_INVALID && c && e.text[0] != '\0');
    if (!right)
        print_case(condition, attributes, false, e.text);
    json_decref(condition);
    json_decref(attributes);
    arena_reset(a);
    return right;
}

/* The comparison says nothing of an operator that always answers the same. */
static size_t one_sided(const struct tally *t)
{
    size_t n = 0;
    for (size_t i = 0; i < N_OPERATORS; i++)
        if (t->by_operator[i][0] < 10 || t->by_operator[i][1] < 10) {
            printf("%s was met %zu times and not met %zu times: too few\n", operators[i],
                   t->by_operator[i][1], t->by_operator[i][0]);
            n++;
        }
    return n;
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 60000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20261122;
    struct tally t = {0};
    struct arena *a = arena_new();
    state = seed;
    size_t survived = 0;
    for (size_t i = 0; a && i < rounds; i++) {
        run_round(a, &t);
        survived += garbage_is_survived(a);
    }
    arena_free(a);
    printf("seed %" PRIu64 ": %zu of %zu agree, %zu are met\n", seed, t.agreed, t.rounds, t.met);
    return t.rounds == 0 || t.agreed != t.rounds || survived != t.rounds || one_sided(&t) > 0;
}
