#include "core/attr.h"

#include <string.h>

const struct attr *attr_get(const struct attr *obj, const char *name, size_t len)
{
    if (!obj || obj->type != ATTR_OBJECT)
        return NULL;
    for (size_t i = 0; i < obj->u.object.n; i++) {
        const struct attr_field *f = &obj->u.object.fields[i];
        if (f->name_len == len && memcmp(f->name, name, len) == 0)
            return &f->value;
    }
    return NULL;
}

static bool arrays_equal(const struct attr *a, const struct attr *b)
{
    if (a->u.array.n != b->u.array.n)
        return false;
    for (size_t i = 0; i < a->u.array.n; i++)
        if (!attr_equal(&a->u.array.items[i], &b->u.array.items[i]))
            return false;
    return true;
}

/* Names are unique within an object, so equal counts and one direction are enough. */
static bool objects_equal(const struct attr *a, const struct attr *b)
{
    if (a->u.object.n != b->u.object.n)
        return false;
    for (size_t i = 0; i < a->u.object.n; i++) {
        const struct attr_field *f = &a->u.object.fields[i];
        const struct attr *other = attr_get(b, f->name, f->name_len);
        if (!other || !attr_equal(&f->value, other))
            return false;
    }
    return true;
}

bool attr_equal(const struct attr *a, const struct attr *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case ATTR_NULL:
        return true;
    case ATTR_BOOL:
        return a->u.boolean == b->u.boolean;
    case ATTR_NUMBER:
        return a->u.number == b->u.number;
    case ATTR_STRING:
        return a->u.string.len == b->u.string.len &&
               memcmp(a->u.string.s, b->u.string.s, a->u.string.len) == 0;
    case ATTR_ARRAY:
        return arrays_equal(a, b);
    case ATTR_OBJECT:
        return objects_equal(a, b);
    }
    return false;
}

size_t attr_weight(const struct attr *v)
{
    size_t weight = 1;
    for (size_t i = 0; v->type == ATTR_ARRAY && i < v->u.array.n; i++)
        weight += attr_weight(&v->u.array.items[i]);
    for (size_t i = 0; v->type == ATTR_OBJECT && i < v->u.object.n; i++)
        weight += v->u.object.n + attr_weight(&v->u.object.fields[i].value);
    return weight;
}
