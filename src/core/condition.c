#include "core/condition.h"

#include <stdlib.h>
#include <string.h>

enum test { TEST_EQ, TEST_IN };

/* One operator on one path. */
struct clause {
    enum test test;
    const char *attribute; /* the path's first name, NUL-terminated */
    const char *path;
    size_t path_len;
    const struct attr *value;   /* TEST_EQ */
    const struct attr **sorted; /* TEST_IN: its scalars in the order of compare_scalars */
    size_t n_sorted;
    const struct attr **others; /* TEST_IN: its arrays and objects */
    size_t n_others;
};

struct condition {
    struct clause *clauses;
    size_t n;
};

/* --- compiling --- */

static bool is_operator(const struct attr_field *f)
{
    return f->name_len > 0 && f->name[0] == '$';
}

static bool is_scalar(const struct attr *v)
{
    return v->type != ATTR_ARRAY && v->type != ATTR_OBJECT;
}

static int compare_scalars(const struct attr *a, const struct attr *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->type == ATTR_BOOL)
        return (int)a->u.boolean - (int)b->u.boolean;
    if (a->type == ATTR_NUMBER)
        return (a->u.number > b->u.number) - (a->u.number < b->u.number);
    if (a->type != ATTR_STRING)
        return 0;
    size_t n = a->u.string.len < b->u.string.len ? a->u.string.len : b->u.string.len;
    int order = memcmp(a->u.string.s, b->u.string.s, n);
    if (order != 0)
        return order;
    return (a->u.string.len > b->u.string.len) - (a->u.string.len < b->u.string.len);
}

