#include "web/api_ofrep.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json_in.h"
#include "codec/json_out.h"
#include "core/decide.h"
#include "web/api_worker.h"
#include "web/auth.h"
#include "web/decision_log.h"
#include "web/etag.h"

#define JSON "application/json"

static const struct json_limits context_limits = {64 * 1024, 32, 2000};

/* Runs a writer with the worker's buffer, again with more room when the first was too small. */
typedef void write_fn(struct json_out *o, void *arg);

static bool write_json(struct buffer *b, write_fn *write, void *arg)
{
    size_t cap = b->cap > 4096 ? b->cap : 4096;
    for (;;) {
        struct json_out o;
        buffer_clear(b);
        char *to = (char *)buffer_reserve(b, cap);
        if (!to)
            return false;
        json_out_init(&o, to, cap);
        write(&o, arg);
        if (!o.overflow) {
            b->len = o.len;
            return true;
        }
        cap = o.len > cap ? o.len + 4096 : cap * 2;
    }
}

struct error_answer {
    const char *key, *code, *details;
};

static void write_error(struct json_out *o, void *arg)
{
    const struct error_answer *a = arg;
    json_out_begin_object(o);
    if (*a->key) {
        json_out_key(o, "key");
        json_out_string(o, a->key);
    }
    json_out_key(o, "errorCode");
    json_out_string(o, a->code);
    json_out_key(o, "errorDetails");
    json_out_string(o, a->details);
    json_out_end_object(o);
}

void ofrep_error(const struct api_context *c, int status, const char *code, const char *details)
{
    struct error_answer a = {c->name, code, details};
    if (write_json(&c->w->out, write_error, &a))
        http_reply(c->r, status, JSON, c->w->out.data, c->w->out.len);
    else
        http_reply(c->r, 500, NULL, NULL, 0);
}

/* The request's context as a subject; the attributes live in the worker's arena. False after an error answer.
 */
static bool read_subject(struct api_context *c, struct attr *attributes, struct subject *s)
{
    struct error e;
    json_t *doc = NULL;
    size_t len;
    const char *body = http_body(c->r, &len);
    if (json_in_parse(body, len, &context_limits, &doc, &e) != ERR_OK) {
        char text[sizeof e.text + sizeof e.place + 4];
        snprintf(text, sizeof text, "%s%s%s", e.place, e.place[0] ? ": " : "", e.text);
        ofrep_error(c, 400, "PARSE_ERROR", text);
        return false;
    }
    const json_t *context = json_object_get(doc, "context");
    const json_t *id = json_object_get(context, "targetingKey");
    const char *code = NULL, *why = NULL;
    struct attr copy;
    if (!json_is_object(context)) {
        code = "INVALID_CONTEXT";
        why = "The body needs \"context\", an object: {\"context\": {\"targetingKey\": \"…\"}}.";
    } else if (!json_is_string(id) || json_string_length(id) == 0) {
        code = "TARGETING_KEY_MISSING";
        why = "The context needs \"targetingKey\", a string that names the user.";
    } else if (unit_raw_check(json_string_value(id), json_string_length(id), &e) != ERR_OK) {
        code = "INVALID_CONTEXT";
        why = e.text;
    } else if (json_in_attr(c->w->arena, context, &copy, &e) != ERR_OK) {
        code = "INVALID_CONTEXT";
        why = e.text;
    }
    json_decref(doc);
    if (code) {
        ofrep_error(c, 400, code, why);
        return false;
    }
    *attributes = copy;
    const struct attr *key = attr_get(attributes, "targetingKey", 12);
    subject_init(s, key->u.string.s, key->u.string.len, attributes);
    return true;
}

static void write_metadata(struct json_out *o, const struct plan *p, const struct decision *d,
                           const uint8_t decision_id[16])
{
    json_out_key(o, "metadata");
    json_out_begin_object(o);
    json_out_key(o, "decisionId");
    json_out_uuid(o, decision_id);
    json_out_key(o, "reason");
    json_out_string(o, decide_reason_name(d->reason));
    if (d->experiment) {
        json_out_key(o, "experiment");
        json_out_string(o, plan_experiment_key(d->experiment));
    }
    if (d->phase) {
        json_out_key(o, "phase");
        json_out_int(o, plan_phase_number(d->phase));
    }
    if (d->propensity_ppm >= 0) {
        json_out_key(o, "propensity");
        json_out_int(o, d->propensity_ppm);
    }
    if (d->inclusion_ppm >= 0) {
        json_out_key(o, "inclusion");
        json_out_int(o, d->inclusion_ppm);
    }
    json_out_key(o, "planVersion");
    json_out_int(o, plan_version(p));
    json_out_end_object(o);
}

static void write_flag(struct json_out *o, const struct plan *p, const struct decision *d,
                       const uint8_t decision_id[16])
{
    json_out_begin_object(o);
    json_out_key(o, "key");
    json_out_string(o, plan_flag_key(d->flag));
    json_out_key(o, "reason");
    json_out_string(o, decide_reason_ofrep(d->reason));
    json_out_key(o, "variant");
    json_out_string(o, d->variant_name);
    if (d->value_json) {
        json_out_key(o, "value");
        json_out_raw(o, d->value_json);
    }
    write_metadata(o, p, d, decision_id);
    json_out_end_object(o);
}

