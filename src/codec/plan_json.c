#include "codec/plan_json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/json_tame.h"
#include "codec/plan_document.h"
#include "codec/plan_fields.h"
#include "core/plan_build.h"
#include "core/plan_stops.h"

/* Definitions nest no deeper than a condition or a value that someone typed; the bound keeps the parser and
 * the functions below, which recurse, far from the end of a thread's stack. */
static const struct json_limits plan_limits = {
    .max_bytes = (size_t)1 << 30, .max_depth = 256, .max_values = UINT_MAX};

/* --- flags --- */

static void read_rule(struct reader *r, const json_t *v, struct rule_def *out)
{
    static const char *const kinds[] = {"force", "rollout", "experiment", NULL};
    r->refused = NULL;
    int kind = word_field(r, v, "kind", kinds);
    out->kind = kind < 0 ? RULE_FORCE : (enum plan_rule_kind)kind;
    out->condition = condition_field(r, v);
    if (out->kind == RULE_EXPERIMENT)
        out->experiment = text_field(r, v, "experiment", NULL);
    else
        out->value_json = value_field(r, v, "value");
    if (out->kind == RULE_ROLLOUT) {
        out->share_ppm = int_field(r, v, "share_ppm");
        out->unit_type = text_field(r, v, "unit_type", "user");
        salt_field(r, v, out->salt);
    }
    out->refused = r->refused;
}

static void read_flag(struct reader *r, const json_t *v)
{
    static const char *const types[] = {"boolean", "string", "number", "object", NULL};
    struct flag_def def = {0};
    r->refused = NULL;
    def.id = int_field(r, v, "id");
    def.key = text_field(r, v, "key", NULL);
    int type = word_field(r, v, "type", types);
    def.type = type < 0 ? VALUE_BOOLEAN : (enum plan_value_type)type;
    def.archived = bool_field(r, v, "archived");
    def.default_json = value_field(r, v, "default");
    const json_t *list = array_field(r, v, "rules");
    const char *refused = r->refused;
    struct rule_def *rules = scratch_array(r, json_array_size(list), sizeof *rules);
    for (size_t i = 0; rules && i < json_array_size(list); i++, def.n_rules++)
        read_rule(r, json_array_get(list, i), &rules[i]);
    def.rules = rules;
    if (refused)
        plan_builder_refuse(r->builder, def.key ? def.key : "flags", "the flag is left out: %s", refused);
    else if (!r->no_memory)
        plan_builder_flag(r->builder, &def);
    arena_reset(r->scratch);
}

/* --- keys, events --- */

static void read_api_key(struct reader *r, const json_t *v)
{
    static const char *const roles[] = {"admin", "product", "analyst", "events", "client", NULL};
    static const char *const priorities[] = {"low", "normal", NULL};
    uint8_t hash[32];
    r->refused = NULL;
    int role = word_field(r, v, "role", roles);
    struct plan_api_key key = {.id = int_field(r, v, "id"),
                               .role = (enum api_role)(role + ROLE_ADMIN),
                               .team = optional_text_field(r, v, "team")};
    key.low = json_object_get(v, "priority") ? word_field(r, v, "priority", priorities) == 0
                                             : key.role == ROLE_CLIENT;
    int rate = json_is_integer(json_object_get(v, "rate_limit")) ? int_field(r, v, "rate_limit") : 0;
    key.rate_limit = rate > 0 ? (unsigned)rate : 0;
    if (!hex_bytes(v, "hash", hash, sizeof hash))
        refuse(r, "hash", "64 hexadecimal digits");
    if (r->refused)
        plan_builder_refuse(r->builder, "api_keys", "a key is left out: %s", r->refused);
    else
        plan_builder_api_key(r->builder, &key, hash);
    arena_reset(r->scratch);
}

static void read_event(struct reader *r, const json_t *v)
{
    if (json_is_string(v) && json_string_length(v) > 0)
        plan_builder_event(r->builder, json_string_value(v));
    else
        plan_builder_refuse(r->builder, "events", "a name is not a text");
}

/* {"refund": ["plan", "amount"]} */
static void read_event_attributes(struct reader *r, const json_t *body)
{
    const char *event;
    json_t *list;
    const json_t *all = json_object_get(body, "event_attributes");
    json_object_foreach((json_t *)all, event, list)
    {
        size_t n = json_array_size(list), kept = 0;
        const char **names = scratch_array(r, n, sizeof *names);
        for (size_t i = 0; names && i < n; i++) {
            const char *name = json_string_value(json_array_get(list, i));
            if (name && name[0])
                names[kept++] = name;
        }
        if (kept < n || !json_is_array(list))
            plan_builder_refuse(r->builder, event, "its attributes are no list of names");
        if (names && !r->no_memory)
            plan_builder_event_attributes(r->builder, event, names, kept);
        arena_reset(r->scratch);
    }
}

