/* One experiment: may it serve now, is the unit eligible, what does it draw. */
#include <string.h>

#include "core/decide_private.h"

bool experiment_is_open(const struct plan_experiment *x, int64_t now_us)
{
    if (x->guard_stopped)
        return false;
    if (x->status == STATUS_SHIPPED)
        return true;
    return x->status == STATUS_RUNNING && now_us >= x->starts_us && now_us < x->ends_us;
}

/* Why it is not open; REASON_VARIANT when it is. A guardrail's stop says more than any other state. */
static enum reason status_reason(const struct plan_experiment *x, int64_t now_us, int64_t blind_us)
{
    if (x->status == STATUS_DRAFT)
        return REASON_NOT_STARTED;
    if (x->status == STATUS_SCHEDULED)
        return REASON_SCHEDULED;
    if (x->guard_stopped)
        return REASON_GUARD_STOP;
    if (x->status == STATUS_STOPPED)
        return REASON_STOPPED;
    if (x->status == STATUS_PAUSED)
        return REASON_PAUSED;
    if (x->status == STATUS_SHIPPED)
        return REASON_VARIANT;
    if (now_us < x->starts_us)
        return REASON_NOT_STARTED;
    if (now_us >= x->ends_us)
        return REASON_ENDED;
    return blind_us > x->guard_max_blind_us ? REASON_GUARD_BLIND : REASON_VARIANT;
}

/* Whole seconds for a trace; -1: for ever. */
static int32_t seconds_of(int64_t us)
{
    if (us == INT64_MAX)
        return -1;
    return us / 1000000 > INT32_MAX ? INT32_MAX : (int32_t)(us / 1000000);
}

static void note_status(const struct question *q, const struct plan_experiment *x, enum reason reason)
{
    NOTE(q, .code = TRACE_STATUS, .ok = reason == REASON_VARIANT, .name = decide_reason_name(reason));
    if (reason == REASON_GUARD_BLIND)
        NOTE(q, .code = TRACE_BLIND, .number = seconds_of(q->blind_us),
             .limit = seconds_of(x->guard_max_blind_us));
}

/* --- overrides --- */

