/* What a condition asks of one value: a value to equal, or operators. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/condition_private.h"
#include "core/segment.h"

/* --- operators --- */

static void compile_same(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    (void)c;
    (void)unused;
    *out = (struct node){.test = TEST_SAME, .u.same = {&op->value, attr_weight(&op->value)}};
}

static bool takes_array(struct compiler *c, const struct attr_field *op)
{
    if (op->value.type != ATTR_ARRAY)
        compile_refuse(c, "%s takes an array of values", op->name);
    return op->value.type == ATTR_ARRAY;
}

static bool takes_text(struct compiler *c, const struct attr_field *op, const char *what)
{
    if (op->value.type != ATTR_STRING)
        compile_refuse(c, "%s takes %s", op->name, what);
    return op->value.type == ATTR_STRING;
}

static void compile_among(struct compiler *c, const struct attr_field *op, struct node *out, int fold)
{
    if (!takes_array(c, op))
        return;
    const struct value_set *set = value_set_new(c->arena, &op->value, fold != 0);
    c->no_memory = c->no_memory || !set;
    *out = (struct node){.test = TEST_AMONG, .u.set = set};
}

/* A list that isn't there has no members; that is what the refused condition shows. */
static void compile_group(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    (void)unused;
    if (!takes_text(c, op, "the key of a segment"))
        return;
    const struct attr *key = &op->value;
    const struct value_set *set = segments_list(c->segments, key->u.string.s, key->u.string.len);
    if (!set)
        compile_refuse(c, "there is no segment %.100s with a list", key->u.string.s);
    *out = (struct node){.test = TEST_AMONG, .u.set = set};
}

static bool is_scalar(const struct attr *v)
{
    return v->type != ATTR_ARRAY && v->type != ATTR_OBJECT;
}

/* Scalars are looked for all at once; each of the others is a demand of its own. */
static void compile_every(struct compiler *c, const struct attr_field *op, struct node *out, int fold)
{
    if (!takes_array(c, op))
        return;
    size_t n = op->value.u.array.n, n_scalars = 0, n_nodes = 0;
    if (n > CONDITION_ALL_MAX) {
        compile_refuse(c, "%s takes at most %d values", op->name, CONDITION_ALL_MAX);
        return;
    }
    struct attr *scalars = compile_room(c, n, sizeof *scalars);
    struct node *nodes = compile_room(c, n, sizeof *nodes);
    if (!scalars || !nodes)
        return;
    for (size_t i = 0; i < n; i++) {
        const struct attr *v = &op->value.u.array.items[i];
        if (is_scalar(v))
            scalars[n_scalars++] = *v;
        else
            compile_demand(c, v, &nodes[n_nodes++]);
    }
    struct attr list = {.type = ATTR_ARRAY, .u.array = {scalars, n_scalars}};
    const struct value_set *set = value_set_new(c->arena, &list, fold != 0);
    c->no_memory = c->no_memory || !set;
    *out = (struct node){.test = TEST_EVERY, .u.every = {set, nodes, n_nodes}};
}

static void compile_order(struct compiler *c, const struct attr_field *op, struct node *out, int met)
{
    const struct attr *v = &op->value;
    if (v->type != ATTR_NUMBER && v->type != ATTR_STRING) {
        compile_refuse(c, "%s takes a number or a text", op->name);
        return;
    }
    *out = (struct node){.test = TEST_ORDER, .u.order.met = (unsigned)met};
    if (v->type == ATTR_NUMBER) {
        out->u.order.is_number = true;
        out->u.order.number = v->u.number;
    } else {
        out->u.order.text = v;
        out->u.order.is_number = condition_text_number(v, &out->u.order.number);
    }
}

static void compile_version(struct compiler *c, const struct attr_field *op, struct node *out, int met)
{
    if (!takes_text(c, op, "a version as a text"))
        return;
    *out = (struct node){.test = TEST_VERSION,
                         .u.version = {(unsigned)met, op->value.u.string.s, op->value.u.string.len}};
    if (op->value.u.string.len == 0) { /* no version, as on the other side */
        out->u.version.s = "0";
        out->u.version.len = 1;
    }
}

static void compile_pattern(struct compiler *c, const struct attr_field *op, struct node *out, int caseless)
{
    struct error e;
    const struct pattern *p;
    if (!takes_text(c, op, "a regular expression"))
        return;
    error_clear(&e);
    int rc = pattern_compile(c->arena, op->value.u.string.s, op->value.u.string.len, caseless != 0, &p, &e);
    c->no_memory = c->no_memory || rc == ERR_NOMEM;
    if (rc)
        compile_refuse(c, "%s", e.text);
    else
        *out = (struct node){.test = TEST_PATTERN, .u.pattern = p};
}

static void compile_exists(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    (void)unused;
    if (op->value.type != ATTR_BOOL)
        compile_refuse(c, "%s takes true or false", op->name);
    else
        *out = (struct node){.test = TEST_EXISTS, .negated = !op->value.u.boolean};
}

static void compile_type(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    static const char *const words[] = {"null", "boolean", "number", "string", "array", "object"};
    (void)unused;
    for (int i = 0; op->value.type == ATTR_STRING && i <= ATTR_OBJECT; i++)
        if (strcmp(op->value.u.string.s, words[i]) == 0) {
            *out = (struct node){.test = TEST_TYPE, .u.type = (enum attr_type)i};
            return;
        }
    compile_refuse(c, "%s takes one of \"string\", \"number\", \"boolean\", \"array\", \"object\", \"null\"",
                   op->name);
}

