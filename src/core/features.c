#include "core/features.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_build.h"

struct value {
    const char *s;
    size_t len;
};

struct feature {
    const char *name;
    enum feature_kind kind;
    size_t attribute; /* index into the attributes */
    size_t number;    /* of FEATURE_NUMBER: index into centre, scale, … */
    const struct value *values;
    size_t n_values;
    size_t of[2]; /* indexes of features before it */
    size_t column, n_columns;
};

struct features {
    struct feature list[FEATURES_MAX];
    size_t n, n_columns, n_numbers;
    const char *attributes[FEATURES_MAX]; /* sorted */
    size_t attribute_lens[FEATURES_MAX];
    size_t n_attributes;
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

/* --- compiling --- */

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* All names of attributes, so that features can say which one is theirs. */
static int collect_attributes(struct arena *a, const struct feature_def *defs, size_t n, struct features *f,
                              struct error *e)
{
    const char *names[FEATURES_MAX];
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (defs[i].kind == FEATURE_INTERACTION)
            continue;
        const char *name = defs[i].attribute;
        if (!name || !name[0] || strlen(name) > PLAN_KEY_MAX)
            return error_set(e, ERR_INVALID, NULL, "feature %zu needs an attribute, a name of 1 to %d bytes",
                             i + 1, PLAN_KEY_MAX);
        names[found++] = name;
    }
    if (found > 1)
        qsort(names, found, sizeof *names, by_text);
    for (size_t i = 0; i < found; i++) {
        if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
            continue;
        size_t len = strlen(names[i]);
        f->attributes[f->n_attributes] = arena_copy(a, names[i], len);
        if (!f->attributes[f->n_attributes])
            return no_memory(e);
        f->attribute_lens[f->n_attributes++] = len;
    }
    return 0;
}

/* The order of a context's name against one that is compiled. */
static int compare(const char *name, size_t len, const char *to, size_t to_len)
{
    int order = memcmp(name, to, len < to_len ? len : to_len);
    return order ? order : (len > to_len) - (len < to_len);
}

