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

/* Key, reason, variant and value. */
static void served(struct json_out *o, const struct decision *d)
{
    TEXT_MEMBER(o, "key", plan_flag_key(d->flag));
    TEXT_MEMBER(o, "reason", decide_reason_ofrep(d->reason));
    TEXT_MEMBER(o, "variant", d->variant_name);
    if (d->value_json) {
        JSON_OUT_KEY(o, "value");
        json_out_raw(o, d->value_json);
    }
}

static void why(struct json_out *o, const struct decision *d)
{
    TEXT_MEMBER(o, "reason", decide_reason_name(d->reason));
    if (!d->experiment)
        return;
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
}

/* The holdouts asked, and the token. decision_id: NULL in a preview. */
static void own(struct json_out *o, const struct plan *p, const struct decision *d,
                const uint8_t *decision_id, int64_t now_us)
{
    char token[TOKEN_TEXT_MAX + 1];
    if (!d->experiment)
        return;
    if (d->n_holdouts > 0)
        holdouts_member(o, d);
    if (token_of_decision(p, d, decision_id, now_us, token))
        TEXT_MEMBER(o, "token", token);
}

static void chances(struct json_out *o, const struct decision *d)
{
    if (d->propensity_ppm >= 0)
        INT_MEMBER(o, "propensity", d->propensity_ppm);
    if (d->inclusion_ppm >= 0)
        INT_MEMBER(o, "inclusion", d->inclusion_ppm);
}

void decision_json_preview(struct json_out *o, const struct plan *p, const struct decision *d, int64_t now_us)
{
    served(o, d);
    JSON_OUT_KEY(o, "metadata");
    json_out_begin_object(o);
    why(o, d);
    own(o, p, d, NULL, now_us);
    chances(o, d);
    INT_MEMBER(o, "planVersion", plan_version(p));
    json_out_end_object(o);
}

void decision_json_shared(struct json_out *o, const struct decision *d, struct decision_shared *out)
{
    json_out_begin_object(o);
    served(o, d);
    JSON_OUT_KEY(o, "metadata");
    json_out_begin_object(o);
    JSON_OUT_KEY(o, "decisionId");
    out->id_at = o->len;
    o->need_comma = true; /* behind the id, that is */
    why(o, d);
    out->own_at = o->len;
    chances(o, d);
    out->len = o->len;
}

void decision_json_end(const struct plan *p, const char *event_token, struct decision_end *out)
{
    struct json_out o;
    json_out_init(&o, out->text, sizeof out->text);
    o.need_comma = true;
    if (event_token)
        TEXT_MEMBER(&o, "eventToken", event_token);
    INT_MEMBER(&o, "planVersion", plan_version(p));
    json_out_end_object(&o);
    json_out_end_object(&o);
    out->len = o.len;
}

void decision_json(struct json_out *o, const struct plan *p, const struct decision *d,
                   const struct decision_shared *shared, const struct decision_end *end,
                   const uint8_t decision_id[16], int64_t now_us)
{
    const char *text = shared->text;
    json_out_name(o, text, shared->id_at);
    json_out_uuid(o, decision_id);
    json_out_behind(o, text + shared->id_at, shared->own_at - shared->id_at);
    own(o, p, d, decision_id, now_us);
    json_out_behind(o, text + shared->own_at, shared->len - shared->own_at);
    json_out_behind(o, end->text, end->len);
}
