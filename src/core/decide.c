#include "core/decide.h"

#include <string.h>

#include "core/plan_private.h"

const char *decide_reason_name(enum reason r)
{
    static const char *const names[REASON_COUNT] = {
        [REASON_DEFAULT] = "DEFAULT",           [REASON_FORCED] = "FORCED",
        [REASON_ROLLOUT] = "ROLLOUT",           [REASON_VARIANT] = "VARIANT",
        [REASON_ARCHIVED] = "ARCHIVED",         [REASON_NOT_STARTED] = "NOT_STARTED",
        [REASON_STOPPED] = "STOPPED",           [REASON_GUARD_STOP] = "GUARD_STOP",
        [REASON_TARGETING] = "TARGETING",       [REASON_NOT_IN_TRAFFIC] = "NOT_IN_TRAFFIC",
        [REASON_UNIT_MISSING] = "UNIT_MISSING", [REASON_QUARANTINED] = "QUARANTINED",
    };
    return (unsigned)r < REASON_COUNT ? names[r] : "UNKNOWN";
}

const char *decide_reason_ofrep(enum reason r)
{
    switch (r) {
    case REASON_FORCED:
        return "TARGETING_MATCH";
    case REASON_ROLLOUT:
    case REASON_VARIANT:
        return "SPLIT";
    case REASON_ARCHIVED:
    case REASON_NOT_STARTED:
    case REASON_STOPPED:
    case REASON_GUARD_STOP:
    case REASON_QUARANTINED:
        return "DISABLED";
    case REASON_DEFAULT:
    case REASON_TARGETING:
    case REASON_NOT_IN_TRAFFIC:
    case REASON_UNIT_MISSING:
        return "DEFAULT";
    case REASON_COUNT:
        break;
    }
    return "UNKNOWN";
}

/* --- the subject --- */

void subject_init(struct subject *s, const char *targeting_key, size_t len, const struct attr *attributes)
{
    s->targeting_key = targeting_key;
    s->targeting_key_len = len;
    s->attributes = attributes;
    s->n_units = 0;
}

static bool subject_raw_id(const struct subject *s, const char *type, const char **raw, size_t *len)
{
    if (strcmp(type, "user") == 0) {
        *raw = s->targeting_key;
        *len = s->targeting_key_len;
        return *raw != NULL;
    }
    const struct attr *id = attr_get(s->attributes, type, strlen(type));
    if (!id || id->type != ATTR_STRING)
        return false;
    *raw = id->u.string.s;
    *len = id->u.string.len;
    return true;
}

bool subject_unit(const struct plan *p, struct subject *s, const char *type, struct unit *out)
{
    for (size_t i = 0; i < s->n_units; i++)
        if (s->units[i].type == type || strcmp(s->units[i].type, type) == 0) {
            *out = s->units[i].unit;
            return s->units[i].present;
        }
    const char *raw = NULL;
    size_t len = 0;
    bool present = subject_raw_id(s, type, &raw, &len) && unit_raw_check(raw, len, NULL) == 0;
    if (present)
        unit_from_raw(plan_unit_key(p), type, strlen(type), raw, len, out);
    else
        memset(out, 0, sizeof *out);
    if (s->n_units < SUBJECT_UNITS) {
        s->units[s->n_units].type = type;
        s->units[s->n_units].unit = *out;
        s->units[s->n_units].present = present;
        s->n_units++;
    }
    return present;
}

/* --- rules --- */

/* Everyone whose decision this is; kept together to keep argument lists short. */
struct question {
    const struct plan *plan;
    struct subject *subject;
};

static bool rule_meets(const struct question *q, const struct plan_rule *r)
{
    return condition_eval(r->condition, q->subject->attributes);
}

/* Fills the part of a decision that a drawn variant has. */
static bool draw_variant(const struct plan_experiment *x, struct decision *out)
{
    return plan_expected(x, &out->unit, &out->phase, &out->variant, &out->propensity_ppm,
                         &out->inclusion_ppm);
}

/* What a subject of a stopped experiment would have got, were it running. */
static void set_counterfactual(const struct question *q, const struct plan_rule *r, struct decision *out)
{
    const struct plan_phase *phase;
    int32_t propensity, inclusion;
    const struct plan_experiment *x = r->experiment;
    if (x->quarantined || !rule_meets(q, r) || !condition_eval(x->condition, q->subject->attributes))
        return;
    if (subject_unit(q->plan, q->subject, x->unit_type, &out->unit))
        plan_expected(x, &out->unit, &phase, &out->counterfactual, &propensity, &inclusion);
}

