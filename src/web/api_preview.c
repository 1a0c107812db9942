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

/* What is asked besides the flag and its context. */
struct preview_at {
    int64_t now_us;
    uint8_t decision[16]; /* whose draw is shown where each decision is randomised */
};

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

/* {"control": 700000, "calm": 300000} */
static void write_vector(struct json_out *o, const struct vector *v)
{
    json_out_key(o, "probabilities");
    json_out_begin_object(o);
    for (size_t i = 0; i < v->n; i++) {
        json_out_key(o, plan_variant_key(v->list[i].variant));
        json_out_int(o, v->list[i].ppm);
    }
    json_out_end_object(o);
}

static void write_preview(struct json_out *o, void *arg)
{
    const struct preview *v = arg;
    json_out_begin_object(o);
    decision_json_preview(o, v->plan, &v->decision, v->now_us);
    json_out_key(o, "environment");
    json_out_string(o, plan_environment(v->plan));
    json_out_key(o, "unit");
    json_out_uuid(o, v->decision.unit.bytes);
    if (v->decision.vector.n > 0)
        write_vector(o, &v->decision.vector);
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
static bool check_fields(struct api_context *c, const json_t *doc, struct preview_at *at)
{
    static const char *const fields[] = {"flag", "context", "at", "decision"};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)doc, name, v)
    {
        size_t i = 0;
        while (i < sizeof fields / sizeof *fields && strcmp(name, fields[i]) != 0)
            i++;
        if (i == sizeof fields / sizeof *fields) {
            refuse(c, 400, "unknown_field", name, "This is no field of a preview.");
            return false;
        }
    }
    v = json_object_get(doc, "at");
    if (v && (!json_is_string(v) ||
              time_parse(json_string_value(v), json_string_length(v), &at->now_us) != ERR_OK)) {
        refuse(c, 400, "bad_field", "at", "\"at\" must be a time like \"2026-11-02T10:20:30Z\" (RFC 3339).");
        return false;
    }
    v = json_object_get(doc, "decision");
    if (v && (!json_is_string(v) ||
              uuid_parse(json_string_value(v), json_string_length(v), at->decision) != ERR_OK)) {
        refuse(c, 400, "bad_field", "decision", "\"decision\" must be a decision's id, a UUID.");
        return false;
    }
    return true;
}

/* The context in the arena; NULL when there is none, or no memory. */
static const struct attr *context_of(const struct api_context *c, const json_t *doc)
{
    const json_t *context = json_object_get(doc, "context");
    struct attr *attributes = context ? arena_alloc(c->w->arena, sizeof *attributes) : NULL;
    struct error e;
    return attributes && json_in_attr(c->w->arena, context, attributes, &e) == ERR_OK ? attributes : NULL;
}

static void decide_and_answer(struct api_context *c, const json_t *doc, const struct preview_at *at)
{
    const json_t *key = json_object_get(doc, "flag");
    const struct plan_flag *flag =
        json_is_string(key) ? plan_flag_find(c->plan, json_string_value(key), json_string_length(key)) : NULL;
    struct trace *trace = arena_alloc(c->w->arena, sizeof *trace);
    struct subject subject;
    struct subject_refusal why;
    if (!trace) {
        refuse(c, 503, "unavailable", NULL, "Out of memory.");
    } else if (!flag) {
        refuse(c, key ? 404 : 400, key ? "not_found" : "missing_field", "flag",
               key ? "There is no flag with this key in this environment." : "\"flag\" is missing.");
    } else if (!subject_read(context_of(c, doc), &subject, &why)) {
        refuse(c, 400, "bad_context", "context", why.error.text);
    } else {
        struct preview v = {.plan = c->plan, .now_us = at->now_us, .trace = trace};
        *trace = (struct trace){0};
        subject.trace = trace;
        decide(c->plan, flag, &subject, at->decision, at->now_us, freshness_blind_us(c->w->services.counters),
               &v.decision);
        if (json_write(&c->w->out, write_preview, &v))
            http_reply(c->r, 200, "application/json", c->w->out.data, c->w->out.len);
        else
            refuse(c, 503, "unavailable", NULL, "Out of memory.");
    }
}

void preview_post(struct api_context *c)
{
    json_t *doc = definitions_body(c);
    struct preview_at at = {.now_us = clock_wall_us()};
    uuid7_from(&c->w->random, at.now_us, at.decision);
    if (doc && check_fields(c, doc, &at))
        decide_and_answer(c, doc, &at);
    json_decref(doc);
}