static void read_layer(struct reader *r, const json_t *v)
{
    uint8_t salt[SALT_BYTES];
    r->refused = NULL;
    const char *key = text_field(r, v, "key", NULL);
    salt_field(r, v, salt);
    if (r->refused)
        plan_builder_refuse(r->builder, key ? key : "layers", "the layer is left out: %s", r->refused);
    else
        plan_builder_layer(r->builder, key, salt);
    arena_reset(r->scratch);
}

/* A list may have a million entries: it lives in the scratch arena until the builder has copied it. */
static void read_segment(struct reader *r, const json_t *v)
{
    struct segment_def def = {0};
    r->refused = NULL;
    def.key = text_field(r, v, "key", NULL);
    const json_t *list = array_field(r, v, "list");
    def.condition = list ? NULL : condition_field(r, v);
    if (list)
        def.list = scratch_attr(r, list);
    if (!list && !def.condition)
        refuse(r, "a segment", "a condition or a list");
    def.refused = r->refused;
    if (!r->no_memory)
        plan_builder_segment(r->builder, &def);
    arena_reset(r->scratch);
}

/* --- the document --- */

static int damaged(struct error *e, const char *place, const char *text)
{
    return error_set(e, ERR_DAMAGED, place, "%s", text);
}

static int read_version(const json_t *doc, const char *name, int64_t *out, struct error *e)
{
    const json_t *v = json_object_get(doc, name);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return damaged(e, name, "the plan document has no valid version");
    *out = json_integer_value(v);
    return 0;
}

static int read_versions(const json_t *doc, struct plan_header *h, struct error *e)
{
    int rc = read_version(doc, "version", &h->version, e);
    return rc ? rc : read_version(doc, "stop_version", &h->stop_version, e);
}

/* 1 or 2. */
static int read_format(const json_t *doc, json_int_t newest, json_int_t *format, struct error *e)
{
    const json_t *v = json_object_get(doc, "format");
    if (!json_is_object(doc))
        return damaged(e, NULL, "the plan document is not an object");
    *format = json_is_integer(v) ? json_integer_value(v) : 0;
    if (*format < 1 || *format > newest)
        return error_set(e, ERR_DAMAGED, "format",
                         "the plan document has a format this cohortd does not read; it reads %s",
                         newest == 1 ? "1" : "1 and 2");
    return 0;
}

/* The environment's own part of a header. */
static int read_environment(const json_t *body, struct plan_header *h, struct error *e)
{
    const json_t *env = json_object_get(body, "environment");
    if (!json_is_string(env) || json_string_length(env) == 0)
        return damaged(e, "environment", "the plan document names no environment");
    h->environment = json_string_value(env);
    if (!hex_bytes(body, "unit_key", h->unit_key, sizeof h->unit_key))
        return damaged(e, "unit_key", "the plan document has no unit key of 64 hexadecimal digits");
    h->handed_out = !json_object_get(body, "hash_key") && json_object_get(body, "token_key");
    if (h->handed_out && !hex_bytes(body, "token_key", h->token_key, sizeof h->token_key))
        return damaged(e, "token_key", "the plan document has no token key of 64 hexadecimal digits");
    if (!h->handed_out && !hex_bytes(body, "hash_key", h->hash_key, sizeof h->hash_key))
        return damaged(e, "hash_key", "the plan document has no hash key of 64 hexadecimal digits");
    return 0;
}

static int read_list(struct reader *r, const json_t *doc, const char *name,
                     void (*item)(struct reader *, const json_t *), struct error *e)
{
    const json_t *list = json_object_get(doc, name);
    if (!json_is_array(list))
        return damaged(e, name, "the plan document lacks this array");
    for (size_t i = 0; i < json_array_size(list) && !r->no_memory; i++)
        item(r, json_array_get(list, i));
    return 0;
}

/* Lists that the first documents did not have. */
static int read_new_list(struct reader *r, const json_t *doc, const char *name,
                         void (*item)(struct reader *, const json_t *), struct error *e)
{
    return json_object_get(doc, name) ? read_list(r, doc, name, item, e) : 0;
}

/* Stops that whoever handed the document out knew and its experiments did not say. */
static void read_stopped(const json_t *body, struct plan *p)
{
    uint8_t salt[SALT_BYTES];
    size_t n = json_array_size(json_object_get(body, "stopped"));
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(json_object_get(body, "stopped"), i);
        size_t got = 0;
        if (json_is_string(v) &&
            sodium_hex2bin(salt, sizeof salt, json_string_value(v), json_string_length(v), NULL, &got,
                           NULL) == 0 &&
            got == sizeof salt)
            plan_stop(p, salt);
    }
}

static int read_body(struct reader *r, const json_t *body, struct plan **out, struct error *e)
{
    int rc = read_list(r, body, "api_keys", read_api_key, e);
    if (rc == 0)
        rc = read_list(r, body, "events", read_event, e);
    if (rc == 0)
        read_event_attributes(r, body);
    if (rc == 0)
        rc = read_new_list(r, body, "layers", read_layer, e);
    if (rc == 0)
        rc = read_new_list(r, body, "segments", read_segment, e);
    if (rc == 0)
        rc = read_list(r, body, "experiments", read_experiment, e);
    if (rc == 0)
        rc = read_list(r, body, "flags", read_flag, e);
    if (rc == 0 && r->no_memory)
        rc = error_set(e, ERR_NOMEM, NULL, "out of memory");
    if (rc == 0)
        rc = plan_builder_finish(r->builder, out, e);
    if (rc == 0)
        read_stopped(body, *out);
    return rc;
}

