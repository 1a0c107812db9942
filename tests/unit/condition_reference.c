#include "condition_reference.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct world {
    const json_t *groups;
};

static bool demand(const struct world *w, const json_t *wanted, const json_t *v, bool fold);

static bool is_null(const json_t *v)
{
    return !v || json_is_null(v);
}

static bool equal(const json_t *a, const json_t *b)
{
    if (is_null(a) || is_null(b))
        return is_null(a) && is_null(b);
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b)) {
        for (size_t i = 0; i < json_array_size(a); i++)
            if (!equal(json_array_get(a, i), json_array_get(b, i)))
                return false;
        return true;
    }
    if (json_is_object(a) && json_is_object(b) && json_object_size(a) == json_object_size(b)) {
        const char *name;
        json_t *field;
        json_object_foreach((json_t *)a, name, field)
        {
            const json_t *other = json_object_get(b, name);
            if (!other || !equal(field, other))
                return false;
        }
        return true;
    }
    return !json_is_array(a) && !json_is_object(a) && json_equal((json_t *)a, (json_t *)b);
}

static bool equal_fold(const json_t *a, const json_t *b, bool fold)
{
    if (fold && json_is_string(a) && json_is_string(b))
        return strcasecmp(json_string_value(a), json_string_value(b)) == 0;
    return equal(a, b);
}

static bool one_of(const json_t *v, const json_t *list, bool fold)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (equal_fold(v, json_array_get(list, i), fold))
            return true;
    return false;
}

static bool among(const json_t *v, const json_t *list, bool fold)
{
    if (!json_is_array(v))
        return one_of(v, list, fold);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (one_of(json_array_get(v, i), list, fold))
            return true;
    return false;
}

static bool every(const struct world *w, const json_t *wanted, const json_t *v, bool fold)
{
    if (!json_is_array(v))
        return false;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        bool met = false;
        for (size_t k = 0; k < json_array_size(v); k++)
            met = met || demand(w, json_array_get(wanted, i), json_array_get(v, k), fold);
        if (!met)
            return false;
    }
    return true;
}

/* A number for an order, or false. */
static bool as_number(const json_t *v, double *out)
{
    *out = 0;
    if (is_null(v) || json_is_false(v))
        return true;
    if (json_is_true(v) || json_is_number(v)) {
        *out = json_is_true(v) ? 1 : json_number_value(v);
        return true;
    }
    if (!json_is_string(v) || strspn(json_string_value(v), "0123456789.eE+-") != json_string_length(v))
        return false;
    char *end;
    *out = strtod(json_string_value(v), &end);
    return end != json_string_value(v) && *end == '\0';
}

/* '<', '=', '>', or '?' when the two can't be compared. */
static char order(const json_t *a, const json_t *b)
{
    double x, y;
    if (json_is_string(a) && json_is_string(b)) {
        int o = strcmp(json_string_value(a), json_string_value(b));
        return o < 0 ? '<' : o > 0 ? '>' : '=';
    }
    if (!as_number(a, &x) || !as_number(b, &y))
        return '?';
    return x < y ? '<' : x > y ? '>' : '=';
}