/* The steps before a draw: REASON_VARIANT when nothing speaks against it. */
static enum reason experiment_open(const struct question *q, const struct plan_rule *r)
{
    const struct plan_experiment *x = r->experiment;
    if (!x)
        return REASON_QUARANTINED;
    if (x->status == STATUS_ARCHIVED)
        return REASON_ARCHIVED;
    if (x->status == STATUS_DRAFT)
        return REASON_NOT_STARTED;
    if (x->guard_stopped)
        return REASON_GUARD_STOP;
    if (x->status == STATUS_STOPPED)
        return REASON_STOPPED;
    if (x->quarantined || r->broken)
        return REASON_QUARANTINED;
    if (!rule_meets(q, r) || !condition_eval(x->condition, q->subject->attributes))
        return REASON_TARGETING;
    return REASON_VARIANT;
}

/* One experiment; out says what came of it. */
static enum reason try_experiment(const struct question *q, const struct plan_rule *r, struct decision *out)
{
    enum reason reason = experiment_open(q, r);
    out->experiment = r->experiment;
    if ((reason == REASON_GUARD_STOP || reason == REASON_STOPPED) && !r->broken)
        set_counterfactual(q, r, out);
    if (reason != REASON_VARIANT)
        return reason;
    if (!subject_unit(q->plan, q->subject, r->experiment->unit_type, &out->unit))
        return REASON_UNIT_MISSING;
    if (!draw_variant(r->experiment, out))
        return REASON_NOT_IN_TRAFFIC;
    out->variant_name = out->variant->key;
    out->value_json = out->variant->value_json;
    return REASON_VARIANT;
}

static enum reason try_rollout(const struct question *q, const struct plan_rule *r, struct decision *out)
{
    struct draw d;
    if (!rule_meets(q, r))
        return REASON_DEFAULT;
    if (!subject_unit(q->plan, q->subject, r->unit_type, &out->unit))
        return REASON_UNIT_MISSING;
    draw_unit(r->salt, &out->unit, &d);
    if (slot_of(d.w[DRAW_SELECT]) >= r->share_ppm)
        return REASON_DEFAULT;
    out->variant_name = "rollout";
    out->value_json = r->value_json;
    return REASON_ROLLOUT;
}

static enum reason try_force(const struct question *q, const struct plan_rule *r, struct decision *out)
{
    if (!rule_meets(q, r))
        return REASON_DEFAULT;
    out->variant_name = "forced";
    out->value_json = r->value_json;
    return REASON_FORCED;
}

static enum reason try_rule(const struct question *q, const struct plan_rule *r, struct decision *out)
{
    if (r->kind == RULE_EXPERIMENT)
        return try_experiment(q, r, out);
    if (r->broken)
        return REASON_QUARANTINED;
    return r->kind == RULE_ROLLOUT ? try_rollout(q, r, out) : try_force(q, r, out);
}

/* --- the decision --- */

static bool serves(enum reason r)
{
    return r == REASON_VARIANT || r == REASON_FORCED || r == REASON_ROLLOUT;
}

static void start(const struct plan_flag *f, enum reason reason, struct decision *out)
{
    *out = (struct decision){.flag = f,
                             .reason = reason,
                             .variant_name = "default",
                             .value_json = f->default_json,
                             .propensity_ppm = -1,
                             .inclusion_ppm = -1};
}

/* Of two reasons to fall back, the first experiment's is told; a rollout's only when there is no experiment.
 */
static void keep_first(struct decision *kept, const struct decision *now)
{
    if (kept->experiment || now->reason == REASON_DEFAULT)
        return;
    if (kept->reason == REASON_DEFAULT || now->experiment)
        *kept = *now;
}

static bool unit_is_set(const struct unit *u)
{
    static const struct unit none;
    return memcmp(u, &none, sizeof none) != 0;
}

void decide(const struct plan *p, const struct plan_flag *f, struct subject *s, int64_t now_us,
            struct decision *out)
{
    (void)now_us; /* no definition has a time yet */
    const struct question q = {p, s};
    start(f, f->archived ? REASON_ARCHIVED : REASON_DEFAULT, out);
    for (size_t i = 0; i < f->n_rules && !f->archived; i++) {
        const struct plan_rule *r = &f->rules[i];
        struct decision now;
        start(f, REASON_DEFAULT, &now);
        now.reason = try_rule(&q, r, &now);
        if (serves(now.reason)) {
            *out = now;
            break;
        }
        keep_first(out, &now);
        if (r->broken && r->kind != RULE_EXPERIMENT)
            break;
    }
    if (!unit_is_set(&out->unit))
        subject_unit(p, s, out->experiment ? out->experiment->unit_type : "user", &out->unit);
    if (!unit_is_set(&out->unit) && out->experiment)
        subject_unit(p, s, "user", &out->unit);
}

size_t decide_inputs(const struct plan_flag *f, const char **names, size_t max)
{
    for (size_t i = 0; i < f->n_inputs && i < max; i++)
        names[i] = f->inputs[i];
    return f->n_inputs;
}
