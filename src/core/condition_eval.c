/* Evaluating a compiled condition. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/condition_private.h"
#include "core/semver.h"

/* What is left of the evaluation's steps. Without any the answer is false, whatever stands around the
 * question that took the last one: `out` says so. */
struct run {
    uint32_t steps;
    bool out;
};

static bool spend(struct run *r, size_t price)
{
    if (r->out || price > r->steps) {
        r->out = true;
        return false;
    }
    r->steps -= (uint32_t)price;
    return true;
}

static bool holds(struct run *r, const struct node *n, const struct attr *v);

static bool all_hold(struct run *r, const struct node *n, const struct attr *v)
{
    for (size_t i = 0; i < n->u.children.n; i++)
        if (!holds(r, &n->u.children.nodes[i], v))
            return false;
    return true;
}

static bool any_holds(struct run *r, const struct node *n, const struct attr *v)
{
    for (size_t i = 0; i < n->u.children.n; i++)
        if (holds(r, &n->u.children.nodes[i], v))
            return true;
    return false;
}

/* --- paths --- */

static const struct attr *item_by_number(const struct attr *array, const char *name, size_t len)
{
    size_t i = 0;
    if (len == 0 || len > 9 || (len > 1 && name[0] == '0'))
        return NULL;
    for (size_t k = 0; k < len; k++) {
        if (name[k] < '0' || name[k] > '9')
            return NULL;
        i = 10 * i + (size_t)(name[k] - '0');
    }
    return i < array->u.array.n ? &array->u.array.items[i] : NULL;
}

/* What is not there is null. */
static const struct attr *follow_path(struct run *r, const struct attr *v, const char *path, size_t len)
{
    static const struct attr missing = {.type = ATTR_NULL};
    const char *name = path, *end = path + len;
    while (v && name < end) {
        const char *dot = memchr(name, '.', (size_t)(end - name));
        const char *stop = dot ? dot : end;
        if (v->type == ATTR_OBJECT && !spend(r, v->u.object.n / 16))
            return &missing;
        v = v->type == ATTR_ARRAY ? item_by_number(v, name, (size_t)(stop - name))
                                  : attr_get(v, name, (size_t)(stop - name));
        name = stop + 1;
    }
    return v ? v : &missing;
}

/* --- lists --- */

static bool is_among(struct run *r, const struct node *n, const struct attr *v)
{
    size_t price = value_set_price(n->u.set);
    if (v->type != ATTR_ARRAY)
        return spend(r, price) && value_set_has(n->u.set, v);
    for (size_t i = 0; i < v->u.array.n; i++)
        if (spend(r, price) && value_set_has(n->u.set, &v->u.array.items[i]))
            return true;
    return false;
}

static bool any_item_holds(struct run *r, const struct node *n, const struct attr *v)
{
    if (v->type != ATTR_ARRAY)
        return false;
    for (size_t i = 0; i < v->u.array.n; i++)
        if (holds(r, n, &v->u.array.items[i]))
            return true;
    return false;
}

static bool has_every_scalar(struct run *r, const struct value_set *set, const struct attr *v)
{
    uint64_t seen[CONDITION_ALL_MAX / 64] = {0};
    size_t missing = value_set_scalars(set);
    for (size_t i = 0; i < v->u.array.n && missing > 0; i++) {
        size_t place = spend(r, 1) ? value_set_place(set, &v->u.array.items[i]) : SIZE_MAX;
        if (place == SIZE_MAX || (seen[place / 64] >> place % 64 & 1))
            continue;
        seen[place / 64] |= (uint64_t)1 << place % 64;
        missing--;
    }
    return missing == 0;
}

static bool has_every(struct run *r, const struct node *n, const struct attr *v)
{
    if (v->type != ATTR_ARRAY || !has_every_scalar(r, n->u.every.set, v))
        return false;
    for (size_t i = 0; i < n->u.every.n; i++)
        if (!any_item_holds(r, &n->u.every.nodes[i], v))
            return false;
    return true;
}

static bool size_holds(struct run *r, const struct node *n, const struct attr *v)
{
    if (v->type != ATTR_ARRAY)
        return false;
    const struct attr size = {.type = ATTR_NUMBER, .u.number = (double)v->u.array.n};
    return holds(r, n->u.child, &size);
}

