/* Conditions as a whole: fields, $and, $or, $nor, $not, $segment. */
#include <stdio.h>
#include <string.h>

#include "core/condition_private.h"
#include "core/segment.h"

void compile_refuse(struct compiler *c, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (c->refused)
        return;
    c->refused = true;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    error_set(c->error, ERR_INVALID, c->place, "%s", text);
}

void *compile_room(struct compiler *c, size_t n, size_t size)
{
    void *p = arena_alloc(c->arena, n * size);
    if (!p)
        c->no_memory = true;
    return p;
}

bool compile_enter(struct compiler *c)
{
    if (c->depth < CONDITION_DEPTH_MAX) {
        c->depth++;
        return true;
    }
    compile_refuse(c, "conditions are nested more than %d deep", CONDITION_DEPTH_MAX);
    return false;
}

bool compile_is_operator(const struct attr_field *f)
{
    return f->name_len > 0 && f->name[0] == '$';
}

/* --- the attributes looked at --- */

static bool is_noted(const struct compiler *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->n_inputs; i++)
        if (strncmp(c->inputs[i], name, len) == 0 && c->inputs[i][len] == '\0')
            return true;
    return false;
}

static void note_input(struct compiler *c, const char *name, size_t len)
{
    if (c->elements > 0 || is_noted(c, name, len))
        return;
    if (c->n_inputs == CONDITION_INPUTS_MAX) {
        compile_refuse(c, "a condition looks at no more than %d attributes", CONDITION_INPUTS_MAX);
        return;
    }
    const char *copy = arena_copy(c->arena, name, len);
    if (copy)
        c->inputs[c->n_inputs++] = copy;
    else
        c->no_memory = true;
}

/* --- fields --- */

/* Every name between dots must be there. */
static bool path_is_valid(const struct attr_field *f)
{
    return f->name_len > 0 && f->name_len <= CONDITION_PATH_MAX && f->name[0] != '.' &&
           f->name[f->name_len - 1] != '.' && !strstr(f->name, "..") && strlen(f->name) == f->name_len;
}

static void compile_path(struct compiler *c, const struct attr_field *f, struct node *out)
{
    if (!path_is_valid(f)) {
        compile_refuse(c, "\"%.64s\" is not the path of an attribute: names joined by dots, at most %d bytes",
                       f->name, CONDITION_PATH_MAX);
        return;
    }
    const char *dot = memchr(f->name, '.', f->name_len);
    note_input(c, f->name, dot ? (size_t)(dot - f->name) : f->name_len);
    struct node *child = compile_room(c, 1, sizeof *child);
    if (!child)
        return;
    compile_demand(c, &f->value, child);
    *out = (struct node){.test = TEST_AT, .u.at = {f->name, f->name_len, child}};
}

/* --- conditions combined --- */

static void compile_list(struct compiler *c, const struct attr_field *f, enum test test, struct node *out)
{
    if (f->value.type != ATTR_ARRAY) {
        compile_refuse(c, "%s takes an array of conditions", f->name);
        return;
    }
    size_t n = f->value.u.array.n;
    struct node *nodes = compile_room(c, n, sizeof *nodes);
    for (size_t i = 0; nodes && i < n; i++)
        compile_condition(c, &f->value.u.array.items[i], &nodes[i]);
    if (!nodes)
        return;
    /* Met when empty: $and says nothing, and an $or that says nothing keeps nobody out. */
    *out = (struct node){.test = n == 0 ? TEST_ALL : test, .u.children = {nodes, n}};
}

