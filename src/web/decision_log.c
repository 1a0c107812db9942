#include "web/decision_log.h"

#include <string.h>

#include "codec/json_attr.h"
#include "codec/json_out.h"
#include "web/api_worker.h"
#include "web/auth.h"
#include "web/kept_attributes.h"
#include "web/records.h"

#define MAX_INPUTS 16
#define INPUTS_BYTES 2048

/* Ids of people are never stored: neither the targeting key nor an attribute that names a unit. */
static bool names_a_person(const struct decision *d, const char *name)
{
    return strcmp(name, "targetingKey") == 0 || strcmp(name, "user") == 0 ||
           (d->experiment && strcmp(name, plan_experiment_unit_type(d->experiment)) == 0);
}

/* The attributes the flag's rules looked at, as a JSON object in text; empty when none or too large. */
static struct record_text inputs_used(const struct decision *d, const struct attr *attributes,
                                      char text[INPUTS_BYTES])
{
    const char *names[MAX_INPUTS];
    size_t n = decide_inputs(d->flag, names, MAX_INPUTS), written = 0;
    struct json_out o;
    json_out_init(&o, text, INPUTS_BYTES);
    json_out_begin_object(&o);
    for (size_t i = 0; i < n && i < MAX_INPUTS; i++) {
        const struct attr *a = attr_get(attributes, names[i], strlen(names[i]));
        if (!a || names_a_person(d, names[i]))
            continue;
        json_out_key(&o, names[i]);
        json_out_attr(&o, a);
        written++;
    }
    json_out_end_object(&o);
    if (written == 0 || o.overflow)
        return (struct record_text){"", 0};
    return (struct record_text){text, o.len};
}

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

void decision_log(const struct api_context *c, const struct decision *d, const uint8_t decision_id[16],
                  int64_t now_us, enum decision_mode mode, const struct attr *attributes)
{
    if (mode == MODE_BULK && !d->experiment && d->reason == REASON_DEFAULT)
        return;
    char text[INPUTS_BYTES];
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
        .inputs = inputs_used(d, attributes, text),
        .holdout_id = d->holdout ? plan_experiment_id(d->holdout) : 0,
    };
    memcpy(rec.decision_id, decision_id, 16);
    records_decision(c->w->records, &rec);
    if (mode == MODE_SINGLE)
        log_exposures(c, d, decision_id, now_us, attributes);
}
