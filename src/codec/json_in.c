#include "codec/json_in.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_quick.h"
#include "core/unit.h"

#define ATTR_DEPTH_MAX 512 /* nesting json_in_attr follows: bounds the stack it takes */

/* --- where a mistake is, as people count --- */

static int fail_at(const char *text, size_t offset, struct error *e, int code, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    char place[64];
    snprintf(place, sizeof place, "line %zu, column %zu", line, column);
    return error_set(e, code, place, "%s", what);
}

/* --- the scan before parsing: no recursion, no allocation --- */

struct scan {
    const char *text;
    size_t len, at;
    const struct json_limits *lim;
    unsigned depth;
    size_t values; /* names of object fields are taken back at their colon */
};

static int too_many(const struct scan *s, struct error *e)
{
    char what[80];
    snprintf(what, sizeof what, "there are more than %u values", s->lim->max_values);
    return fail_at(s->text, s->at, e, ERR_LIMIT, what);
}

/* From behind the opening quote to behind the closing one (or the end: the parser tells that better). */
static int scan_string(struct scan *s, struct error *e)
{
    while (s->at < s->len) {
        char c = s->text[s->at];
        if (c == '"') {
            s->at++;
            return 0;
        }
        if (c == '\0')
            return fail_at(s->text, s->at, e, ERR_INVALID, "a string contains a NUL byte");
        if (c == '\\') {
            if (s->len - s->at >= 6 && memcmp(s->text + s->at, "\\u0000", 6) == 0)
                return fail_at(s->text, s->at, e, ERR_INVALID, "a string contains the NUL character \\u0000");
            s->at++;
        }
        s->at++;
    }
    s->at = s->len;
    return 0;
}

static int is_scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.';
}

static int scan_token(struct scan *s, struct error *e)
{
    char c = s->text[s->at++];
    switch (c) {
    case '"':
        s->values++;
        return scan_string(s, e);
    case '{':
    case '[':
        s->values++;
        if (++s->depth > s->lim->max_depth) {
            char what[80];
            s->at--;
            snprintf(what, sizeof what, "arrays and objects are nested more than %u deep", s->lim->max_depth);
            return fail_at(s->text, s->at, e, ERR_LIMIT, what);
        }
        break;
    case '}':
    case ']':
        if (s->depth > 0)
            s->depth--;
        break;
    case ':':
        if (s->values > 0)
            s->values--;
        return 0; /* a name was counted until here: nothing is compared between it and its colon */
    case ',':
        break;
    case '\0':
        /* The parser takes it for the end and would not look at what is behind it. */
        return fail_at(s->text, s->at - 1, e, ERR_INVALID, "there is a NUL byte");
    default:
        if (!is_scalar_byte(c))
            return 0;
        s->values++;
        while (s->at < s->len && is_scalar_byte(s->text[s->at]))
            s->at++;
        return 0;
    }
    return s->values > s->lim->max_values ? too_many(s, e) : 0;
}

static int scan_text(const char *text, size_t len, const struct json_limits *lim, struct error *e)
{
    struct scan s = {.text = text, .len = len, .lim = lim};
    while (s.at < s.len) {
        int rc = scan_token(&s, e);
        if (rc)
            return rc;
    }
    return s.values > lim->max_values ? too_many(&s, e) : 0;
}

/* --- parsing --- */

/* The parser's own words quote the text it read, which may hold a raw id: errors are answered, kept and
 * logged, so they are told in ours. */
static int parse_error(const json_error_t *je, size_t len, struct error *e)
{
    const char *what = "this is not JSON";
    int code = ERR_INVALID;
    switch (json_error_code(je)) {
    case json_error_unknown: /* what a failed allocation leaves; every mistake of the text has a code */
    case json_error_out_of_memory:
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    case json_error_stack_overflow:
        code = ERR_LIMIT;
        what = "arrays and objects are nested too deeply";
        break;
    case json_error_premature_end_of_input:
        what =
            len == 0 ? "the text is empty; one JSON value is needed" : "the text ends before its JSON does";
        break;
    case json_error_end_of_input_expected:
        what = "there is more text behind the JSON value";
        break;
    case json_error_invalid_utf8:
        what = "this is not valid UTF-8";
        break;
    case json_error_null_character:
    case json_error_null_byte_in_key:
        what = "a string contains the NUL character \\u0000";
        break;
    case json_error_duplicate_key:
        what = "an object has two fields of this name";
        break;
    case json_error_numeric_overflow:
        what = "this number is too large";
        break;
    default:
        break;
    }
    char place[64];
    snprintf(place, sizeof place, "line %d, column %d", je->line > 0 ? je->line : 1,
             je->column > 0 ? je->column : 1);
    return error_set(e, code, place, "%s", what);
}

