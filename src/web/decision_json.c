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

/* Their names are compiled in. */
#define TEXT_MEMBER(o, name, value)                                                                          \
    do {                                                                                                     \
        JSON_OUT_KEY(o, name);                                                                               \
        json_out_string(o, value);                                                                           \
    } while (0)
#define INT_MEMBER(o, name, value)                                                                           \
    do {                                                                                                     \
        JSON_OUT_KEY(o, name);                                                                               \
        json_out_int(o, value);                                                                              \
    } while (0)

/* "all_q4=in,search=out": clients drop nested metadata, so it is one text. */
static void holdouts_member(struct json_out *o, const struct decision *d)
{
    char text[DECISION_HOLDOUTS * 204], *at = text;
    for (size_t i = 0; i < d->n_holdouts; i++)
        at += sprintf(at, "%s%.100s=%.100s", i ? "," : "", plan_experiment_key(d->holdouts[i].experiment),
                      plan_variant_key(d->holdouts[i].variant));
    TEXT_MEMBER(o, "holdouts", text);
}

static void experiment_members(struct json_out *o, const struct plan *p, const struct decision *d,
                               const uint8_t decision_id[16], int64_t now_us)
{
    char token[TOKEN_TEXT_MAX + 1];
    const char *unit_type = plan_experiment_unit_type(d->experiment);
    TEXT_MEMBER(o, "experiment", plan_experiment_key(d->experiment));
    if (strcmp(unit_type, "user") != 0)
        TEXT_MEMBER(o, "unitType", unit_type);
    if (d->phase)
        INT_MEMBER(o, "phase", plan_phase_number(d->phase));
    if (d->model)
        INT_MEMBER(o, "model", plan_model_version(d->model));
    if (d->holdout)
        TEXT_MEMBER(o, "holdout", plan_experiment_key(d->holdout));
    if (d->n_holdouts > 0)
        holdouts_member(o, d);
    if (token_of_decision(p, d, decision_id, now_us, token))
        TEXT_MEMBER(o, "token", token);
}

static void metadata(struct json_out *o, const struct plan *p, const struct decision *d,
                     const uint8_t decision_id[16], int64_t now_us, const char *event_token)
{
    JSON_OUT_KEY(o, "metadata");
    json_out_begin_object(o);
    if (decision_id) {
        JSON_OUT_KEY(o, "decisionId");
        json_out_uuid(o, decision_id);
    }
    TEXT_MEMBER(o, "reason", decide_reason_name(d->reason));
    if (d->experiment)
        experiment_members(o, p, d, decision_id, now_us);
    if (d->propensity_ppm >= 0)
        INT_MEMBER(o, "propensity", d->propensity_ppm);
    if (d->inclusion_ppm >= 0)
        INT_MEMBER(o, "inclusion", d->inclusion_ppm);
    if (event_token)
        TEXT_MEMBER(o, "eventToken", event_token);
    INT_MEMBER(o, "planVersion", plan_version(p));
    json_out_end_object(o);
}

void decision_json_members(struct json_out *o, const struct plan *p, const struct decision *d,
                           const uint8_t decision_id[16], int64_t now_us, const char *event_token)
{
    TEXT_MEMBER(o, "key", plan_flag_key(d->flag));
    TEXT_MEMBER(o, "reason", decide_reason_ofrep(d->reason));
    TEXT_MEMBER(o, "variant", d->variant_name);
    if (d->value_json) {
        JSON_OUT_KEY(o, "value");
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
