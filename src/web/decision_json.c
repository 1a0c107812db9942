#include "web/decision_json.h"

#include <stdio.h>
#include <string.h>

#include "core/token.h"

bool json_write(struct buffer *b, json_write_fn *write, void *arg)
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

static void text_member(struct json_out *o, const char *key, const char *value)
{
    json_out_key(o, key);
    json_out_string(o, value);
}

static void int_member(struct json_out *o, const char *key, int64_t value)
{
    json_out_key(o, key);
    json_out_int(o, value);
}

/* "all_q4=in,search=out": clients drop nested metadata, so it is one text. */
static void holdouts_member(struct json_out *o, const struct decision *d)
{
    char text[DECISION_HOLDOUTS * 204], *at = text;
    for (size_t i = 0; i < d->n_holdouts; i++)
        at += sprintf(at, "%s%.100s=%.100s", i ? "," : "", plan_experiment_key(d->holdouts[i].experiment),
                      plan_variant_key(d->holdouts[i].variant));
    text_member(o, "holdouts", text);
}

static void experiment_members(struct json_out *o, const struct plan *p, const struct decision *d,
                               const uint8_t decision_id[16], int64_t now_us)
{
    char token[TOKEN_TEXT_MAX + 1];
    const char *unit_type = plan_experiment_unit_type(d->experiment);
    text_member(o, "experiment", plan_experiment_key(d->experiment));
    if (strcmp(unit_type, "user") != 0)
        text_member(o, "unitType", unit_type);
    if (d->phase)
        int_member(o, "phase", plan_phase_number(d->phase));
    if (d->model)
        int_member(o, "model", plan_model_version(d->model));
    if (d->holdout)
        text_member(o, "holdout", plan_experiment_key(d->holdout));
    if (d->n_holdouts > 0)
        holdouts_member(o, d);
    if (token_of_decision(p, d, decision_id, now_us, token))
        text_member(o, "token", token);
}

static void metadata(struct json_out *o, const struct plan *p, const struct decision *d,
                     const uint8_t decision_id[16], int64_t now_us, const char *event_token)
{
    json_out_key(o, "metadata");
    json_out_begin_object(o);
    if (decision_id) {
        json_out_key(o, "decisionId");
        json_out_uuid(o, decision_id);
    }
    text_member(o, "reason", decide_reason_name(d->reason));
    if (d->experiment)
        experiment_members(o, p, d, decision_id, now_us);
    if (d->propensity_ppm >= 0)
        int_member(o, "propensity", d->propensity_ppm);
    if (d->inclusion_ppm >= 0)
        int_member(o, "inclusion", d->inclusion_ppm);
    if (event_token)
        text_member(o, "eventToken", event_token);
    int_member(o, "planVersion", plan_version(p));
    json_out_end_object(o);
}

void decision_json_members(struct json_out *o, const struct plan *p, const struct decision *d,
                           const uint8_t decision_id[16], int64_t now_us, const char *event_token)
{
    text_member(o, "key", plan_flag_key(d->flag));
    text_member(o, "reason", decide_reason_ofrep(d->reason));
    text_member(o, "variant", d->variant_name);
    if (d->value_json) {
        json_out_key(o, "value");
        json_out_raw(o, d->value_json);
    }
    metadata(o, p, d, decision_id, now_us, event_token);
}

void decision_json(struct json_out *o, const struct plan *p, const struct decision *d,
                   const uint8_t decision_id[16], int64_t now_us, const char *event_token)
{
    json_out_begin_object(o);
    decision_json_members(o, p, d, decision_id, now_us, event_token);
    json_out_end_object(o);
}
