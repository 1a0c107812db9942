#include "web/decision_log.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_attr.h"
#include "codec/json_out.h"
#include "core/features.h"
#include "web/api_worker.h"
#include "web/auth.h"
#include "web/kept_attributes.h"
#include "web/records.h"

#define MAX_INPUTS 16
#define INPUTS_BYTES 2048 /* with what rules look at */
#define ELIGIBLE_BYTES (DECISION_ARMS * 24 + 8)

static const char *unit_type_of(const struct decision *d)
{
    return d->experiment ? plan_experiment_unit_type(d->experiment) : "user";
}

/* Ids of people are never stored: neither the targeting key nor an attribute that names a unit. */
static bool names_a_person(const struct decision *d, const char *name)
{
    return strcmp(name, "targetingKey") == 0 || strcmp(name, "user") == 0 ||
           strcmp(name, unit_type_of(d)) == 0;
}

/* --- inputs --- */

static void input_member(struct json_out *o, const struct decision *d, const char *name, const struct attr *a,
                         size_t *written)
{
    if (!a || names_a_person(d, name))
        return;
    json_out_key(o, name);
    json_out_attr(o, a);
    ++*written;
}

static bool is_feature(const char *name, const char *const *features, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(features[i], name) == 0)
            return true;
    return false;
}

/* What a model reads of a feature's attribute: of a text no more than it looks at, of lists nothing. */
static void feature_member(struct json_out *o, const struct decision *d, const char *name,
                           const struct attr *a, size_t *written)
{
    struct attr cut;
    if (!a || a->type == ATTR_ARRAY || a->type == ATTR_OBJECT || a->type == ATTR_NULL)
        return;
    if (a->type == ATTR_STRING && a->u.string.len > FEATURE_TEXT_MAX) {
        cut = *a;
        cut.u.string.len = FEATURE_TEXT_MAX; /* longer than any value: it still matches none */
        a = &cut;
    }
    input_member(o, d, name, a, written);
}

struct inputs {
    const struct decision *d;
    const struct attr *attributes;
    const char *const *features;
    size_t n_features;
    bool rules; /* those that rules look at, too */
};

/* Returns how many. */
static size_t write_inputs(struct json_out *o, const struct inputs *in)
{
    const char *names[MAX_INPUTS];
    size_t n = in->rules ? decide_inputs(in->d->flag, names, MAX_INPUTS) : 0, written = 0;
    json_out_begin_object(o);
    for (size_t i = 0; i < in->n_features; i++)
        feature_member(o, in->d, in->features[i],
                       attr_get(in->attributes, in->features[i], strlen(in->features[i])), &written);
    for (size_t i = 0; i < n && i < MAX_INPUTS; i++)
        if (!is_feature(names[i], in->features, in->n_features))
            input_member(o, in->d, names[i], attr_get(in->attributes, names[i], strlen(names[i])), &written);
    json_out_end_object(o);
    return written;
}

/* As text in the arena; empty when there are none, or no room. */
static struct record_text inputs_text(struct arena *a, const struct inputs *in, size_t most)
{
    struct json_out o;
    char room[INPUTS_BYTES];
    json_out_init(&o, room, sizeof room);
    size_t n = write_inputs(&o, in), len = o.len;
    char *text = n > 0 && len <= most ? arena_alloc(a, len + 1) : NULL;
    if (!text)
        return (struct record_text){"", 0};
    if (o.overflow) {
        json_out_init(&o, text, len + 1);
        write_inputs(&o, in);
    } else {
        memcpy(text, room, len);
    }
    return (struct record_text){text, len};
}

/* The attributes the flag's rules looked at, as a JSON object, unless they are too large; but those that the
 * experiment's features read always: without them the decision can't be recomputed. */
static struct record_text inputs_used(const struct api_context *c, const struct decision *d,
                                      const struct attr *attributes)
{
    struct inputs in = {.d = d, .attributes = attributes, .rules = true};
    if (d->experiment)
        in.n_features = plan_experiment_features(d->experiment, &in.features);
    struct record_text text = inputs_text(c->w->arena, &in, INPUTS_BYTES);
    if (text.len > 0 || in.n_features == 0)
        return text;
    in.rules = false;
    return inputs_text(c->w->arena, &in, SIZE_MAX);
}

/* Whether inputs_used says the same of two decisions on one context. */
static bool same_inputs(const struct decision *a, const struct decision *b)
{
    const char *const *features;
    return !(a->experiment && plan_experiment_features(a->experiment, &features) > 0) &&
           !(b->experiment && plan_experiment_features(b->experiment, &features) > 0) &&
           strcmp(unit_type_of(a), unit_type_of(b)) == 0 && decide_same_inputs(a->flag, b->flag);
}

