#include "web/api_preview.h"

#include <string.h>

#include "base/clock.h"
#include "codec/json_in.h"
#include "web/api_definitions.h"
#include "web/api_worker.h"
#include "web/decision_json.h"
#include "web/freshness.h"
#include "web/problem.h"
#include "web/subject_read.h"

struct preview {
    const struct plan *plan;
    int64_t now_us;
    struct decision decision;
    const struct trace *trace;
};

static void write_step(struct json_out *o, const struct trace_step *s)
{
    json_out_begin_object(o);
    json_out_key(o, "step");
    json_out_string(o, trace_code_name(s->code));
    json_out_key(o, "ok");
    json_out_bool(o, s->ok);
    if (s->name) {
        json_out_key(o, "name");
        json_out_string(o, s->name);
    }
    if (s->other) {
        json_out_key(o, "other");
        json_out_string(o, s->other);
    }
    if (s->depth > 0) {
        json_out_key(o, "depth");
        json_out_int(o, s->depth);
    }
    json_out_end_object(o);
}

static void write_trace(struct json_out *o, const struct trace *t)
{
    char text[400];
    json_out_key(o, "steps");
    json_out_begin_array(o);
    for (size_t i = 0; i < t->n; i++) {
        trace_describe(&t->steps[i], text, sizeof text);
        json_out_string(o, text);
    }
    if (t->cut)
        json_out_string(o, "… and more steps than are kept");
    json_out_end_array(o);
    json_out_key(o, "trace");
    json_out_begin_array(o);
    for (size_t i = 0; i < t->n; i++)
        write_step(o, &t->steps[i]);
    json_out_end_array(o);
}

static void write_preview(struct json_out *o, void *arg)
{
    const struct preview *v = arg;
    json_out_begin_object(o);
    decision_json_members(o, v->plan, &v->decision, NULL, v->now_us, NULL);
    json_out_key(o, "environment");
    json_out_string(o, plan_environment(v->plan));
    json_out_key(o, "unit");
    json_out_uuid(o, v->decision.unit.bytes);
    if (v->decision.counterfactual) {
        json_out_key(o, "counterfactual");
        json_out_string(o, plan_variant_key(v->decision.counterfactual));
    }
    write_trace(o, v->trace);
    json_out_end_object(o);
}

static void refuse(struct api_context *c, int status, const char *code, const char *field, const char *detail)
{
    problem_reply(
        c->r, &(struct problem){.status = status,
                                .title = status == 404 ? "Not found" : "The body can't be used",
                                .detail = detail,
                                .hint = "Send {\"flag\": \"checkout_cta\", \"context\": {\"targetingKey\": "
                                        "\"c-17\"}}, with \"at\": a time where it matters.",
                                .pointer = field,
                                .code = code});
}

/* False after an answer was given. */
static bool check_fields(struct api_context *c, const json_t *doc, int64_t *at)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)doc, name, v)
    {
        if (strcmp(name, "flag") != 0 && strcmp(name, "context") != 0 && strcmp(name, "at") != 0) {
            refuse(c, 400, "unknown_field", name, "This is no field of a preview.");
            return false;
        }
    }
    v = json_object_get(doc, "at");
    if (v && (!json_is_string(v) || time_parse(json_string_value(v), json_string_length(v), at) != ERR_OK)) {
        refuse(c, 400, "bad_field", "at", "\"at\" must be a time like \"2026-11-02T10:20:30Z\" (RFC 3339).");
        return false;
    }
    return true;
}

static void decide_and_answer(struct api_context *c, const json_t *doc, int64_t now_us)
{
    const json_t *key = json_object_get(doc, "flag");
    const struct plan_flag *flag =
        json_is_string(key) ? plan_flag_find(c->plan, json_string_value(key), json_string_length(key)) : NULL;
    struct trace *trace = arena_alloc(c->w->arena, sizeof *trace);
    struct attr attributes;
    struct subject subject;
    struct subject_refusal why;
    if (!trace) {
        refuse(c, 503, "unavailable", NULL, "Out of memory.");
    } else if (!flag) {
        refuse(c, key ? 404 : 400, key ? "not_found" : "missing_field", "flag",
               key ? "There is no flag with this key in this environment." : "\"flag\" is missing.");
    } else if (!subject_read(c->w->arena, json_object_get(doc, "context"), &attributes, &subject, &why)) {
        refuse(c, 400, "bad_context", "context", why.error.text);
    } else {
        struct preview v = {.plan = c->plan, .now_us = now_us, .trace = trace};
        *trace = (struct trace){0};
        subject.trace = trace;
        decide(c->plan, flag, &subject, now_us, freshness_blind_us(c->w->services.counters), &v.decision);
        if (json_write(&c->w->out, write_preview, &v))
            http_reply(c->r, 200, "application/json", c->w->out.data, c->w->out.len);
        else
            refuse(c, 503, "unavailable", NULL, "Out of memory.");
    }
}

void preview_post(struct api_context *c)
{
    json_t *doc = definitions_body(c);
    int64_t now_us = clock_wall_us();
    if (doc && check_fields(c, doc, &now_us))
        decide_and_answer(c, doc, now_us);
    json_decref(doc);
}
