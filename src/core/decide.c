/* A flag: its rules in order, and the decision made of the first that serves. */
#include "core/decide.h"

#include <string.h>

#include "core/decide_private.h"

bool rule_meets(const struct question *q, const struct plan_rule *r)
{
    return condition_eval(r->condition, q->subject->attributes);
}

void serve_variant(const struct plan_variant *v, struct answer *out)
{
    out->variant = v;
    out->variant_name = v->key;
    out->value_json = v->value_json;
}

/* --- rules without an experiment --- */

static enum reason try_rollout(const struct question *q, const struct plan_rule *r, struct answer *out)
{
    struct draw d;
    if (!subject_unit(q->plan, q->subject, r->unit_type, &out->unit)) {
        NOTE(q, .code = TRACE_UNIT_MISSING, .name = r->unit_type);
        return REASON_UNIT_MISSING;
    }
    draw_unit(r->salt, &out->unit, &d);
    uint32_t slot = slot_of(d.w[DRAW_SELECT]);
    NOTE(q, .code = TRACE_ROLLOUT, .ok = slot < r->share_ppm, .number = (int32_t)slot,
         .limit = (int32_t)r->share_ppm);
    if (slot >= r->share_ppm)
        return REASON_DEFAULT;
    out->variant_name = "rollout";
    out->value_json = r->value_json;
    return REASON_ROLLOUT;
}

static enum reason try_value(const struct question *q, const struct plan_rule *r, struct answer *out)
{
    if (r->broken) {
        NOTE(q, .code = TRACE_BROKEN);
        return REASON_QUARANTINED;
    }
    bool meets = rule_meets(q, r);
    NOTE(q, .code = TRACE_CONDITION, .ok = meets);
    if (!meets)
        return REASON_DEFAULT;
    if (r->kind == RULE_ROLLOUT)
        return try_rollout(q, r, out);
    out->variant_name = "forced";
    out->value_json = r->value_json;
    return REASON_FORCED;
}

/* --- the rules of a flag --- */

static void start(const struct question *q, const struct plan_flag *f, enum reason reason, struct answer *out)
{
    *out = (struct answer){.reason = reason,
                           .variant_name = "default",
                           .value_json = f->default_json,
                           .propensity_ppm = -1,
                           .inclusion_ppm = -1,
                           .drawn_us = q->now_us};
}

static bool serves(enum reason r)
{
    switch (r) {
    case REASON_VARIANT:
    case REASON_FORCED:
    case REASON_ROLLOUT:
    case REASON_OVERRIDE:
    case REASON_SHIPPED:
    case REASON_HOLDBACK:
    case REASON_STICKY:
    case REASON_LOW_CONFIDENCE:
    case REASON_OUT_OF_RANGE:
    case REASON_ATTRIBUTE_MISSING:
        return true;
    default:
        return false;
    }
}

/* Of two reasons to fall back, the first experiment's is told; a rollout's only when there is no experiment.
 */
static void keep_first(struct answer *kept, const struct answer *now)
{
    if (kept->experiment || now->reason == REASON_DEFAULT)
        return;
    if (kept->reason == REASON_DEFAULT || now->experiment)
        *kept = *now;
}

/* A rule serves. Where a holdout kept the unit out of an experiment before it, that stays told: the rule only
 * says what is served instead. */
static void take(struct answer *out, const struct answer *now)
{
    if (out->reason != REASON_HOLDOUT || !out->experiment || now->experiment) {
        *out = *now;
        return;
    }
    out->variant_name = now->variant_name;
    out->value_json = now->value_json;
}