/* The probabilities a model drew from: {"17": 300000, "18": 700000}. */
static struct record_text eligible_text(const struct decision *d, char text[ELIGIBLE_BYTES])
{
    struct json_out o;
    if (d->vector.n == 0)
        return (struct record_text){"", 0};
    json_out_init(&o, text, ELIGIBLE_BYTES);
    json_out_begin_object(&o);
    for (size_t i = 0; i < d->vector.n; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", plan_variant_id(d->vector.list[i].variant));
        json_out_key(&o, id);
        json_out_int(&o, d->vector.list[i].ppm);
    }
    json_out_end_object(&o);
    return (struct record_text){text, o.len};
}

/* --- exposures --- */

static void log_exposure(const struct api_context *c, struct record_exposure x, const uint8_t id[16],
                         int64_t now_us)
{
    x.ts_us = now_us;
    x.has_decision = true;
    x.trusted = auth_trusted(c->key);
    x.origin = ORIGIN_EVALUATED;
    memcpy(x.event_id, id, 16);
    memcpy(x.decision_id, id, 16);
    records_exposure(c->w->records, &x);
}

static void log_exposures(const struct api_context *c, const struct decision *d, const uint8_t id[16],
                          int64_t now_us, const struct attr *attributes)
{
    char segments[SEGMENTS_BYTES];
    if (d->variant && d->phase && d->experiment && plan_experiment_exposes(d->experiment))
        log_exposure(
            c,
            (struct record_exposure){.unit = d->unit,
                                     .experiment_id = plan_experiment_id(d->experiment),
                                     .variant_id = plan_variant_id(d->variant),
                                     .phase_id = plan_phase_id(d->phase),
                                     .propensity_ppm = d->propensity_ppm,
                                     .inclusion_ppm = d->inclusion_ppm,
                                     .segments = segments_of_context(d->experiment, attributes, segments)},
            id, now_us);
    for (size_t i = 0; i < d->n_holdouts; i++) {
        const struct holdout_exposure *h = &d->holdouts[i];
        log_exposure(
            c,
            (struct record_exposure){.unit = h->unit,
                                     .experiment_id = plan_experiment_id(h->experiment),
                                     .variant_id = plan_variant_id(h->variant),
                                     .phase_id = plan_phase_id(h->phase),
                                     .propensity_ppm = h->propensity_ppm,
                                     .inclusion_ppm = h->inclusion_ppm,
                                     .segments = segments_of_context(h->experiment, attributes, segments)},
            id, now_us);
    }
}

static void log_decision(const struct api_context *c, const struct decision *d, const uint8_t decision_id[16],
                         int64_t now_us, enum decision_mode mode, struct record_text inputs)
{
    char eligible[ELIGIBLE_BYTES];
    const char *reason = decide_reason_name(d->reason);
    struct record_decision rec = {
        .unit = d->unit,
        .ts_us = now_us,
        .flag_id = plan_flag_id(d->flag),
        .experiment_id = d->experiment ? plan_experiment_id(d->experiment) : 0,
        .variant_id = d->variant ? plan_variant_id(d->variant) : 0,
        .phase_id = d->phase ? plan_phase_id(d->phase) : 0,
        .counterfactual_id = d->counterfactual ? plan_variant_id(d->counterfactual) : 0,
        .reason = {reason, strlen(reason)},
        .propensity_ppm = d->propensity_ppm,
        .inclusion_ppm = d->inclusion_ppm,
        .mode = mode,
        .plan_version = plan_version(c->plan),
        .inputs = inputs,
        .holdout_id = d->holdout ? plan_experiment_id(d->holdout) : 0,
        .model_id = d->model ? plan_model_id(d->model) : 0,
        .eligible = eligible_text(d, eligible),
    };
    memcpy(rec.decision_id, decision_id, 16);
    records_decision(c->w->records, &rec);
}

void decision_log(const struct api_context *c, const struct decision *d, const uint8_t decision_id[16],
                  int64_t now_us, bool exposes, const struct attr *attributes)
{
    log_decision(c, d, decision_id, now_us, exposes ? MODE_SINGLE : MODE_READ, inputs_used(c, d, attributes));
    if (exposes)
        log_exposures(c, d, decision_id, now_us, attributes);
}

void decision_log_bulk(const struct api_context *c, const struct decision *list, const uint8_t (*ids)[16],
                       size_t n, int64_t now_us, const struct attr *attributes)
{
    const struct decision *before = NULL;
    struct record_text inputs = {"", 0};
    for (size_t i = 0; i < n; i++) {
        const struct decision *d = &list[i];
        if (!d->experiment && d->reason == REASON_DEFAULT)
            continue;
        if (!before || !same_inputs(before, d))
            inputs = inputs_used(c, d, attributes);
        log_decision(c, d, ids[i], now_us, MODE_BULK, inputs);
        before = d;
    }
}
