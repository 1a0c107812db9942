#include "web/api_actions.h"

#include <stdio.h>
#include <string.h>

#include "web/api_definitions.h"
#include "web/problem.h"
#include "web/router.h"

enum field_type { TEXT, NUMBER, OBJECT };

struct field {
    const char *name;
    enum field_type type;
    bool required;
};

#define FIELDS_MAX 4

static const struct action {
    const char *op;
    struct field fields[FIELDS_MAX]; /* beside "reason", which each may have */
} actions[] = {
    {"ramp", {{"traffic_ppm", NUMBER, true}, {"shares", OBJECT, false}}},
    {"ship", {{"variant", TEXT, true}, {"holdback_ppm", NUMBER, false}}},
    {"drop_arm", {{"variant", TEXT, true}}},
    {"grow", {{"layer_ppm", NUMBER, true}}},
    {"clone", {{"key", TEXT, true}}},
    {"restart", {{"changes", OBJECT, false}}},
    {"promote", {{"from", TEXT, true}}},
    {"promote_challenger", {{"challenger", TEXT, true}}},
    {"use_model", {{"version", NUMBER, false}}},
};

static const struct field reason = {"reason", TEXT, false};

static const struct field *fields_of(const char *op)
{
    static const struct field none[1];
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(actions[i].op, op) == 0)
            return actions[i].fields;
    }
    return none;
}

static const struct field *field_find(const struct field *fields, const char *name)
{
    if (strcmp(name, reason.name) == 0)
        return &reason;
    for (size_t i = 0; i < FIELDS_MAX && fields[i].name; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

static void refuse(struct api_context *c, const struct field *fields, const char *code, const char *field,
                   const char *why)
{
    char detail[200], hint[200] = "The body may have ";
    size_t n = strlen(hint);
    for (size_t i = 0; i < FIELDS_MAX && fields[i].name; i++)
        n += (size_t)snprintf(hint + n, sizeof hint - n, "%s%s, ", fields[i].name,
                              fields[i].required ? " (required)" : "");
    snprintf(hint + n, sizeof hint - n, "reason.");
    snprintf(detail, sizeof detail, "\"%.60s\" %s", field, why);
    problem_reply(c->r, &(struct problem){.status = 400,
                                          .title = "The body can't be used",
                                          .detail = detail,
                                          .hint = hint,
                                          .pointer = field,
                                          .code = code});
}

static bool right_type(const json_t *v, enum field_type type)
{
    switch (type) {
    case TEXT:
        return json_is_string(v);
    case NUMBER:
        return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX;
    case OBJECT:
        return json_is_object(v);
    }
    return false;
}

/* False after an answer was given. A null is a field left out. */
static bool check(struct api_context *c, const json_t *doc, const struct field *fields)
{
    static const char *const types[] = {"must be a string.", "must be a whole number, 0 or more.",
                                        "must be an object."};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)doc, name, v)
    {
        const struct field *f = field_find(fields, name);
        if (!f) {
            refuse(c, fields, "unknown_field", name, "is no field of this request.");
            return false;
        }
        if ((f->required || !json_is_null(v)) && !right_type(v, f->type)) {
            refuse(c, fields, "bad_field", name, types[f->type]);
            return false;
        }
    }
    for (size_t i = 0; i < FIELDS_MAX && fields[i].name; i++) {
        if (fields[i].required && !json_object_get(doc, fields[i].name)) {
            refuse(c, fields, "missing_field", fields[i].name, "is missing.");
            return false;
        }
    }
    return true;
}

void actions_do(struct api_context *c)
{
    const struct field *fields = fields_of(c->route->op);
    size_t len;
    const char *body = http_body(c->r, &len);
    json_t *doc = len == 0 ? json_object() : definitions_body(c);
    if (doc && check(c, doc, fields)) {
        if (len == 0)
            buffer_add(&c->w->out, "{}", 3);
        else
            buffer_add(&c->w->out, body, len);
        buffer_add(&c->w->out, "", 1);
        definitions_call(c, &(struct call_request){.body = (const char *)c->w->out.data});
    }
    json_decref(doc);
}
