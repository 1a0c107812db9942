#include "cohortctl/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "codec/json_out.h"

#define LINE_MAX_WIDTH 90

static void add_value(struct buffer *b, const json_t *v, int level, bool pretty);

static int by_name(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    bool x_key = strcmp(x, "key") == 0, y_key = strcmp(y, "key") == 0;
    return x_key || y_key ? y_key - x_key : strcmp(x, y);
}

/* The text of json_out, which escapes at worst six bytes for one. */
static void add_scalar(struct buffer *b, const json_t *v)
{
    size_t cap = 6 * (json_is_string(v) ? json_string_length(v) : 0) + 64;
    char *at = (char *)buffer_reserve(b, cap);
    struct json_out o;
    if (!at)
        return;
    json_out_init(&o, at, cap);
    switch (json_typeof(v)) {
    case JSON_STRING:
        json_out_string_n(&o, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        json_out_int(&o, json_integer_value(v));
        break;
    case JSON_REAL:
        json_out_double(&o, json_real_value(v));
        break;
    default:
        json_out_raw(&o, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
    }
    b->len += o.len;
}

static void new_line(struct buffer *b, int level)
{
    buffer_printf(b, "\n%*s", 2 * level, "");
}

static void add_member(struct buffer *b, const char *name, const json_t *v, int level, bool pretty)
{
    json_t *text = json_string_nocheck(name);
    add_scalar(b, text);
    buffer_add_str(b, pretty ? ": " : ":");
    add_value(b, v, level, pretty);
    json_decref(text);
}

static void add_object(struct buffer *b, const json_t *v, int level, bool pretty)
{
    size_t n = 0, count = json_object_size(v);
    const char **names = malloc((count + 1) * sizeof *names);
    const char *name;
    json_t *member;
    if (!names) {
        b->failed = true;
        return;
    }
    json_object_foreach((json_t *)v, name, member) names[n++] = name;
    qsort(names, n, sizeof *names, by_name);
    buffer_add_str(b, "{");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buffer_add_str(b, ",");
        if (pretty)
            new_line(b, level + 1);
        add_member(b, names[i], json_object_get(v, names[i]), level + 1, pretty);
    }
    if (pretty && n > 0)
        new_line(b, level);
    buffer_add_str(b, "}");
    free(names);
}

/* Lists of scalars that fit into a line stand in one. */
static bool is_short(const json_t *list, int level)
{
    struct buffer b = {0};
    size_t i;
    const json_t *item;
    bool scalars = true;
    json_array_foreach(list, i, item)
    {
        scalars = scalars && !json_is_object(item) && !json_is_array(item);
        if (scalars)
            add_scalar(&b, item);
        scalars = scalars && b.len + 2 * i + 2 * (size_t)level < LINE_MAX_WIDTH;
        if (!scalars)
            break;
    }
    buffer_free(&b);
    return scalars;
}

static void add_array(struct buffer *b, const json_t *v, int level, bool pretty)
{
    bool lines = pretty && !is_short(v, level);
    size_t i;
    const json_t *item;
    buffer_add_str(b, "[");
    json_array_foreach(v, i, item)
    {
        if (i > 0)
            buffer_add_str(b, pretty && !lines ? ", " : ",");
        if (lines)
            new_line(b, level + 1);
        add_value(b, item, level + 1, pretty);
    }
    if (lines)
        new_line(b, level);
    buffer_add_str(b, "]");
}

static void add_value(struct buffer *b, const json_t *v, int level, bool pretty)
{
    if (json_is_object(v))
        add_object(b, v, level, pretty);
    else if (json_is_array(v))
        add_array(b, v, level, pretty);
    else
        add_scalar(b, v);
}

char *json_text(const json_t *v, bool pretty)
{
    struct buffer b = {0};
    add_value(&b, v, 0, pretty);
    buffer_add(&b, "", 1);
    if (!b.failed)
        return (char *)b.data;
    buffer_free(&b);
    return NULL;
}

int json_text_print(const json_t *v, struct error *e)
{
    char *text = json_text(v, true);
    if (!text)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    puts(text);
    free(text);
    return 0;
}

const char *json_text_of(const json_t *o, const char *member)
{
    const char *s = json_string_value(json_object_get(o, member));
    return s ? s : "";
}

/* Whole numbers that fit are integers again. */
static json_t *with_integers(json_t *v)
{
    const char *name;
    json_t *child;
    void *next;
    size_t i;
    if (json_is_real(v) && fabs(json_real_value(v)) < 9007199254740992.0 &&
        json_real_value(v) == floor(json_real_value(v)))
        return json_integer((json_int_t)json_real_value(v));
    json_object_foreach_safe(v, next, name, child)
    {
        json_object_set_new(v, name, with_integers(child));
    }
    json_array_foreach(v, i, child)
    {
        json_array_set_new(v, i, with_integers(child));
    }
    return json_incref(v);
}

json_t *json_text_read(const char *text, json_error_t *why)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, why), *read;
    if (v || json_error_code(why) != json_error_numeric_overflow)
        return v;
    v = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, why);
    read = v ? with_integers(v) : NULL;
    json_decref(v);
    return read;
}