/* SIZE_MAX: no feature reads it. */
static size_t find_attribute(const struct features *f, const char *name, size_t len)
{
    size_t lo = 0, hi = f->n_attributes;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = compare(name, len, f->attributes[mid], f->attribute_lens[mid]);
        if (order == 0)
            return mid;
        if (order > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return SIZE_MAX;
}

static size_t find_feature(const struct features *f, const char *name)
{
    for (size_t i = 0; name && i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static int compile_values(struct arena *a, const struct feature_def *def, struct feature *out,
                          struct error *e)
{
    struct value *values = arena_alloc(a, def->n_values * sizeof *values);
    if (!values)
        return no_memory(e);
    if (def->n_values == 0 || def->n_values >= FEATURES_COLUMNS_MAX)
        return error_set(e, ERR_INVALID, NULL, "feature %s has %zu values, not 1 to %d", def->name,
                         def->n_values, FEATURES_COLUMNS_MAX - 1);
    for (size_t i = 0; i < def->n_values; i++) {
        size_t len = def->values[i] ? strlen(def->values[i]) : 0;
        if (len == 0 || len > FEATURE_VALUE_MAX)
            return error_set(e, ERR_INVALID, NULL, "feature %s: value %zu is not a text of 1 to %d bytes",
                             def->name, i + 1, FEATURE_VALUE_MAX);
        for (size_t k = 0; k < i; k++)
            if (strcmp(def->values[i], def->values[k]) == 0)
                return error_set(e, ERR_INVALID, NULL, "feature %s has the value %s twice", def->name,
                                 def->values[i]);
        values[i] = (struct value){arena_copy(a, def->values[i], len), len};
        if (!values[i].s)
            return no_memory(e);
    }
    out->values = values;
    out->n_values = out->n_columns = def->n_values;
    return 0;
}

static int compile_interaction(const struct features *f, const struct feature_def *def, struct feature *out,
                               struct error *e)
{
    for (int i = 0; i < 2; i++) {
        out->of[i] = find_feature(f, def->of[i]);
        if (out->of[i] == SIZE_MAX)
            return error_set(e, ERR_INVALID, NULL,
                             "feature %s is of \"%.100s\", which is no feature named before it", def->name,
                             def->of[i] ? def->of[i] : "");
    }
    out->n_columns = f->list[out->of[0]].n_columns * f->list[out->of[1]].n_columns;
    return 0;
}

static int compile_feature(struct arena *a, const struct feature_def *def, struct features *f,
                           struct error *e)
{
    struct feature *out = &f->list[f->n];
    if (!plan_key_valid(def->name))
        return error_set(e, ERR_INVALID, NULL, "the name of feature %zu is not valid", f->n + 1);
    if (find_feature(f, def->name) != SIZE_MAX)
        return error_set(e, ERR_INVALID, NULL, "two features are called %s", def->name);
    out->name = arena_copy(a, def->name, strlen(def->name));
    if (!out->name)
        return no_memory(e);
    out->kind = def->kind;
    out->column = f->n_columns;
    out->n_columns = 1;
    int rc = 0;
    if (def->kind == FEATURE_INTERACTION)
        rc = compile_interaction(f, def, out, e);
    else
        out->attribute = find_attribute(f, def->attribute, strlen(def->attribute));
    if (def->kind == FEATURE_ONE_HOT)
        rc = compile_values(a, def, out, e);
    if (def->kind == FEATURE_NUMBER)
        out->number = f->n_numbers++;
    f->n_columns += out->n_columns;
    f->n++;
    if (rc == 0 && f->n_columns > FEATURES_COLUMNS_MAX)
        rc = error_set(e, ERR_INVALID, NULL, "the features up to %s make %zu columns; at most %d", def->name,
                       f->n_columns, FEATURES_COLUMNS_MAX);
    return rc;
}

int features_compile(struct arena *a, const struct feature_def *defs, size_t n, const struct features **out,
                     struct error *e)
{
    *out = NULL;
    if (n > FEATURES_MAX)
        return error_set(e, ERR_INVALID, NULL, "%zu features; at most %d", n, FEATURES_MAX);
    struct features *f = arena_alloc(a, sizeof *f);
    if (!f)
        return no_memory(e);
    f->n_columns = 1;
    int rc = collect_attributes(a, defs, n, f, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = compile_feature(a, &defs[i], f, e);
    if (rc == 0)
        *out = f;
    return rc;
}

/* --- what was compiled --- */

size_t features_count(const struct features *f)
{
    return f->n;
}

size_t features_columns(const struct features *f)
{
    return f->n_columns;
}

size_t features_numbers(const struct features *f)
{
    return f->n_numbers;
}

const char *features_name(const struct features *f, size_t i)
{
    return f->list[i].name;
}

size_t features_column(const struct features *f, size_t i, size_t *n)
{
    *n = f->list[i].n_columns;
    return f->list[i].column;
}

size_t features_attributes(const struct features *f, const char *const **names)
{
    *names = f->attributes;
    return f->n_attributes;
}

/* --- reading --- */

static enum features_read read_number(const struct feature *f, const struct attr *v,
                                      const struct feature_scale *s, double *to)
{
    /* False for what is not a number, too. */
    if (v->type != ATTR_NUMBER || !(v->u.number >= -DBL_MAX && v->u.number <= DBL_MAX))
        return FEATURES_MISSING;
    double x = v->u.number;
    size_t i = f->number;
    if (s && ((s->low && x < s->low[i]) || (s->high && x > s->high[i])))
        return FEATURES_OUT_OF_RANGE;
    *to = s && s->centre ? (x - s->centre[i]) / s->scale[i] : x;
    return FEATURES_OK;
}

static enum features_read read_one_hot(const struct feature *f, const struct attr *v, double *to)
{
    if (v->type != ATTR_STRING)
        return FEATURES_MISSING;
    for (size_t i = 0; i < f->n_values; i++)
        to[i] =
            f->values[i].len == v->u.string.len && memcmp(f->values[i].s, v->u.string.s, v->u.string.len) == 0
                ? 1
                : 0;
    return FEATURES_OK;
}

static void multiply(const struct features *f, const struct feature *x, double *row)
{
    const struct feature *a = &f->list[x->of[0]], *b = &f->list[x->of[1]];
    double *to = row + x->column;
    for (size_t i = 0; i < a->n_columns; i++)
        for (size_t k = 0; k < b->n_columns; k++)
            *to++ = row[a->column + i] * row[b->column + k];
}

static enum features_read read_feature(const struct features *f, const struct feature *x,
                                       const struct attr *v, const struct feature_scale *s, double *row)
{
    if (x->kind == FEATURE_INTERACTION) {
        multiply(f, x, row);
        return FEATURES_OK;
    }
    if (!v)
        return FEATURES_MISSING;
    if (x->kind == FEATURE_NUMBER)
        return read_number(x, v, s, row + x->column);
    if (x->kind == FEATURE_ONE_HOT)
        return read_one_hot(x, v, row + x->column);
    if (v->type != ATTR_BOOL)
        return FEATURES_MISSING;
    row[x->column] = v->u.boolean ? 1 : 0;
    return FEATURES_OK;
}

enum features_read features_read(const struct features *f, const struct attr *attributes,
                                 const struct feature_scale *scale, double *row, const char **name)
{
    const struct attr *found[FEATURES_MAX] = {NULL};
    size_t n = attributes && attributes->type == ATTR_OBJECT ? attributes->u.object.n : 0;
    for (size_t i = 0; i < n; i++) {
        const struct attr_field *field = &attributes->u.object.fields[i];
        size_t at = find_attribute(f, field->name, field->name_len);
        if (at != SIZE_MAX)
            found[at] = &field->value;
    }
    row[0] = 1;
    for (size_t i = 0; i < f->n; i++) {
        const struct feature *x = &f->list[i];
        const struct attr *v = x->kind == FEATURE_INTERACTION ? NULL : found[x->attribute];
        enum features_read rc = read_feature(f, x, v, scale, row);
        if (rc != FEATURES_OK) {
            if (name)
                *name = f->attributes[x->attribute];
            return rc;
        }
    }
    return FEATURES_OK;
}
