#include "json_twins.h"

#include <math.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/json_quick.h"

static const struct json_limits limits = {64 * 1024, 32, 2000};

/* --- are they the same --- */

static bool same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len + 1) == 0; /* the NUL behind it too */
}

static bool same(const struct attr *a, const struct attr *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case ATTR_NULL:
        return true;
    case ATTR_BOOL:
        return a->u.boolean == b->u.boolean;
    case ATTR_NUMBER:
        return a->u.number == b->u.number && signbit(a->u.number) == signbit(b->u.number);
    case ATTR_STRING:
        return same_text(a->u.string.s, a->u.string.len, b->u.string.s, b->u.string.len);
    case ATTR_ARRAY:
        if (a->u.array.n != b->u.array.n)
            return false;
        for (size_t i = 0; i < a->u.array.n; i++)
            if (!same(&a->u.array.items[i], &b->u.array.items[i]))
                return false;
        return true;
    case ATTR_OBJECT:
        break;
    }
    if (a->u.object.n != b->u.object.n)
        return false;
    for (size_t i = 0; i < a->u.object.n; i++) {
        const struct attr_field *x = &a->u.object.fields[i], *y = &b->u.object.fields[i];
        if (!same_text(x->name, x->name_len, y->name, y->name_len) || !same(&x->value, &y->value))
            return false;
    }
    return true;
}

/* --- what is left to jansson --- */

static bool has_wide_object(const struct attr *v)
{
    bool wide = v->type == ATTR_OBJECT && v->u.object.n > 64;
    for (size_t i = 0; !wide && v->type == ATTR_ARRAY && i < v->u.array.n; i++)
        wide = has_wide_object(&v->u.array.items[i]);
    for (size_t i = 0; !wide && v->type == ATTR_OBJECT && i < v->u.object.n; i++)
        wide = has_wide_object(&v->u.object.fields[i].value);
    return wide;
}

/* Numbers of more than 15 digits or with an exponent; in strings too: this only excuses. */
static bool has_long_number(const char *text, size_t len)
{
    size_t digits = 0;
    for (size_t i = 0; i < len; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (digits > 0 && (text[i] == 'e' || text[i] == 'E'))
            return true;
        digits = digit ? digits + 1 : text[i] == '.' ? digits : 0;
        if (digits > 15)
            return true;
    }
    return false;
}

const char *json_twins(struct arena *a, const char *text, size_t len)
{
    struct attr quick, usual;
    struct error e;
    json_t *doc;
    arena_reset(a);
    bool taken = json_quick_attr(a, text, len, &limits, &quick);
    bool accepted = json_in_parse(text, len, &limits, &doc, &e) == ERR_OK;
    bool read = accepted && json_in_attr(a, doc, &usual, &e) == ERR_OK;
    json_decref(doc);
    if (taken && !accepted)
        return "the quick way accepts what jansson refuses";
    if (accepted && !read)
        return NULL; /* no memory */
    if (taken)
        return same(&quick, &usual) ? NULL : "the two ways read different values";
    if (accepted && !has_long_number(text, len) && !has_wide_object(&usual))
        return "the quick way leaves to jansson what it could read";
    return NULL;
}