static void compile_size(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    (void)unused;
    if (op->value.type != ATTR_NUMBER && !compile_only_operators(&op->value)) {
        compile_refuse(c, "%s takes a number, or operators on one", op->name);
        return;
    }
    struct node *child = compile_room(c, 1, sizeof *child);
    if (!child)
        return;
    compile_demand(c, &op->value, child);
    *out = (struct node){.test = TEST_SIZE, .u.child = child};
}

static void compile_element(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    const char *place = c->place;
    (void)unused;
    struct node *child = compile_room(c, 1, sizeof *child);
    if (!child)
        return;
    c->elements++;
    if (compile_only_operators(&op->value))
        compile_demand(c, &op->value, child);
    else
        compile_condition(c, &op->value, child);
    c->elements--;
    c->place = place;
    *out = (struct node){.test = TEST_ELEMENT, .u.child = child};
}

static void compile_not(struct compiler *c, const struct attr_field *op, struct node *out, int unused)
{
    (void)unused;
    compile_demand(c, &op->value, out);
    out->negated = !out->negated;
}

/* --- the table of them --- */

struct operator
{
    const char *name;
    void (*compile)(struct compiler * c, const struct attr_field *op, struct node *out, int how);
    int how;
    bool negated;
};

/* cohort.condition_operator has the same names; the tests compare them. */
static const struct operator operators[] = {
    {"$eq", compile_same, 0, false},
    {"$ne", compile_same, 0, true},
    {"$in", compile_among, false, false},
    {"$nin", compile_among, false, true},
    {"$ini", compile_among, true, false},
    {"$nini", compile_among, true, true},
    {"$inGroup", compile_group, 0, false},
    {"$notInGroup", compile_group, 0, true},
    {"$all", compile_every, false, false},
    {"$alli", compile_every, true, false},
    {"$lt", compile_order, ORDER_LESS, false},
    {"$lte", compile_order, ORDER_LESS | ORDER_EQUAL, false},
    {"$gt", compile_order, ORDER_GREATER, false},
    {"$gte", compile_order, ORDER_GREATER | ORDER_EQUAL, false},
    {"$veq", compile_version, ORDER_EQUAL, false},
    {"$vne", compile_version, ORDER_LESS | ORDER_GREATER, false},
    {"$vlt", compile_version, ORDER_LESS, false},
    {"$vlte", compile_version, ORDER_LESS | ORDER_EQUAL, false},
    {"$vgt", compile_version, ORDER_GREATER, false},
    {"$vgte", compile_version, ORDER_GREATER | ORDER_EQUAL, false},
    {"$regex", compile_pattern, false, false},
    {"$regexi", compile_pattern, true, false},
    {"$exists", compile_exists, 0, false},
    {"$type", compile_type, 0, false},
    {"$size", compile_size, 0, false},
    {"$elemMatch", compile_element, 0, false},
    {"$not", compile_not, 0, false},
};

#define N_OPERATORS (sizeof operators / sizeof *operators)

static const struct operator* find_operator(const char *name)
{
    for (size_t i = 0; i < N_OPERATORS; i++)
        if (strcmp(operators[i].name, name) == 0)
            return &operators[i];
    return NULL;
}

bool compile_known_operator(const char *name)
{
    return find_operator(name) != NULL;
}

static void refuse_operator(struct compiler *c, const struct attr_field *f)
{
    char known[N_OPERATORS * 16];
    size_t n = 0;
    if (!compile_is_operator(f)) {
        compile_refuse(c, "operators and plain names are mixed: \"%.64s\"", f->name);
        return;
    }
    for (size_t i = 0; i < N_OPERATORS; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, " %s", operators[i].name);
    compile_refuse(c, "unknown operator %.64s; known are%s", f->name, known);
}

static void compile_operator(struct compiler *c, const struct attr_field *f, struct node *out)
{
    const struct operator* o = find_operator(f->name);
    if (!o) {
        refuse_operator(c, f);
        return;
    }
    o->compile(c, f, out, o->how);
    if (o->negated && out->test != TEST_NEVER)
        out->negated = !out->negated;
}

/* --- demands --- */

bool compile_only_operators(const struct attr *v)
{
    if (v->type != ATTR_OBJECT || v->u.object.n == 0)
        return false;
    for (size_t i = 0; i < v->u.object.n; i++)
        if (!compile_is_operator(&v->u.object.fields[i]))
            return false;
    return true;
}

static bool has_operators(const struct attr *v)
{
    for (size_t i = 0; v->type == ATTR_OBJECT && i < v->u.object.n; i++)
        if (compile_is_operator(&v->u.object.fields[i]))
            return true;
    return false;
}

void compile_demand(struct compiler *c, const struct attr *demand, struct node *out)
{
    if (!has_operators(demand)) {
        *out = (struct node){.test = TEST_SAME, .u.same = {demand, attr_weight(demand)}};
        return;
    }
    if (!compile_enter(c))
        return;
    size_t n = demand->u.object.n;
    struct node *nodes = n == 1 ? out : compile_room(c, n, sizeof *nodes);
    for (size_t i = 0; nodes && i < n; i++)
        compile_operator(c, &demand->u.object.fields[i], &nodes[i]);
    if (n != 1)
        *out = (struct node){.test = TEST_ALL, .u.children = {nodes, nodes ? n : 0}};
    c->depth--;
}
