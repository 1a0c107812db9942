#include "clients/c/context.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_attr.h"
#include "codec/json_in.h"

#define JSON_BYTES 65536

static const struct json_limits value_limits = {JSON_BYTES, 30, 2000};

void cohort_context_free(struct cohort_context *x)
{
    if (!x)
        return;
    plan_unref(x->plan);
    buffer_free(&x->body);
    buffer_free(&x->value);
    buffer_free(&x->texts);
    arena_free(x->arena);
    free(x->is_unit);
    free(x->fields);
    free(x);
}

static bool is_text(const char *s)
{
    return s && utf8_valid(s, strlen(s));
}

static size_t find(const struct cohort_context *x, const char *name)
{
    size_t i = 0;
    while (i < x->n && strcmp(x->fields[i].name, name) != 0)
        i++;
    return i;
}

static bool grow(struct cohort_context *x)
{
    size_t cap = x->cap ? 2 * x->cap : 8;
    if (x->n < x->cap)
        return true;
    struct attr_field *fields = realloc(x->fields, cap * sizeof *fields);
    if (fields)
        x->fields = fields;
    bool *is_unit = realloc(x->is_unit, cap * sizeof *is_unit);
    if (is_unit)
        x->is_unit = is_unit;
    if (!fields || !is_unit)
        return false;
    x->cap = cap;
    return true;
}

/* Whatever was decided or written was about another context. */
static void forget(struct cohort_context *x)
{
    x->attributes = (struct attr){.type = ATTR_OBJECT, .u.object = {x->fields, x->n}};
    x->generation = 0;
    buffer_clear(&x->body);
}

static int put(struct cohort_context *x, const char *name, struct attr value, bool is_unit)
{
    size_t at = find(x, name);
    if (at == x->n) {
        char *copy = grow(x) ? arena_copy(x->arena, name, strlen(name)) : NULL;
        if (!copy)
            return COHORT_NOMEM;
        x->fields[x->n].name = copy;
        x->fields[x->n].name_len = strlen(copy);
        x->n++;
    }
    x->fields[at].value = value;
    x->is_unit[at] = is_unit;
    forget(x);
    return COHORT_OK;
}

static int put_text(struct cohort_context *x, const char *name, const char *value, bool is_unit)
{
    char *copy = arena_copy(x->arena, value, strlen(value));
    struct attr v = {.type = ATTR_STRING, .u.string = {copy, strlen(value)}};
    return copy ? put(x, name, v, is_unit) : COHORT_NOMEM;
}

struct cohort_context *cohort_context_new(const char *targeting_key)
{
    struct cohort_context *x;
    if (!targeting_key || unit_raw_check(targeting_key, strlen(targeting_key), NULL) != 0 ||
        !(x = calloc(1, sizeof *x)))
        return NULL;
    x->arena = arena_new();
    x->details = (struct cohort_details){.absent = true,
                                         .propensity = -1,
                                         .inclusion = -1,
                                         .variant = "",
                                         .reason = "",
                                         .experiment = "",
                                         .decision_id = "",
                                         .token = ""};
    if (x->arena && put_text(x, "targetingKey", targeting_key, true) == COHORT_OK)
        return x;
    cohort_context_free(x);
    return NULL;
}

static bool is_name(const struct cohort_context *x, const char *name)
{
    return x && is_text(name) && name[0] && strcmp(name, "targetingKey") != 0;
}

int cohort_context_string(struct cohort_context *x, const char *name, const char *value)
{
    return is_name(x, name) && is_text(value) ? put_text(x, name, value, false) : COHORT_INVALID;
}

int cohort_context_number(struct cohort_context *x, const char *name, double value)
{
    if (!is_name(x, name) || !isfinite(value))
        return COHORT_INVALID;
    return put(x, name, (struct attr){.type = ATTR_NUMBER, .u.number = value}, false);
}

int cohort_context_bool(struct cohort_context *x, const char *name, bool value)
{
    if (!is_name(x, name))
        return COHORT_INVALID;
    return put(x, name, (struct attr){.type = ATTR_BOOL, .u.boolean = value}, false);
}

int cohort_context_json(struct cohort_context *x, const char *name, const char *json)
{
    struct error e;
    struct attr value;
    json_t *v = NULL;
    if (!is_name(x, name) || !json || json_in_parse(json, strlen(json), &value_limits, &v, &e) != 0)
        return COHORT_INVALID;
    int rc = json_in_attr(x->arena, v, &value, &e);
    json_decref(v);
    if (rc != 0)
        return rc == ERR_NOMEM ? COHORT_NOMEM : COHORT_INVALID;
    return put(x, name, value, false);
}

int cohort_context_unit(struct cohort_context *x, const char *type, const char *id)
{
    if (!x || !type || !id || unit_type_check(type, strlen(type), NULL) != 0 || strcmp(type, "user") == 0 ||
        unit_raw_check(id, strlen(id), NULL) != 0)
        return COHORT_INVALID;
    return put_text(x, type, id, true);
}

const char *context_id(const struct cohort_context *x, const char *type)
{
    size_t at = strcmp(type, "user") == 0 ? 0 : find(x, type);
    return at < x->n && x->fields[at].value.type == ATTR_STRING ? x->fields[at].value.u.string.s : NULL;
}

void context_value(const struct attr *a, struct buffer *out)
{
    struct json_out o;
    size_t cap = 256;
    for (;;) {
        char *to = (char *)buffer_reserve(out, cap);
        if (!to)
            return;
        json_out_init(&o, to, cap);
        json_out_attr(&o, a);
        if (!o.overflow)
            break;
        cap = o.len > cap ? o.len + 64 : cap * 2;
    }
    out->len += o.len;
}

static void write_unit(struct buffer *out, bool first, const char *type, const struct attr *id)
{
    buffer_printf(out, "%s\"%s\":", first ? "" : ",", type);
    context_value(id, out);
}

void context_units(const struct cohort_context *x, const char *type, struct buffer *out)
{
    bool first = true;
    buffer_add_str(out, "\"units\":{");
    for (size_t i = 0; i < x->n; i++) {
        const char *name = i == 0 ? "user" : x->fields[i].name;
        if (type ? strcmp(type, name) != 0 : !x->is_unit[i])
            continue;
        write_unit(out, first, name, &x->fields[i].value);
        first = false;
    }
    buffer_add_str(out, "}");
}

bool context_body(struct cohort_context *x)
{
    if (x->body.len > 0 && !x->body.failed)
        return true;
    buffer_clear(&x->body);
    buffer_add_str(&x->body, "{\"context\":");
    context_value(&x->attributes, &x->body);
    buffer_add_str(&x->body, "}");
    return !x->body.failed;
}
