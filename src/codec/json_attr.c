#include "codec/json_attr.h"

#include <math.h>

/* Whole numbers print without an exponent or a decimal point, as the sender most likely wrote them. */
static void write_number(struct json_out *o, double v)
{
    if (v == floor(v) && fabs(v) < 9007199254740992.0)
        json_out_int(o, (int64_t)v);
    else
        json_out_double(o, v);
}

static void write_array(struct json_out *o, const struct attr *a)
{
    json_out_begin_array(o);
    for (size_t i = 0; i < a->u.array.n; i++)
        json_out_attr(o, &a->u.array.items[i]);
    json_out_end_array(o);
}

static void write_object(struct json_out *o, const struct attr *a)
{
    json_out_begin_object(o);
    for (size_t i = 0; i < a->u.object.n; i++) {
        json_out_key(o, a->u.object.fields[i].name);
        json_out_attr(o, &a->u.object.fields[i].value);
    }
    json_out_end_object(o);
}

void json_out_attr(struct json_out *o, const struct attr *a)
{
    switch (a->type) {
    case ATTR_NULL:
        json_out_null(o);
        break;
    case ATTR_BOOL:
        json_out_bool(o, a->u.boolean);
        break;
    case ATTR_NUMBER:
        write_number(o, a->u.number);
        break;
    case ATTR_STRING:
        json_out_string_n(o, a->u.string.s, a->u.string.len);
        break;
    case ATTR_ARRAY:
        write_array(o, a);
        break;
    case ATTR_OBJECT:
        write_object(o, a);
        break;
    }
}