int json_in_parse(const char *text, size_t len, const struct json_limits *lim, json_t **out, struct error *e)
{
    *out = NULL;
    if (len > lim->max_bytes)
        return error_set(e, ERR_LIMIT, NULL, "the text has %zu bytes; at most %zu are read", len,
                         lim->max_bytes);
    int rc = scan_text(text, len, lim, e);
    if (rc)
        return rc;
    json_error_t je;
    *out = json_loadb(len ? text : "", len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    return *out ? 0 : parse_error(&je, len, e);
}

/* --- attributes --- */

static int attr_from(struct arena *a, const json_t *v, unsigned depth, struct attr *out, struct error *e);

static int attr_no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

static int attr_from_array(struct arena *a, const json_t *v, unsigned depth, struct attr *out,
                           struct error *e)
{
    size_t n = json_array_size(v);
    struct attr *items = arena_alloc(a, n * sizeof *items);
    if (!items)
        return attr_no_memory(e);
    for (size_t i = 0; i < n; i++) {
        int rc = attr_from(a, json_array_get(v, i), depth + 1, &items[i], e);
        if (rc)
            return rc;
    }
    out->type = ATTR_ARRAY;
    out->u.array.items = items;
    out->u.array.n = n;
    return 0;
}

static int attr_from_object(struct arena *a, const json_t *v, unsigned depth, struct attr *out,
                            struct error *e)
{
    size_t n = json_object_size(v), i = 0;
    struct attr_field *fields = arena_alloc(a, n * sizeof *fields);
    if (!fields)
        return attr_no_memory(e);
    json_t *object = (json_t *)v; /* iterating changes nothing */
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it), i++) {
        fields[i].name_len = json_object_iter_key_len(it);
        fields[i].name = arena_copy(a, json_object_iter_key(it), fields[i].name_len);
        if (!fields[i].name)
            return attr_no_memory(e);
        int rc = attr_from(a, json_object_iter_value(it), depth + 1, &fields[i].value, e);
        if (rc)
            return rc;
    }
    out->type = ATTR_OBJECT;
    out->u.object.fields = fields;
    out->u.object.n = n;
    return 0;
}

static int attr_from(struct arena *a, const json_t *v, unsigned depth, struct attr *out, struct error *e)
{
    if (depth > ATTR_DEPTH_MAX)
        return error_set(e, ERR_LIMIT, NULL, "arrays and objects are nested more than %d deep",
                         ATTR_DEPTH_MAX);
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return attr_from_object(a, v, depth, out, e);
    case JSON_ARRAY:
        return attr_from_array(a, v, depth, out, e);
    case JSON_STRING:
        out->type = ATTR_STRING;
        out->u.string.len = json_string_length(v);
        out->u.string.s = arena_copy(a, json_string_value(v), out->u.string.len);
        return out->u.string.s ? 0 : attr_no_memory(e);
    case JSON_INTEGER:
    case JSON_REAL:
        out->type = ATTR_NUMBER;
        out->u.number = json_number_value(v);
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        out->type = ATTR_BOOL;
        out->u.boolean = json_is_true(v);
        return 0;
    case JSON_NULL:
        break;
    }
    out->type = ATTR_NULL;
    return 0;
}

int json_in_attr(struct arena *a, const json_t *v, struct attr *out, struct error *e)
{
    *out = (struct attr){.type = ATTR_NULL};
    return attr_from(a, v, 0, out, e);
}

int json_in_read(struct arena *a, const char *text, size_t len, const struct json_limits *lim,
                 struct attr *out, struct error *e)
{
    json_t *doc;
    if (json_quick_attr(a, text, len, lim, out))
        return ERR_OK;
    int rc = json_in_parse(text, len, lim, &doc, e);
    if (rc == ERR_OK)
        rc = json_in_attr(a, doc, out, e);
    json_decref(doc);
    return rc;
}