/* --- order --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool condition_text_number(const struct attr *text, double *out)
{
    const char *s = text->u.string.s;
    size_t digits = 0;
    s += *s == '-' || *s == '+';
    for (; is_digit(*s); s++)
        digits++;
    if (*s == '.')
        for (s++; is_digit(*s); s++)
            digits++;
    if (digits == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        if (!is_digit(*s))
            return false;
        while (is_digit(*s))
            s++;
    }
    if (s != text->u.string.s + text->u.string.len)
        return false;
    *out = strtod(text->u.string.s, NULL);
    return true;
}

static bool number_of(const struct attr *v, double *out)
{
    switch (v->type) {
    case ATTR_NULL:
        *out = 0;
        return true;
    case ATTR_BOOL:
        *out = v->u.boolean;
        return true;
    case ATTR_NUMBER:
        *out = v->u.number;
        return true;
    case ATTR_STRING:
        return condition_text_number(v, out);
    case ATTR_ARRAY:
    case ATTR_OBJECT:
        break;
    }
    return false;
}

static bool order_is(unsigned met, int order)
{
    return met & (order < 0 ? ORDER_LESS : order > 0 ? ORDER_GREATER : ORDER_EQUAL);
}

static bool order_holds(const struct node *n, const struct attr *v)
{
    const struct attr *text = n->u.order.text;
    double x, y = n->u.order.number;
    if (text && v->type == ATTR_STRING) {
        size_t a = v->u.string.len, b = text->u.string.len;
        int order = memcmp(v->u.string.s, text->u.string.s, a < b ? a : b);
        return order_is(n->u.order.met, order != 0 ? order : (a > b) - (a < b));
    }
    return n->u.order.is_number && number_of(v, &x) && order_is(n->u.order.met, (x > y) - (x < y));
}

/* The shortest text that reads as the same number, as people write a version. */
static size_t print_number(double v, char *out, size_t size)
{
    int n = 0;
    if (v > -9e18 && v < 9e18 && v == (double)(int64_t)v) {
        n = snprintf(out, size, "%.0f", v);
    } else {
        for (int precision = 1; precision <= 17; precision++) {
            n = snprintf(out, size, "%.*g", precision, v);
            if (strtod(out, NULL) == v)
                break;
        }
    }
    return n > 0 ? (size_t)n : 0;
}

static bool version_holds(const struct node *n, const struct attr *v)
{
    char number[40];
    const char *s = "0";
    size_t len = 1;
    if (v->type == ATTR_STRING && v->u.string.len > 0) {
        s = v->u.string.s;
        len = v->u.string.len;
    } else if (v->type == ATTR_NUMBER) {
        s = number;
        len = print_number(v->u.number, number, sizeof number);
    }
    return order_is(n->u.version.met, semver_compare(s, len, n->u.version.s, n->u.version.len));
}

/* --- texts --- */

static bool pattern_holds(struct run *r, const struct node *n, const struct attr *v)
{
    if (v->type != ATTR_STRING)
        return false;
    enum pattern_answer answer = pattern_find(n->u.pattern, v->u.string.s, v->u.string.len, &r->steps);
    if (answer == PATTERN_GAVE_UP)
        r->out = true;
    return answer == PATTERN_YES;
}

/* --- everything --- */

static bool meets(struct run *r, const struct node *n, const struct attr *v)
{
    switch (n->test) {
    case TEST_NEVER:
        return false;
    case TEST_ALL:
        return all_hold(r, n, v);
    case TEST_ANY:
        return any_holds(r, n, v);
    case TEST_AT:
        return holds(r, n->u.at.child, follow_path(r, v, n->u.at.path, n->u.at.len));
    case TEST_CONDITION:
        return holds(r, &n->u.condition->root, v);
    case TEST_SAME:
        return spend(r, n->u.same.price) && attr_equal(n->u.same.value, v);
    case TEST_AMONG:
        return is_among(r, n, v);
    case TEST_EVERY:
        return has_every(r, n, v);
    case TEST_ORDER:
        return order_holds(n, v);
    case TEST_VERSION:
        return version_holds(n, v);
    case TEST_PATTERN:
        return pattern_holds(r, n, v);
    case TEST_EXISTS:
        return v->type != ATTR_NULL;
    case TEST_TYPE:
        return v->type == n->u.type;
    case TEST_SIZE:
        return size_holds(r, n, v);
    case TEST_ELEMENT:
        return any_item_holds(r, n->u.child, v);
    }
    return false;
}

static bool holds(struct run *r, const struct node *n, const struct attr *v)
{
    return spend(r, 1) && meets(r, n, v) != n->negated;
}

bool condition_eval(const struct condition *c, const struct attr *attributes)
{
    static const struct attr none = {.type = ATTR_OBJECT};
    struct run r = {.steps = CONDITION_STEPS};
    if (!c)
        return true;
    return holds(&r, &c->root, attributes ? attributes : &none) && !r.out;
}