static const struct plan_variant *unit_override(const struct question *q, const struct plan_experiment *x)
{
    struct unit u;
    size_t lo = 0, hi = x->n_unit_overrides;
    if (hi == 0 || !subject_unit(q->plan, q->subject, x->unit_type, &u))
        return NULL;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct unit_override *o = &x->unit_overrides[mid];
        int order = memcmp(u.bytes, o->unit.bytes, sizeof u.bytes);
        if (order == 0)
            return q->now_us < o->expires_us ? o->variant : NULL;
        if (order > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static const struct plan_variant *segment_override(const struct question *q, const struct plan_experiment *x)
{
    for (size_t i = 0; i < x->n_segment_overrides; i++) {
        const struct segment_override *o = &x->segment_overrides[i];
        if (q->now_us < o->expires_us && condition_eval(o->condition, q->subject->attributes))
            return o->variant;
    }
    return NULL;
}

/* A unit's own override comes before its segments'. */
static bool overridden(const struct question *q, const struct plan_experiment *x, struct answer *out)
{
    const char *by = "unit";
    const struct plan_variant *v = unit_override(q, x);
    if (!v) {
        by = "segment";
        v = segment_override(q, x);
    }
    if (!v)
        return false;
    NOTE(q, .code = TRACE_OVERRIDE, .ok = true, .name = v->key, .other = by);
    subject_unit(q->plan, q->subject, x->unit_type, &out->unit);
    serve_variant(v, out);
    return true;
}

/* --- draws --- */

static bool is_safe(enum drawn drawn)
{
    return drawn >= DRAWN_LOW_CONFIDENCE;
}

static void note_lot(const struct question *q, const struct plan_experiment *x, const struct lot *lot,
                     enum drawn drawn)
{
    if (lot->layer_slot >= 0)
        NOTE(q, .code = TRACE_LAYER, .ok = drawn != DRAWN_NOT_IN_LAYER, .name = x->layer->key,
             .number = lot->layer_slot);
    if (drawn == DRAWN_NOT_IN_LAYER)
        return;
    int32_t phase = lot->phase ? lot->phase->number : 0;
    NOTE(q, .code = TRACE_TRAFFIC, .ok = drawn != DRAWN_NOT_IN_TRAFFIC && drawn != DRAWN_CLOSED,
         .number = lot->traffic_slot, .limit = drawn == DRAWN_CLOSED ? -phase : phase);
    if (lot->phase && lot->phase->timed)
        NOTE(q, .code = TRACE_PHASE, .ok = true, .number = phase, .at_us = lot->phase->from_us,
             .since_us = x->stick_us > 0 ? lot->epoch_us : INT64_MIN);
    if (lot->phase && lot->phase->model)
        plan_explain(x, lot->phase, q->subject->attributes, q->subject->trace, q->depth);
    if (lot->variant && drawn != DRAWN_CLOSED)
        NOTE(q, .code = is_safe(drawn) ? TRACE_SAFE : TRACE_VARIANT, .ok = drawn != DRAWN_DROPPED,
             .name = lot->variant->key, .number = lot->variant_slot, .limit = lot->propensity_ppm);
}

static enum drawn draw(const struct question *q, const struct plan_experiment *x, const struct unit *u,
                       struct lot *lot)
{
    bool full = q->subject->trace != NULL;
    int32_t slot = plan_in_layer(x) ? (int32_t)subject_layer_slot(q->subject, x->layer, u) : -1;
    const struct occasion o = {.now_us = q->now_us,
                               .decision = q->decision_id,
                               .attributes = q->subject->attributes,
                               .vector = q->vector};
    enum drawn drawn = plan_draw(x, u, slot, full, &o, lot);
    if (full)
        note_lot(q, x, lot, drawn);
    return drawn;
}

/* layer x traffic, of what passed the holdouts. */
static uint32_t inclusion(const struct question *q, const struct plan_experiment *x, uint32_t holdouts_ppm)
{
    uint32_t ppm = x->layer_slots.n > 0 ? ppm_times(holdouts_ppm, x->layer_slots.total) : holdouts_ppm;
    return ppm_times(ppm, plan_open_ppm(x, q->now_us));
}

static enum reason reason_of(enum drawn drawn)
{
    switch (drawn) {
    case DRAWN:
        return REASON_VARIANT;
    case DRAWN_NOT_IN_LAYER:
        return REASON_NOT_IN_LAYER;
    case DRAWN_DROPPED:
        return REASON_ARM_DROPPED;
    case DRAWN_LOW_CONFIDENCE:
        return REASON_LOW_CONFIDENCE;
    case DRAWN_OUT_OF_RANGE:
        return REASON_OUT_OF_RANGE;
    case DRAWN_ATTRIBUTE_MISSING:
        return REASON_ATTRIBUTE_MISSING;
    case DRAWN_NOT_IN_TRAFFIC:
    case DRAWN_CLOSED:
        break;
    }
    return REASON_NOT_IN_TRAFFIC;
}

static enum reason draw_variant(const struct question *q, const struct plan_experiment *x,
                                uint32_t holdouts_ppm, struct answer *out)
{
    struct lot lot;
    enum drawn drawn = draw(q, x, &out->unit, &lot);
    if (drawn == DRAWN || is_safe(drawn)) {
        serve_variant(lot.variant, out);
        out->phase = lot.phase;
        out->model = lot.phase->model;
        out->propensity_ppm = lot.propensity_ppm;
        out->inclusion_ppm = (int32_t)inclusion(q, x, holdouts_ppm);
    } else {
        out->counterfactual = lot.variant;
    }
    return reason_of(drawn);
}

/* After shipping: everybody, but for the share held back. Neither layer nor traffic matters any more. */
static enum reason draw_shipped(const struct question *q, const struct plan_experiment *x,
                                uint32_t holdouts_ppm, struct answer *out)
{
    struct draw d;
    int32_t slot = -1;
    if (x->holdback_ppm > 0) {
        draw_unit(x->ship_salt, &out->unit, &d);
        slot = (int32_t)slot_of(d.w[DRAW_SELECT]);
    }
    bool back = slot >= 0 && slot < (int32_t)x->holdback_ppm;
    NOTE(q, .code = TRACE_SHIPPED, .ok = !back, .name = back ? x->control->key : x->shipped->key,
         .number = slot, .limit = (int32_t)x->holdback_ppm);
    serve_variant(back ? x->control : x->shipped, out);
    out->counterfactual = back ? x->shipped : NULL;
    out->propensity_ppm = (int32_t)(back ? x->holdback_ppm : SLOTS - x->holdback_ppm);
    out->inclusion_ppm = (int32_t)holdouts_ppm;
    return back ? REASON_HOLDBACK : REASON_SHIPPED;
}

/* --- eligible, and enrolled --- */

static bool targeted(const struct question *q, const struct plan_rule *r)
{
    return rule_meets(q, r) && condition_eval(r->experiment->condition, q->subject->attributes);
}

/* What would have been served becomes the counterfactual of a holdout's member. */
static void hold_out(const struct question *q, const struct asked *a, const struct plan_experiment *x,
                     struct answer *out)
{
    const struct arm *arm = a->list[a->n - 1].arm;
    out->holdout = a->list[a->n - 1].holdout;
    out->holdout_variant = arm->variant;
    out->counterfactual = out->variant;
    out->variant = NULL;
    out->phase = NULL;
    out->model = NULL;
    out->propensity_ppm = arm->share_ppm;
    out->inclusion_ppm =
        (int32_t)(x->status == STATUS_SHIPPED ? a->inclusion_ppm : inclusion(q, x, a->inclusion_ppm));
    out->flag_emptied = arm->variant->gives == GIVES_NOTHING;
}

/* Everything that must hold but the holdouts; the variant, or what is missing. */
static enum reason eligible(const struct question *q, const struct plan_rule *r, uint32_t holdouts_ppm,
                            struct answer *out)
{
    const struct plan_experiment *x = r->experiment;
    if (!prerequisites_met(q, x))
        return REASON_PREREQUISITE;
    bool meets = targeted(q, r);
    NOTE(q, .code = TRACE_TARGETING, .ok = meets, .name = x->key);
    if (!meets)
        return REASON_TARGETING;
    bool present = subject_unit(q->plan, q->subject, x->unit_type, &out->unit);
    if (x->status == STATUS_SHIPPED && (present || x->holdback_ppm == 0))
        return draw_shipped(q, x, holdouts_ppm, out);
    if (!present) {
        NOTE(q, .code = TRACE_UNIT_MISSING, .name = x->unit_type);
        return REASON_UNIT_MISSING;
    }
    return draw_variant(q, x, holdouts_ppm, out);
}

static bool enrolled(enum reason r)
{
    switch (r) {
    case REASON_VARIANT:
    case REASON_SHIPPED:
    case REASON_HOLDBACK:
    case REASON_LOW_CONFIDENCE:
    case REASON_OUT_OF_RANGE:
    case REASON_ATTRIBUTE_MISSING:
        return true;
    default:
        return false;
    }
}

static enum reason enrol(const struct question *q, const struct plan_rule *r, struct answer *out)
{
    const struct plan_experiment *x = r->experiment;
    if (x->n_holdouts == 0)
        return eligible(q, r, SLOTS, out);
    /* Untargeted units are the many, and the cheap ones: nothing of theirs is drawn. */
    if (x->n_prerequisites == 0 && !q->subject->trace && !targeted(q, r))
        return REASON_TARGETING;
    struct asked asked;
    struct question as_if = *q;
    holdouts_ask(q, x, &asked);
    if (asked.held)
        as_if.ignored = asked.list[asked.n - 1].holdout;
    enum reason reason = eligible(&as_if, r, asked.inclusion_ppm, out);
    if (!enrolled(reason))
        return reason;
    holdouts_expose(q, &asked);
    if (!asked.held)
        return reason;
    hold_out(q, &asked, x, out);
    return REASON_HOLDOUT;
}

/* Where each decision is drawn nobody keeps anything. Who keeps a variant by a token is in the experiment
 * like anyone else: holdouts are asked, and told, but they let it be. */
static bool stick(const struct question *q, const struct plan_experiment *x, struct answer *out)
{
    struct asked asked;
    if (!x->sticky || plan_experiment_draws_decisions(x) || x->status != STATUS_RUNNING ||
        !sticky_variant(q, x, out))
        return false;
    holdouts_ask(q, x, &asked);
    holdouts_expose(q, &asked);
    if (out->phase)
        out->inclusion_ppm = (int32_t)inclusion(q, x, asked.inclusion_ppm);
    return true;
}

/* What a targeted subject of an experiment that is not open would have got, were it open. */
static void set_counterfactual(const struct question *q, const struct plan_rule *r, enum reason reason,
                               struct answer *out)
{
    const struct plan_experiment *x = r->experiment;
    struct lot lot;
    bool was_open = reason == REASON_GUARD_STOP || reason == REASON_STOPPED || reason == REASON_PAUSED ||
                    reason == REASON_ENDED || reason == REASON_GUARD_BLIND;
    if (!was_open || x->quarantined || r->broken || !targeted(q, r))
        return;
    if (!subject_unit(q->plan, q->subject, x->unit_type, &out->unit))
        return;
    enum drawn drawn = draw(q, x, &out->unit, &lot);
    if (drawn == DRAWN || is_safe(drawn))
        out->counterfactual = lot.variant;
}

enum reason decide_experiment(const struct question *q, const struct plan_rule *r, struct answer *out)
{
    const struct plan_experiment *x = r->experiment;
    if (!x)
        return REASON_QUARANTINED;
    out->experiment = x;
    if (x->status == STATUS_ARCHIVED) {
        NOTE(q, .code = TRACE_STATUS, .name = decide_reason_name(REASON_ARCHIVED));
        return REASON_ARCHIVED;
    }
    if (!x->quarantined && overridden(q, x, out))
        return REASON_OVERRIDE;
    enum reason reason = status_reason(x, q->now_us, q->blind_us);
    note_status(q, x, reason);
    if (reason != REASON_VARIANT) {
        set_counterfactual(q, r, reason, out);
        return reason;
    }
    if (x->quarantined || r->broken) {
        NOTE(q, .code = TRACE_BROKEN, .name = x->key);
        return REASON_QUARANTINED;
    }
    return stick(q, x, out) ? REASON_STICKY : enrol(q, r, out);
}
