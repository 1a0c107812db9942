#include "codec/plan_fields.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/json_out.h"

/* --- fields --- */

void refuse(struct reader *r, const char *what, const char *must)
{
    char text[256];
    if (r->refused)
        return;
    int n = snprintf(text, sizeof text, "%s must be %s", what, must);
    r->refused = arena_copy(r->scratch, text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0);
    if (!r->refused)
        r->no_memory = true;
}

void *scratch_array(struct reader *r, size_t n, size_t item)
{
    void *p = arena_alloc(r->scratch, n * item);
    if (!p)
        r->no_memory = true;
    return p;
}

const char *text_field(struct reader *r, const json_t *obj, const char *name, const char *absent)
{
    const json_t *v = json_object_get(obj, name);
    if (!v && absent)
        return absent;
    if (json_is_string(v))
        return json_string_value(v);
    refuse(r, name, "a string");
    return NULL;
}

int32_t int_field(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX)
        return (int32_t)json_integer_value(v);
    refuse(r, name, "a whole number");
    return 0;
}

const char *optional_text_field(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);
    return !v || json_is_null(v) ? NULL : text_field(r, obj, name, NULL);
}

const json_t *object_field(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);
    if (!v || json_is_null(v))
        return NULL;
    if (!json_is_object(v))
        refuse(r, name, "an object");
    return v;
}

int64_t time_field(struct reader *r, const json_t *obj, const char *name, int64_t absent)
{
    const json_t *v = json_object_get(obj, name);
    if (!v || json_is_null(v))
        return absent;
    if (!json_is_integer(v))
        refuse(r, name, "microseconds since 1970, a whole number");
    return json_integer_value(v);
}

bool bool_field(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);
    if (v && !json_is_boolean(v))
        refuse(r, name, "true or false");
    return json_is_true(v);
}

bool hex_bytes(const json_t *obj, const char *name, uint8_t *out, size_t n)
{
    const json_t *v = json_object_get(obj, name);
    size_t got = 0;
    return json_is_string(v) && json_string_length(v) == 2 * n &&
           sodium_hex2bin(out, n, json_string_value(v), 2 * n, NULL, &got, NULL) == 0 && got == n;
}

void salt_field(struct reader *r, const json_t *obj, uint8_t out[SALT_BYTES])
{
    if (!hex_bytes(obj, "salt", out, SALT_BYTES))
        refuse(r, "salt", "32 hexadecimal digits");
}

const json_t *array_field(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);
    if (v && !json_is_array(v))
        refuse(r, name, "an array");
    return json_is_array(v) ? v : NULL;
}

const struct attr *condition_field(struct reader *r, const json_t *obj)
{
    struct error e;
    const json_t *v = json_object_get(obj, "condition");
    if (!v)
        return NULL;
    struct attr *attr = arena_alloc(plan_builder_arena(r->builder), sizeof *attr);
    if (!attr || json_in_attr(plan_builder_arena(r->builder), v, attr, &e) != 0)
        r->no_memory = true; /* depth was bounded by the parser */
    return attr;
}

const struct attr *scratch_attr(struct reader *r, const json_t *v)
{
    struct error e;
    struct attr *attr = arena_alloc(r->scratch, sizeof *attr);
    if (!attr || json_in_attr(r->scratch, v, attr, &e) != 0)
        r->no_memory = true;
    return attr;
}

int word_field(struct reader *r, const json_t *obj, const char *name, const char *const *words)
{
    const json_t *v = json_object_get(obj, name);
    for (int i = 0; json_is_string(v) && words[i]; i++)
        if (strcmp(json_string_value(v), words[i]) == 0)
            return i;
    refuse(r, name, "one of the known words");
    return -1;
}

/* --- values: JSON text again --- */

static void write_value(struct json_out *o, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: {
        json_t *object = (json_t *)v; /* iterating changes nothing */
        json_out_begin_object(o);
        for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
            json_out_key(o, json_object_iter_key(it));
            write_value(o, json_object_iter_value(it));
        }
        json_out_end_object(o);
        return;
    }
    case JSON_ARRAY:
        json_out_begin_array(o);
        for (size_t i = 0; i < json_array_size(v); i++)
            write_value(o, json_array_get(v, i));
        json_out_end_array(o);
        return;
    case JSON_STRING:
        json_out_string_n(o, json_string_value(v), json_string_length(v));
        return;
    case JSON_INTEGER:
        json_out_int(o, json_integer_value(v));
        return;
    case JSON_REAL:
        json_out_double(o, json_real_value(v));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        json_out_bool(o, json_is_true(v));
        return;
    case JSON_NULL:
        json_out_null(o);
        return;
    }
}

const char *value_field(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *v = json_object_get(obj, name);
    struct json_out o;
    if (!v)
        return NULL;
    json_out_init(&o, NULL, 0);
    write_value(&o, v); /* only counts */
    size_t len = o.len;
    char *text = arena_alloc(r->scratch, len + 1);
    if (!text) {
        r->no_memory = true;
        return NULL;
    }
    json_out_init(&o, text, len);
    write_value(&o, v);
    return text;
}

/* --- slots --- */

static bool read_range(const json_t *v, struct slot_range *out)
{
    const json_t *lo = json_array_get(v, 0), *hi = json_array_get(v, 1);
    if (json_array_size(v) != 2 || !json_is_integer(lo) || !json_is_integer(hi))
        return false;
    json_int_t from = json_integer_value(lo), to = json_integer_value(hi);
    if (from < 0 || to < 0 || from > (json_int_t)SLOTS || to > (json_int_t)SLOTS)
        return false;
    *out = (struct slot_range){(uint32_t)from, (uint32_t)to, 0};
    return true;
}

const struct slot_range *ranges_field(struct reader *r, const json_t *obj, const char *name, size_t *n)
{
    const json_t *list = array_field(r, obj, name);
    struct slot_range *out = scratch_array(r, json_array_size(list), sizeof *out);
    *n = 0;
    for (size_t i = 0; out && i < json_array_size(list); i++, (*n)++)
        if (!read_range(json_array_get(list, i), &out[i])) {
            refuse(r, name, "ranges [lo, hi] of slots from 0 to 1000000");
            break;
        }
    return out;
}