static int compare_scalar_pointers(const void *a, const void *b)
{
    return compare_scalars(*(const struct attr *const *)a, *(const struct attr *const *)b);
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

static int compile_in(struct arena *a, const struct attr *list, struct clause *out, const char *path,
                      struct error *e)
{
    if (list->type != ATTR_ARRAY)
        return error_set(e, ERR_INVALID, path, "$in takes an array of values");
    size_t n = list->u.array.n, scalars = 0;
    for (size_t i = 0; i < n; i++)
        scalars += is_scalar(&list->u.array.items[i]);
    out->test = TEST_IN;
    out->sorted = arena_alloc(a, scalars * sizeof *out->sorted);
    out->others = arena_alloc(a, (n - scalars) * sizeof *out->others);
    if (!out->sorted || !out->others)
        return no_memory(e);
    for (size_t i = 0; i < n; i++) {
        const struct attr *v = &list->u.array.items[i];
        if (is_scalar(v))
            out->sorted[out->n_sorted++] = v;
        else
            out->others[out->n_others++] = v;
    }
    if (scalars > 1)
        qsort(out->sorted, scalars, sizeof *out->sorted, compare_scalar_pointers);
    return 0;
}

static int compile_operator(struct arena *a, const struct attr_field *op, struct clause *out,
                            const char *path, struct error *e)
{
    if (!is_operator(op))
        return error_set(e, ERR_INVALID, path, "operators and plain names are mixed: \"%.64s\"", op->name);
    if (strcmp(op->name, "$in") == 0)
        return compile_in(a, &op->value, out, path, e);
    if (strcmp(op->name, "$eq") != 0)
        return error_set(e, ERR_INVALID, path, "unknown operator %.64s; known are $eq and $in", op->name);
    out->test = TEST_EQ;
    out->value = &op->value;
    return 0;
}

/* Every name between dots must be there. */
static int check_path(const struct attr_field *f, struct error *e)
{
    if (is_operator(f))
        return error_set(e, ERR_INVALID, f->name, "unknown operator %.64s; fields are combined with and",
                         f->name);
    if (f->name_len == 0 || f->name_len > CONDITION_PATH_MAX || f->name[0] == '.' ||
        f->name[f->name_len - 1] == '.' || strstr(f->name, "..") || strlen(f->name) != f->name_len)
        return error_set(e, ERR_INVALID, f->name,
                         "\"%.64s\" is not the path of an attribute: names joined by dots, at most %d bytes",
                         f->name, CONDITION_PATH_MAX);
    return 0;
}

static bool has_operators(const struct attr *v)
{
    if (v->type != ATTR_OBJECT)
        return false;
    for (size_t i = 0; i < v->u.object.n; i++)
        if (is_operator(&v->u.object.fields[i]))
            return true;
    return false;
}

static size_t clauses_of(const struct attr_field *f)
{
    return has_operators(&f->value) ? f->value.u.object.n : 1;
}

static int compile_field(struct arena *a, const struct attr_field *f, struct condition *c, struct error *e)
{
    int rc = check_path(f, e);
    if (rc)
        return rc;
    const char *dot = memchr(f->name, '.', f->name_len);
    const char *attribute = arena_copy(a, f->name, dot ? (size_t)(dot - f->name) : f->name_len);
    if (!attribute)
        return no_memory(e);
    bool operators = has_operators(&f->value);
    size_t n = clauses_of(f);
    for (size_t i = 0; i < n; i++) {
        struct clause *out = &c->clauses[c->n++];
        *out = (struct clause){.attribute = attribute, .path = f->name, .path_len = f->name_len};
        if (operators) {
            rc = compile_operator(a, &f->value.u.object.fields[i], out, f->name, e);
            if (rc)
                return rc;
        } else {
            out->test = TEST_EQ;
            out->value = &f->value;
        }
    }
    return 0;
}

int condition_compile(struct arena *a, const struct attr *definition, const struct condition **out,
                      struct error *e)
{
    *out = NULL;
    if (definition->type != ATTR_OBJECT)
        return error_set(e, ERR_INVALID, "condition", "a condition must be an object");
    size_t n = 0;
    for (size_t i = 0; i < definition->u.object.n; i++)
        n += clauses_of(&definition->u.object.fields[i]);
    if (n == 0)
        return 0;
    struct condition *c = arena_alloc(a, sizeof *c);
    struct clause *clauses = arena_alloc(a, n * sizeof *clauses);
    if (!c || !clauses)
        return no_memory(e);
    c->clauses = clauses;
    for (size_t i = 0; i < definition->u.object.n; i++) {
        int rc = compile_field(a, &definition->u.object.fields[i], c, e);
        if (rc)
            return rc;
    }
    *out = c;
    return 0;
}

/* --- evaluating --- */

static const struct attr *follow_path(const struct attr *attributes, const struct clause *c)
{
    const struct attr *v = attributes;
    const char *name = c->path, *end = c->path + c->path_len;
    while (v && name < end) {
        const char *dot = memchr(name, '.', (size_t)(end - name));
        const char *stop = dot ? dot : end;
        v = attr_get(v, name, (size_t)(stop - name));
        name = stop + 1;
    }
    return v;
}

static bool among(const struct clause *c, const struct attr *v)
{
    if (is_scalar(v))
        return c->n_sorted > 0 &&
               bsearch(&v, c->sorted, c->n_sorted, sizeof *c->sorted, compare_scalar_pointers);
    for (size_t i = 0; i < c->n_others; i++)
        if (attr_equal(c->others[i], v))
            return true;
    return false;
}

static bool any_among(const struct clause *c, const struct attr *v)
{
    if (v->type != ATTR_ARRAY)
        return among(c, v);
    for (size_t i = 0; i < v->u.array.n; i++)
        if (among(c, &v->u.array.items[i]))
            return true;
    return false;
}

bool condition_eval(const struct condition *c, const struct attr *attributes)
{
    if (!c)
        return true;
    for (size_t i = 0; i < c->n; i++) {
        const struct attr *v = follow_path(attributes, &c->clauses[i]);
        if (!v)
            return false;
        bool met =
            c->clauses[i].test == TEST_EQ ? attr_equal(c->clauses[i].value, v) : any_among(&c->clauses[i], v);
        if (!met)
            return false;
    }
    return true;
}

size_t condition_clause_count(const struct condition *c)
{
    return c ? c->n : 0;
}

const char *condition_clause_attribute(const struct condition *c, size_t i)
{
    return c->clauses[i].attribute;
}
