/* A JSON array of a condition, attributes and, perhaps, groups: [{…}, {…}, {"name": […]}]. What compiles is
 * evaluated the same every time, its negation never agrees with it, and what is refused says why. */
#include <jansson.h>
#include <string.h>

#include "codec/json_in.h"
#include "core/condition.h"
#include "core/segment.h"
#include "fuzz.h"

static const struct json_limits limits = {4096, 32, 1000};

static struct attr *copy(struct arena *a, const json_t *v)
{
    struct attr *out = arena_alloc(a, sizeof *out);
    struct error e;
    FUZZ_CHECK(json_in_attr(a, v, out, &e) == ERR_OK);
    return out;
}

static struct segments *groups_of(struct arena *a, const json_t *groups)
{
    struct segments *s = segments_new(a);
    struct error e;
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)groups, name, list)
    {
        if (json_is_array(list))
            segments_add_list(s, name, copy(a, list), &e);
    }
    return s;
}

/* {"$nor": [definition]} or {"$and": [definition]} */
static const struct attr *wrapped(struct arena *a, const char *op, const struct attr *definition)
{
    struct attr_field *field = arena_alloc(a, sizeof *field);
    struct attr *out = arena_alloc(a, sizeof *out);
    *field = (struct attr_field){op, strlen(op), {.type = ATTR_ARRAY, .u.array = {definition, 1}}};
    *out = (struct attr){.type = ATTR_OBJECT, .u.object = {field, 1}};
    return out;
}

static bool says(struct arena *a, const struct attr *definition, struct segments *s,
                 const struct attr *subject, bool *compiled)
{
    const struct condition *c = NULL;
    struct error e;
    error_clear(&e);
    int rc = condition_compile(a, definition, s, &c, &e);
    FUZZ_CHECK(rc == ERR_OK || (rc == ERR_INVALID && c && e.text[0]));
    *compiled = rc == ERR_OK;
    bool met = condition_eval(c, subject);
    FUZZ_CHECK(condition_eval(c, subject) == met);
    for (size_t i = 0; i < condition_input_count(c); i++)
        FUZZ_CHECK(condition_input(c, i));
    return met;
}

static void check(struct arena *a, const json_t *doc)
{
    const struct attr *definition = copy(a, json_array_get(doc, 0)),
                      *subject = copy(a, json_array_get(doc, 1));
    struct segments *s = groups_of(a, json_array_get(doc, 2));
    bool compiled, both;
    bool met = says(a, definition, s, subject, &compiled);
    if (!compiled || definition->type != ATTR_OBJECT)
        return;
    /* One too costly to evaluate is met by nobody, and so may be its negation. */
    bool not_met = says(a, wrapped(a, "$nor", definition), s, subject, &both);
    FUZZ_CHECK(!both || !(met && not_met));
    bool again = says(a, wrapped(a, "$and", definition), s, subject, &both);
    FUZZ_CHECK(!both || !again || (met && !not_met));
}

void fuzz_condition(const uint8_t *data, size_t len)
{
    struct error e;
    json_t *doc = NULL;
    if (json_in_parse((const char *)data, len, &limits, &doc, &e) != ERR_OK)
        return;
    if (json_is_array(doc) && json_array_size(doc) >= 2) {
        struct arena *a = arena_new();
        check(a, doc);
        arena_free(a);
    }
    json_decref(doc);
}
