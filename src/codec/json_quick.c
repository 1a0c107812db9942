#include "codec/json_quick.h"

#include <string.h>

#include "codec/json_scan.h"
#include "core/unit.h"

/* Names are compared with all others of their object; beyond so many the usual way does it by a table. */
#define FIELDS_MAX 64
#define FIRST_ITEMS 8

struct reader {
    struct json_cursor c;
    struct arena *arena;
    unsigned values, depth; /* how many more there may be */
};

/* --- strings --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind "\u", or -1. */
static int32_t hex_code(const char *p, const char *end)
{
    int32_t code = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static char *put_utf8(char *to, int32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        *to++ = (char)(0x80 | (code >> 6 & 0x3F));
        *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

/* At "\u": two of them are one character beyond the first 65,536. NUL and half a pair are refused. */
static bool put_unicode(const char **from, const char *end, char **to)
{
    int32_t code = hex_code(*from, end);
    if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return false;
    *from += 6;
    if (code >= 0xD800 && code <= 0xDBFF) {
        int32_t low = hex_code(*from, end);
        if (low < 0xDC00 || low > 0xDFFF)
            return false;
        *from += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *to = put_utf8(*to, code);
    return true;
}

static bool put_escape(const char **from, const char *end, char **to)
{
    static const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if ((*from)[1] == 'u')
        return put_unicode(from, end, to);
    const char *which = memchr(written, (*from)[1], sizeof written - 1);
    if (!which)
        return false;
    *(*to)++ = meant[which - written];
    *from += 2;
    return true;
}

/* No escape is shorter than what it means. */
static bool unescape(struct arena *a, struct record_text raw, const char **s, size_t *len)
{
    char *text = arena_alloc(a, raw.len + 1), *to = text;
    const char *from = raw.s, *end = raw.s + raw.len;
    if (!text)
        return false;
    while (from < end) {
        if (*from != '\\')
            *to++ = *from++;
        else if (!put_escape(&from, end, &to))
            return false;
    }
    *s = text;
    *len = (size_t)(to - text);
    return true;
}

static bool read_text(struct reader *r, const char **s, size_t *len)
{
    struct json_string t;
    if (!json_take_string(&r->c, &t) || (t.non_ascii && !utf8_valid(t.raw.s, t.raw.len)))
        return false;
    if (t.escapes)
        return unescape(r->arena, t.raw, s, len);
    *s = arena_copy(r->arena, t.raw.s, t.raw.len);
    *len = t.raw.len;
    return *s != NULL;
}

/* --- values --- */

static bool read_value(struct reader *r, struct attr *out);

/* Room for one more of n things of this size; what was there is copied. */
static void *grow(struct arena *a, void *items, size_t n, size_t size)
{
    if (n != 0 && (n < FIRST_ITEMS || (n & (n - 1)) != 0))
        return items;
    void *more = arena_alloc(a, (n == 0 ? FIRST_ITEMS : 2 * n) * size);
    if (more && n > 0)
        memcpy(more, items, n * size);
    return more;
}

static bool is_there(const struct attr_field *fields, size_t n, const struct attr_field *f)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].name_len == f->name_len && memcmp(fields[i].name, f->name, f->name_len) == 0)
            return true;
    return false;
}

static bool read_object(struct reader *r, struct attr *out)
{
    struct attr_field *fields = NULL;
    size_t n = 0;
    bool ended = json_take(&r->c, '}');
    while (!ended) {
        struct attr_field f;
        if (n == FIELDS_MAX || !read_text(r, &f.name, &f.name_len) || is_there(fields, n, &f) ||
            !json_take(&r->c, ':') || !read_value(r, &f.value))
            return false;
        fields = grow(r->arena, fields, n, sizeof *fields);
        if (!fields)
            return false;
        fields[n++] = f;
        ended = !json_take(&r->c, ',');
        if (ended && !json_take(&r->c, '}'))
            return false;
    }
    out->type = ATTR_OBJECT;
    out->u.object.fields = fields;
    out->u.object.n = n;
    return true;
}

static bool read_array(struct reader *r, struct attr *out)
{
    struct attr *items = NULL;
    size_t n = 0;
    bool ended = json_take(&r->c, ']');
    while (!ended) {
        struct attr item;
        if (!read_value(r, &item))
            return false;
        items = grow(r->arena, items, n, sizeof *items);
        if (!items)
            return false;
        items[n++] = item;
        ended = !json_take(&r->c, ',');
        if (ended && !json_take(&r->c, ']'))
            return false;
    }
    out->type = ATTR_ARRAY;
    out->u.array.items = items;
    out->u.array.n = n;
    return true;
}

static bool read_nested(struct reader *r, struct attr *out)
{
    bool object = *r->c.at++ == '{';
    if (r->depth == 0)
        return false;
    r->depth--;
    bool ok = object ? read_object(r, out) : read_array(r, out);
    r->depth++;
    return ok;
}

static bool take_word(struct reader *r, const char *word, size_t len)
{
    if ((size_t)(r->c.end - r->c.at) < len || memcmp(r->c.at, word, len) != 0)
        return false;
    r->c.at += len;
    return true;
}

static bool read_number(struct reader *r, struct attr *out)
{
    struct json_number n;
    out->type = ATTR_NUMBER;
    return json_take_number(&r->c, &n) && json_number_read(&n, &out->u.number);
}

static bool read_value(struct reader *r, struct attr *out)
{
    *out = (struct attr){.type = ATTR_NULL};
    if (!json_skip_blanks(&r->c) || r->values == 0)
        return false;
    r->values--;
    switch (*r->c.at) {
    case '{':
    case '[':
        return read_nested(r, out);
    case '"':
        out->type = ATTR_STRING;
        return read_text(r, &out->u.string.s, &out->u.string.len);
    case 't':
        out->type = ATTR_BOOL;
        out->u.boolean = true;
        return take_word(r, "true", 4);
    case 'f':
        out->type = ATTR_BOOL;
        return take_word(r, "false", 5);
    case 'n':
        return take_word(r, "null", 4);
    default:
        return read_number(r, out);
    }
}

bool json_quick_attr(struct arena *a, const char *text, size_t len, const struct json_limits *lim,
                     struct attr *out)
{
    struct reader r = {{text, text + len}, a, lim->max_values, lim->max_depth};
    return len > 0 && len <= lim->max_bytes && read_value(&r, out) && !json_skip_blanks(&r.c);
}