static void compile_segment(struct compiler *c, const struct attr_field *f, struct node *out)
{
    struct error e;
    if (f->value.type != ATTR_STRING) {
        compile_refuse(c, "$segment takes the key of a segment");
        return;
    }
    const struct condition *of;
    error_clear(&e);
    int rc = segments_condition(c->segments, f->value.u.string.s, f->value.u.string.len, &of, &e);
    c->no_memory = c->no_memory || rc == ERR_NOMEM;
    if (rc) {
        compile_refuse(c, "%s", e.text);
        return;
    }
    if (!of) { /* {}: everyone */
        out->test = TEST_ALL;
        return;
    }
    if (of->level > c->level)
        c->level = of->level;
    for (size_t i = 0; i < of->n_inputs; i++)
        note_input(c, of->inputs[i], strlen(of->inputs[i]));
    *out = (struct node){.test = TEST_CONDITION, .u.condition = of};
}

static void compile_entry(struct compiler *c, const struct attr_field *f, struct node *out)
{
    c->place = f->name;
    if (strcmp(f->name, "$and") == 0) {
        compile_list(c, f, TEST_ALL, out);
    } else if (strcmp(f->name, "$or") == 0) {
        compile_list(c, f, TEST_ANY, out);
    } else if (strcmp(f->name, "$nor") == 0) {
        compile_list(c, f, TEST_ANY, out);
        out->negated = out->test != TEST_NEVER;
    } else if (strcmp(f->name, "$not") == 0) {
        compile_condition(c, &f->value, out);
        out->negated = !out->negated;
    } else if (strcmp(f->name, "$segment") == 0) {
        compile_segment(c, f, out);
    } else if (compile_is_operator(f) && compile_known_operator(f->name)) {
        compile_refuse(c, "%.64s belongs behind an attribute: {\"country\": {\"%.64s\": …}}", f->name,
                       f->name);
    } else if (compile_is_operator(f) && !compile_only_operators(&f->value)) {
        compile_refuse(
            c, "unknown operator %.64s; conditions are combined by $and, $or, $nor, $not, $segment", f->name);
    } else {
        compile_path(c, f, out);
    }
}

void compile_condition(struct compiler *c, const struct attr *definition, struct node *out)
{
    if (definition->type != ATTR_OBJECT) {
        compile_refuse(c, "a condition must be an object");
        return;
    }
    if (!compile_enter(c))
        return;
    size_t n = definition->u.object.n;
    struct node *nodes = n == 1 ? out : compile_room(c, n, sizeof *nodes);
    for (size_t i = 0; nodes && i < n; i++)
        compile_entry(c, &definition->u.object.fields[i], &nodes[i]);
    if (n != 1)
        *out = (struct node){.test = TEST_ALL, .u.children = {nodes, nodes ? n : 0}};
    c->depth--;
}

/* --- the whole --- */

static int finish(struct compiler *c, struct condition *made, const struct condition **out)
{
    made->level = c->level + 1;
    made->n_inputs = c->n_inputs;
    made->inputs = compile_room(c, c->n_inputs, sizeof *made->inputs);
    if (c->no_memory)
        return error_set(c->error, ERR_NOMEM, NULL, "out of memory");
    if (c->n_inputs > 0)
        memcpy(made->inputs, c->inputs, c->n_inputs * sizeof *made->inputs);
    *out = made;
    return c->refused ? ERR_INVALID : 0;
}

int condition_compile(struct arena *a, const struct attr *definition, struct segments *segments,
                      const struct condition **out, struct error *e)
{
    struct compiler c = {.arena = a, .segments = segments, .error = e, .place = "condition"};
    *out = NULL;
    if (definition->type == ATTR_OBJECT && definition->u.object.n == 0)
        return 0;
    struct condition *made = arena_alloc(a, sizeof *made);
    if (!made)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    compile_condition(&c, definition, &made->root);
    if (c.level >= SEGMENT_LEVELS)
        compile_refuse(&c, "segments refer to segments more than %d deep", SEGMENT_LEVELS);
    return finish(&c, made, out);
}

size_t condition_input_count(const struct condition *c)
{
    return c ? c->n_inputs : 0;
}

const char *condition_input(const struct condition *c, size_t i)
{
    return c->inputs[i];
}