struct single {
    const struct plan *plan;
    struct decision decision;
    uint8_t id[16];
};

static void write_single(struct json_out *o, void *arg)
{
    const struct single *s = arg;
    write_flag(o, s->plan, &s->decision, s->id);
}

void ofrep_single(struct api_context *c)
{
    const struct plan *p = c->plan;
    struct attr attributes;
    struct subject subject;
    if (!read_subject(c, &attributes, &subject))
        return;
    const struct plan_flag *flag = plan_flag_find(p, c->name, c->name_len);
    if (!flag) {
        ofrep_error(c, 404, "FLAG_NOT_FOUND",
                    "There is no flag with this key; an experiment makes one when it is created.");
        return;
    }
    int64_t now = clock_wall_us();
    struct single s = {.plan = p};
    decide(p, flag, &subject, now, &s.decision);
    uuid7(now, s.id);
    counter_add(c->w->services.counters, decisions, 1);
    if (!write_json(&c->w->out, write_single, &s)) {
        ofrep_error(c, 500, "GENERAL", "Out of memory.");
        return;
    }
    decision_log(c, &s.decision, s.id, now, MODE_SINGLE, &attributes);
    http_reply(c->r, 200, JSON, c->w->out.data, c->w->out.len);
}

struct bulk {
    const struct plan *plan;
    size_t n;
    struct decision *decisions;
    uint8_t (*ids)[16];
};

static void write_bulk(struct json_out *o, void *arg)
{
    const struct bulk *b = arg;
    json_out_begin_object(o);
    json_out_key(o, "flags");
    json_out_begin_array(o);
    for (size_t i = 0; i < b->n; i++)
        write_flag(o, b->plan, &b->decisions[i], b->ids[i]);
    json_out_end_array(o);
    json_out_key(o, "metadata");
    json_out_begin_object(o);
    json_out_end_object(o);
    json_out_end_object(o);
}

static void hash_text(crypto_generichash_state *h, const char *s)
{
    crypto_generichash_update(h, (const unsigned char *)s, strlen(s) + 1);
}

/* Depends on what was decided (so on the configuration), on the whole context and on the credential; not on
 * the decisions' ids, which are new every time. */
static void make_etag(const struct api_context *c, const struct bulk *b, char etag[40])
{
    crypto_generichash_state h;
    unsigned char digest[16];
    size_t len;
    const char *body = http_body(c->r, &len);
    crypto_generichash_init(&h, NULL, 0, sizeof digest);
    crypto_generichash_update(&h, (const unsigned char *)&c->key->id, sizeof c->key->id);
    crypto_generichash_update(&h, (const unsigned char *)body, len);
    for (size_t i = 0; i < b->n; i++) {
        const struct decision *d = &b->decisions[i];
        int32_t numbers[4] = {(int32_t)d->reason, d->phase ? plan_phase_id(d->phase) : 0, d->propensity_ppm,
                              d->inclusion_ppm};
        hash_text(&h, plan_flag_key(d->flag));
        hash_text(&h, d->variant_name);
        hash_text(&h, d->value_json ? d->value_json : "");
        hash_text(&h, d->experiment ? plan_experiment_key(d->experiment) : "");
        crypto_generichash_update(&h, (const unsigned char *)numbers, sizeof numbers);
    }
    crypto_generichash_final(&h, digest, sizeof digest);
    etag[0] = '"';
    sodium_bin2hex(etag + 1, 33, digest, sizeof digest);
    memcpy(etag + 33, "\"", 2);
}

static bool decide_all(struct api_context *c, struct subject *s, int64_t now, struct bulk *b)
{
    const struct plan *p = b->plan;
    size_t n = plan_flag_count(p);
    b->decisions = arena_alloc(c->w->arena, (n + 1) * sizeof *b->decisions);
    b->ids = arena_alloc(c->w->arena, (n + 1) * sizeof *b->ids);
    if (!b->decisions || !b->ids)
        return false;
    for (size_t i = 0; i < n; i++) {
        decide(p, plan_flag_at(p, i), s, now, &b->decisions[b->n]);
        if (!plan_flag_archived(plan_flag_at(p, i)))
            uuid7(now, b->ids[b->n++]);
    }
    counter_add(c->w->services.counters, decisions, (int64_t)b->n);
    return true;
}

void ofrep_bulk(struct api_context *c)
{
    struct attr attributes;
    struct subject subject;
    struct bulk b = {.plan = c->plan};
    char etag[40];
    int64_t now = clock_wall_us();
    if (!read_subject(c, &attributes, &subject))
        return;
    if (!decide_all(c, &subject, now, &b) || !write_json(&c->w->out, write_bulk, &b)) {
        ofrep_error(c, 500, "GENERAL", "Out of memory.");
        return;
    }
    make_etag(c, &b, etag);
    http_add_header(c->r, "ETag", etag);
    http_add_header(c->r, "Cache-Control", "private, no-cache");
    if (etag_matches(http_header(c->r, "if-none-match"), etag)) {
        http_reply(c->r, 304, NULL, NULL, 0);
        return;
    }
    for (size_t i = 0; i < b.n; i++)
        decision_log(c, &b.decisions[i], b.ids[i], now, MODE_BULK, &attributes);
    http_reply(c->r, 200, JSON, c->w->out.data, c->w->out.len);
}