/* Parses; a number too large for the parser is no reason to lose the rest. */
static int parse_document(const char *text, size_t len, json_t **doc, size_t *n_strings, struct error *e)
{
    *n_strings = 0;
    int rc = json_in_parse(text, len, &plan_limits, doc, e);
    if (rc == ERR_INVALID) {
        size_t tame_len;
        char *tame = json_tame_numbers(text, len, &tame_len, n_strings);
        if (!tame)
            return error_set(e, ERR_NOMEM, NULL, "out of memory");
        rc = json_in_parse(tame, tame_len, &plan_limits, doc, e);
        sodium_memzero(tame, tame_len);
        free(tame);
    }
    if (rc == ERR_INVALID || rc == ERR_LIMIT)
        e->code = rc = ERR_DAMAGED;
    return rc;
}

static int keep_document(struct plan_builder *b, const json_t *body, const struct plan_header *h,
                         struct error *e)
{
    char *text = plan_document_body(body, h->hash_key);
    if (!text)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    size_t len = strlen(text);
    plan_builder_document(b, text, len);
    sodium_memzero(text, len); /* it has the unit key */
    free(text);
    return 0;
}

/* One environment's plan; versions are in *h already. handout: with the document for clients. */
static int build_plan(const json_t *body, struct plan_header *h, size_t n_strings, bool handout,
                      struct plan **out, struct error *e)
{
    int rc = read_environment(body, h, e);
    if (rc)
        return rc;
    struct reader r = {.builder = plan_builder_new(h), .scratch = arena_new()};
    if (r.builder && handout && !h->handed_out)
        rc = keep_document(r.builder, body, h, e);
    sodium_memzero(h->unit_key, sizeof h->unit_key);
    sodium_memzero(h->hash_key, sizeof h->hash_key);
    if (r.builder && n_strings > 0)
        plan_builder_refuse(r.builder, "document", "%zu numbers are too large and were read as texts",
                            n_strings);
    sodium_memzero(h->token_key, sizeof h->token_key);
    if (!r.builder || !r.scratch)
        rc = error_set(e, ERR_NOMEM, NULL, "out of memory");
    else if (rc == 0)
        rc = read_body(&r, body, out, e);
    arena_free(r.scratch);
    plan_builder_free(r.builder);
    return rc;
}

int plan_from_json(const char *text, size_t len, struct plan **out, struct error *e)
{
    struct error own;
    json_t *doc;
    json_int_t format;
    size_t n_strings;
    struct plan_header h;
    *out = NULL;
    if (!e)
        e = &own;
    int rc = parse_document(text, len, &doc, &n_strings, e);
    if (rc)
        return rc;
    rc = read_format(doc, 1, &format, e);
    if (rc == 0)
        rc = read_versions(doc, &h, e);
    if (rc == 0)
        rc = build_plan(doc, &h, n_strings, false, out, e);
    json_decref(doc);
    return rc;
}

/* --- several environments --- */

static int build_set(const json_t *doc, const json_t *bodies, size_t n_strings, struct plan_set **out,
                     struct error *e)
{
    size_t n = json_array_size(bodies), made = 0;
    struct plan_header h = {0};
    int rc = read_versions(doc, &h, e);
    if (rc)
        return rc;
    struct plan **plans = calloc(n + 1, sizeof *plans);
    if (!plans)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    for (; made < n && rc == 0; made += rc == 0)
        rc = build_plan(json_array_get(bodies, made), &h, n_strings, true, &plans[made], e);
    if (rc == 0 && (rc = plan_set_new(plans, n, h.version, h.stop_version, out, e)) == ERR_INVALID)
        e->code = rc = ERR_DAMAGED;
    for (size_t i = 0; i < made; i++)
        plan_unref(plans[i]);
    free(plans);
    return rc;
}

int plan_set_from_json(const char *text, size_t len, struct plan_set **out, struct error *e)
{
    struct error own;
    json_t *doc, *bodies = NULL;
    json_int_t format;
    size_t n_strings;
    *out = NULL;
    if (!e)
        e = &own;
    int rc = parse_document(text, len, &doc, &n_strings, e);
    if (rc)
        return rc;
    rc = read_format(doc, 2, &format, e);
    if (rc == 0) {
        bodies = format == 1 ? json_pack("[O]", doc) : json_incref(json_object_get(doc, "environments"));
        if (!json_is_array(bodies))
            rc = format == 1 ? error_set(e, ERR_NOMEM, NULL, "out of memory")
                             : damaged(e, "environments", "the plan document lacks this array");
    }
    if (rc == 0)
        rc = build_set(doc, bodies, n_strings, out, e);
    json_decref(bodies);
    json_decref(doc);
    return rc;
}
