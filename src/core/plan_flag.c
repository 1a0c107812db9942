/* One flag: from its definition to what decide reads. */
#include <string.h>

#include "core/plan_builder_private.h"
#include "core/plan_private.h"

bool plan_value_has_type(const char *json, enum plan_value_type type)
{
    switch (type) {
    case VALUE_BOOLEAN:
        return json[0] == 't' || json[0] == 'f';
    case VALUE_STRING:
        return json[0] == '"';
    case VALUE_NUMBER:
        return json[0] == '-' || (json[0] >= '0' && json[0] <= '9');
    case VALUE_OBJECT:
        return json[0] == '{';
    }
    return false;
}

const char *plan_type_name(enum plan_value_type type)
{
    static const char *const names[] = {"boolean", "string", "number", "object"};
    return names[type];
}

/* NULL for no value; refused values are NULL too, with *ok false. */
static const char *copy_value(struct plan_builder *b, const char *json, enum plan_value_type type, bool *ok)
{
    *ok = true;
    if (!json || strcmp(json, "null") == 0)
        return NULL;
    *ok = plan_value_has_type(json, type);
    if (!*ok)
        return NULL;
    const char *copy = arena_copy(b->arena, json, strlen(json));
    if (!copy)
        b->failed = true;
    return copy;
}

static const char *copy_text(struct plan_builder *b, const char *s)
{
    const char *copy = arena_copy(b->arena, s, strlen(s));
    if (!copy)
        b->failed = true;
    return copy;
}

static int compile_value_rule(struct plan_builder *b, const struct rule_def *def, enum plan_value_type type,
                              struct plan_rule *out, struct error *e)
{
    bool ok;
    out->value_json = copy_value(b, def->value_json, type, &ok);
    if (!ok)
        return error_set(e, ERR_INVALID, NULL, "its value is not of the flag's type, %s",
                         plan_type_name(type));
    if (def->kind != RULE_ROLLOUT)
        return 0;
    if (def->share_ppm < 0 || def->share_ppm > (int32_t)SLOTS)
        return error_set(e, ERR_INVALID, NULL, "its share is %d, not 0 to %u ppm", def->share_ppm, SLOTS);
    const char *unit_type = def->unit_type ? def->unit_type : "user";
    int rc = unit_type_check(unit_type, strlen(unit_type), e);
    if (rc)
        return rc;
    out->share_ppm = (uint32_t)def->share_ppm;
    memcpy(out->salt, def->salt, SALT_BYTES);
    out->unit_type = copy_text(b, unit_type);
    return 0;
}

static int compile_rule(struct plan_builder *b, const struct rule_def *def, enum plan_value_type type,
                        struct plan_rule *out, struct error *e)
{
    out->kind = def->kind;
    if (def->kind == RULE_EXPERIMENT && plan_key_valid(def->experiment))
        out->experiment_key = copy_text(b, def->experiment);
    if (def->refused)
        return error_set(e, ERR_INVALID, NULL, "%s", def->refused);
    if (def->kind == RULE_EXPERIMENT && !out->experiment_key)
        return error_set(e, ERR_INVALID, NULL, "it names no experiment");
    int rc =
        def->condition ? condition_compile(b->arena, def->condition, b->segments, &out->condition, e) : 0;
    if (rc == 0 && def->kind != RULE_EXPERIMENT)
        rc = compile_value_rule(b, def, type, out, e);
    return rc;
}

static void compile_rules(struct plan_builder *b, const struct flag_def *def, struct plan_flag *f)
{
    f->rules = arena_alloc(b->arena, def->n_rules * sizeof *f->rules);
    if (!f->rules) {
        b->failed = true;
        return;
    }
    f->n_rules = def->n_rules;
    for (size_t i = 0; i < def->n_rules; i++) {
        struct error e;
        error_clear(&e);
        int rc = compile_rule(b, &def->rules[i], f->type, &f->rules[i], &e);
        if (rc == 0)
            continue;
        b->failed = b->failed || rc == ERR_NOMEM;
        f->rules[i].broken = true;
        plan_builder_refuse(b, f->key, "rule %zu of the flag: %s%s%s", i + 1, e.place, e.place[0] ? ": " : "",
                            e.text);
    }
}

void plan_builder_flag(struct plan_builder *b, const struct flag_def *def)
{
    if (!plan_key_valid(def->key)) {
        plan_builder_refuse(b, "flags", "the key \"%.100s\" is not valid", def->key ? def->key : "");
        return;
    }
    if (def->id <= 0) {
        plan_builder_refuse(b, def->key, "the flag has no id");
        return;
    }
    struct plan_flag *f = arena_alloc(b->arena, sizeof *f);
    list_add_pointer(b, &b->flags, f);
    if (!f)
        return;
    bool ok;
    f->id = def->id;
    f->key = copy_text(b, def->key);
    f->type = def->type;
    f->archived = def->archived;
    f->default_json = copy_value(b, def->default_json, def->type, &ok);
    if (!ok)
        plan_builder_refuse(b, def->key, "the default value is not of the flag's type, %s",
                            plan_type_name(def->type));
    if (!b->failed)
        compile_rules(b, def, f);
}