/* One rule; true when the evaluation ends with it. */
static bool try_rule(const struct question *q, const struct plan_flag *f, const struct plan_rule *r,
                     struct answer *out)
{
    static const char *const kinds[] = {"force", "rollout", "experiment"};
    struct answer now;
    NOTE(q, .code = TRACE_RULE, .number = (int32_t)(r - f->rules) + 1, .name = kinds[r->kind],
         .other = r->experiment_key);
    start(q, f, REASON_DEFAULT, &now);
    now.reason = r->kind == RULE_EXPERIMENT ? decide_experiment(q, r, &now) : try_value(q, r, &now);
    bool serving = serves(now.reason);
    if (serving && r->kind != RULE_EXPERIMENT && holdouts_empty(q, f, &now)) {
        now.variant_name = "default";
        now.value_json = f->default_json;
        now.reason = REASON_HOLDOUT;
        now.flag_emptied = true;
        serving = false;
    }
    if (serving) {
        take(out, &now);
        return true;
    }
    if (now.reason == REASON_HOLDOUT && now.experiment) {
        now.variant_name = "default"; /* what it would have been is in the counterfactual */
        now.value_json = f->default_json;
    }
    keep_first(out, &now);
    return now.flag_emptied || (r->broken && r->kind != RULE_EXPERIMENT);
}

void decide_rules(const struct question *q, const struct plan_flag *f, struct answer *out)
{
    start(q, f, f->archived ? REASON_ARCHIVED : REASON_DEFAULT, out);
    if (f->archived) {
        NOTE(q, .code = TRACE_FLAG_ARCHIVED, .name = f->key);
        return;
    }
    for (size_t i = 0; i < f->n_rules; i++)
        if (try_rule(q, f, &f->rules[i], out))
            break;
}

/* --- the decision --- */

static bool unit_is_set(const struct unit *u)
{
    static const struct unit none;
    return memcmp(u, &none, sizeof none) != 0;
}

/* Whose decision it is, also where no rule needed to know. */
static void set_unit(const struct question *q, struct answer *a)
{
    if (!unit_is_set(&a->unit))
        subject_unit(q->plan, q->subject, a->experiment ? a->experiment->unit_type : "user", &a->unit);
    if (!unit_is_set(&a->unit) && a->experiment)
        subject_unit(q->plan, q->subject, "user", &a->unit);
}

void decide(const struct plan *p, const struct plan_flag *f, struct subject *s, const uint8_t *decision_id,
            int64_t now_us, int64_t blind_us, struct decision *out)
{
    int left = PREREQUISITE_MOST;
    const struct question q = {.plan = p,
                               .subject = s,
                               .now_us = now_us,
                               .blind_us = blind_us,
                               .decision_id = decision_id,
                               .vector = &out->vector,
                               .prerequisites_left = &left,
                               .exposed = out};
    struct answer a;
    out->n_holdouts = 0;
    out->vector.n = 0;
    decide_rules(&q, f, &a);
    set_unit(&q, &a);
    out->flag = f;
    out->reason = a.reason;
    out->experiment = a.experiment;
    out->phase = a.phase;
    out->variant = a.variant;
    out->counterfactual = a.counterfactual;
    out->variant_name = a.variant_name;
    out->value_json = a.value_json;
    out->unit = a.unit;
    out->propensity_ppm = a.propensity_ppm;
    out->inclusion_ppm = a.inclusion_ppm;
    out->model = a.model;
    if (!a.model)
        out->vector.n = 0; /* of an experiment that served nothing */
    out->drawn_us = a.drawn_us;
    out->holdout = a.holdout;
    out->holdout_variant = a.holdout_variant;
}

size_t decide_inputs(const struct plan_flag *f, const char **names, size_t max)
{
    for (size_t i = 0; i < f->n_inputs && i < max; i++)
        names[i] = f->inputs[i];
    return f->n_inputs;
}

bool decide_same_inputs(const struct plan_flag *a, const struct plan_flag *b)
{
    bool same = a->n_inputs == b->n_inputs;
    for (size_t i = 0; same && i < a->n_inputs; i++)
        same = strcmp(a->inputs[i], b->inputs[i]) == 0;
    return same;
}