/* The text whose plain order is that of versions. Parts of at most 20 digits. */
static void pad_version(const json_t *v, char *out, size_t size)
{
    char text[200];
    size_t n = 0, parts = 1;
    if (json_is_string(v) && json_string_length(v) > 0)
        snprintf(text, sizeof text, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(text, sizeof text, "%g", json_real_value(v));
    else
        snprintf(text, sizeof text, "0");
    char *s = text + (text[0] == 'v');
    s[strcspn(s, "+")] = '\0';
    for (;;) {
        size_t len = strcspn(s, ".-"), digits = strspn(s, "0123456789");
        if (len > 0 && digits == len)
            n += (size_t)snprintf(out + n, size - n, "%20.*s", (int)len, s);
        else
            n += (size_t)snprintf(out + n, size - n, "%.*s", (int)len, s);
        if (s[len] == '\0')
            break;
        n += (size_t)snprintf(out + n, size - n, "-");
        s += len + 1;
        parts++;
    }
    if (parts == 3)
        snprintf(out + n, size - n, "-~");
}

static char version_order(const json_t *a, const json_t *b)
{
    char x[800], y[800];
    pad_version(a, x, sizeof x);
    pad_version(b, y, sizeof y);
    int o = strcmp(x, y);
    return o < 0 ? '<' : o > 0 ? '>' : '=';
}

static bool found(const char *pattern, const json_t *v, bool fold)
{
    char text[200], wanted[200];
    if (!json_is_string(v))
        return false;
    snprintf(text, sizeof text, "%s", json_string_value(v));
    snprintf(wanted, sizeof wanted, "%s", pattern + (pattern[0] == '^'));
    size_t len = strlen(wanted);
    bool at_start = pattern[0] == '^', at_end = len > 0 && wanted[len - 1] == '$';
    if (at_end)
        wanted[--len] = '\0';
    for (char *c = text; fold && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    for (char *c = wanted; fold && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    for (const char *c = text; strlen(c) >= len; c++)
        if (strncmp(c, wanted, len) == 0 && (!at_start || c == text) && (!at_end || c[len] == '\0'))
            return true;
    return false;
}

static const char *type_of(const json_t *v)
{
    if (is_null(v))
        return "null";
    static const char *const names[] = {
        [JSON_OBJECT] = "object",  [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "number", [JSON_REAL] = "number", [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean"};
    return names[json_typeof(v)];
}

static bool only_operators(const json_t *v)
{
    const char *name;
    json_t *field;
    json_object_foreach((json_t *)v, name, field) if (name[0] != '$') return false;
    return json_object_size(v) > 0;
}

static bool condition(const struct world *w, const json_t *c, const json_t *attributes);

static bool element(const struct world *w, const json_t *wanted, const json_t *v)
{
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if (only_operators(wanted) ? demand(w, wanted, item, false) : condition(w, wanted, item))
            return true;
    }
    return false;
}

static bool size_is(const struct world *w, const json_t *wanted, const json_t *v)
{
    if (!json_is_array(v))
        return false;
    json_t *n = json_integer((json_int_t)json_array_size(v));
    bool met = demand(w, wanted, n, false);
    json_decref(n);
    return met;
}

static bool operator_met(const struct world *w, const char *op, const json_t *x, const json_t *v)
{
    const json_t *group = json_is_string(x) ? json_object_get(w->groups, json_string_value(x)) : NULL;
#define IS(name) (strcmp(op, name) == 0)
    if (IS("$eq") || IS("$ne"))
        return equal(x, v) == IS("$eq");
    if (IS("$in") || IS("$nin"))
        return among(v, x, false) == IS("$in");
    if (IS("$ini") || IS("$nini"))
        return among(v, x, true) == IS("$ini");
    if (IS("$inGroup") || IS("$notInGroup"))
        return among(v, group, false) == IS("$inGroup");
    if (IS("$all") || IS("$alli"))
        return every(w, x, v, IS("$alli"));
    if (IS("$lt") || IS("$gt"))
        return order(v, x) == (IS("$lt") ? '<' : '>');
    if (IS("$lte") || IS("$gte"))
        return order(v, x) == '=' || order(v, x) == (IS("$lte") ? '<' : '>');
    if (IS("$veq") || IS("$vne"))
        return (version_order(v, x) == '=') == IS("$veq");
    if (IS("$vlt") || IS("$vgt"))
        return version_order(v, x) == (IS("$vlt") ? '<' : '>');
    if (IS("$vlte") || IS("$vgte"))
        return version_order(v, x) != (IS("$vlte") ? '>' : '<');
    if (IS("$regex") || IS("$regexi"))
        return found(json_string_value(x), v, IS("$regexi"));
    if (IS("$exists"))
        return is_null(v) != json_is_true(x);
    if (IS("$type"))
        return strcmp(type_of(v), json_string_value(x)) == 0;
    if (IS("$size"))
        return size_is(w, x, v);
    if (IS("$elemMatch"))
        return element(w, x, v);
    if (IS("$not"))
        return !demand(w, x, v, false);
#undef IS
    fprintf(stderr, "the reference does not know %s\n", op);
    abort();
}

static bool demand(const struct world *w, const json_t *wanted, const json_t *v, bool fold)
{
    const char *name;
    json_t *field;
    if (!json_is_object(wanted) || !only_operators(wanted))
        return equal_fold(wanted, v, fold);
    json_object_foreach((json_t *)wanted, name, field) if (!operator_met(w, name, field, v)) return false;
    return true;
}

static const json_t *at_path(const json_t *v, const char *path)
{
    char name[100];
    for (const char *at = path; v && at; at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "."), at);
        bool digits = strspn(name, "0123456789") == strlen(name) && (name[0] != '0' || name[1] == '\0');
        v = json_is_array(v) ? (digits ? json_array_get(v, (size_t)atoi(name)) : NULL)
                             : json_object_get(v, name);
    }
    return v;
}

static bool any(const struct world *w, const json_t *list, const json_t *attributes)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (condition(w, json_array_get(list, i), attributes))
            return true;
    return json_array_size(list) == 0;
}

static bool all(const struct world *w, const json_t *list, const json_t *attributes)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!condition(w, json_array_get(list, i), attributes))
            return false;
    return true;
}

static bool condition(const struct world *w, const json_t *c, const json_t *attributes)
{
    const char *name;
    json_t *field;
    bool met = true;
    json_object_foreach((json_t *)c, name, field)
    {
        if (strcmp(name, "$and") == 0)
            met = met && all(w, field, attributes);
        else if (strcmp(name, "$or") == 0)
            met = met && any(w, field, attributes);
        else if (strcmp(name, "$nor") == 0)
            met = met && !any(w, field, attributes);
        else if (strcmp(name, "$not") == 0)
            met = met && !condition(w, field, attributes);
        else
            met = met && demand(w, field, at_path(attributes, name), false);
    }
    return met;
}

bool reference_condition(const json_t *c, const json_t *attributes, const json_t *groups)
{
    const struct world w = {groups};
    return condition(&w, c, attributes);
}
