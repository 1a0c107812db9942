/* Checks targeting conditions against cases.
 *
 *     conditions [FILE.json]        (default: the project's own files)
 *
 * FILE: {"cases": [[name, condition, attributes, expected (, {group: [value, …], …})]]}. A condition that is
 * refused counts as what it then evaluates to. One line a failing case, then "N passed, N failed". Exits 1
 * when one failed and 2 when the file could not be read. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/json_in.h"
#include "core/condition.h"
#include "core/segment.h"

static bool add_groups(struct arena *a, const json_t *groups, struct segments *segments, struct error *e)
{
    json_t *object = (json_t *)groups; /* iterating changes nothing */
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        struct attr list;
        if (json_in_attr(a, json_object_iter_value(it), &list, e) != 0 ||
            segments_add_list(segments, json_object_iter_key(it), &list, e) != 0)
            return false;
    }
    return true;
}

/* What the case's condition says of its attributes; refusals are kept in *e. */
static bool evaluate(struct arena *a, const json_t *c, struct error *e)
{
    struct attr *definition = arena_alloc(a, sizeof *definition), attributes;
    const struct condition *condition;
    struct segments *segments = segments_new(a);
    if (!definition || !segments || !add_groups(a, json_array_get(c, 4), segments, e) ||
        json_in_attr(a, json_array_get(c, 1), definition, e) != 0 ||
        json_in_attr(a, json_array_get(c, 2), &attributes, e) != 0)
        return false;
    int rc = condition_compile(a, definition, segments, &condition, e);
    return (rc == 0 || condition) && condition_eval(condition, &attributes);
}

static bool case_holds(const json_t *c, size_t i)
{
    struct error e;
    error_clear(&e);
    const json_t *expected = json_array_get(c, 3);
    if (json_array_size(c) < 4 || !json_is_boolean(expected)) {
        printf("case %zu is not [name, condition, attributes, true or false]\n", i);
        return false;
    }
    struct arena *a = arena_new();
    bool got = a && evaluate(a, c, &e);
    const char *name = json_string_value(json_array_get(c, 0));
    bool right = a && got == json_is_true(expected);
    if (!right)
        printf("case %zu (%s): %s instead of %s%s%s\n", i, name ? name : "", got ? "true" : "false",
               got ? "false" : "true", e.code ? "; refused: " : "", e.text);
    arena_free(a);
    return right;
}

static json_t *load(const char *path)
{
    json_error_t je;
    json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &je);
    if (!doc)
        fprintf(stderr, "conditions: %s: line %d: %s\n", path, je.line, je.text);
    return doc;
}

static bool run_file(const char *path, size_t *passed, size_t *failed)
{
    json_t *doc = load(path);
    const json_t *cases = json_is_array(doc) ? doc : json_object_get(doc, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++)
        case_holds(json_array_get(cases, i), i) ? (*passed)++ : (*failed)++;
    json_decref(doc);
    return doc != NULL;
}

static bool run_own_files(size_t *passed, size_t *failed)
{
    static const char *const names[] = {"conditions.json", "conditions_more.json"};
    const char *srcdir = getenv("srcdir");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/tests/vectors/%s", srcdir ? srcdir : ".", names[i]);
        if (!run_file(path, passed, failed))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    size_t passed = 0, failed = 0;
    if (argc > 1 ? !run_file(argv[1], &passed, &failed) : !run_own_files(&passed, &failed))
        return 2;
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
