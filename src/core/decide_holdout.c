/* Holdouts: which are asked for an experiment, and what their arms leave to the unit. */
#include <string.h>

#include "core/decide_private.h"

/* A holdout that is over, or has not begun, keeps nobody out. */
static const char *why_not_asked(const struct question *q, const struct plan_experiment *h)
{
    if (h == q->ignored)
        return "judged as if it let the unit through";
    if (h->status != STATUS_RUNNING || h->guard_stopped)
        return "it is not running";
    if (q->now_us < h->starts_us || q->now_us >= h->ends_us)
        return "it is not its time";
    if (!condition_eval(h->condition, q->subject->attributes))
        return "its condition is not met";
    return NULL;
}

/* The unit's arm, or NULL when it is not asked. */
static const struct arm *ask(const struct question *q, const struct plan_experiment *h, uint32_t *slot,
                             struct unit *unit)
{
    const char *why = why_not_asked(q, h);
    const struct arm *arm = NULL;
    if (!why) {
        if (subject_holdout_slot(q->plan, q->subject, h, slot, unit))
            arm = plan_holdout_arm(h, *slot);
        why = arm ? NULL : "the context has no unit of its type";
    }
    if (why)
        NOTE(q, .code = TRACE_HOLDOUT_SKIPPED, .name = h->key, .other = why);
    return arm;
}

void holdouts_ask(const struct question *q, const struct plan_experiment *x, struct asked *out)
{
    enum plan_gives needed = x->status == STATUS_SHIPPED ? GIVES_SHIPPED : GIVES_EVERYTHING;
    out->n = 0;
    out->held = false;
    out->inclusion_ppm = SLOTS;
    for (size_t i = 0; i < x->n_holdouts && !out->held; i++) {
        const struct plan_experiment *h = x->holdouts[i];
        struct unit unit;
        uint32_t slot;
        const struct arm *arm = ask(q, h, &slot, &unit);
        if (!arm)
            continue;
        out->list[out->n].holdout = h;
        out->list[out->n].arm = arm;
        out->list[out->n].unit = unit;
        out->list[out->n].inclusion_ppm = out->inclusion_ppm;
        out->n++;
        out->held = arm->variant->gives < needed;
        if (!out->held)
            out->inclusion_ppm = ppm_times(out->inclusion_ppm, h->in_ppm[needed]);
        NOTE(q, .code = TRACE_HOLDOUT, .ok = !out->held, .name = h->key, .other = arm->variant->key,
             .number = (int32_t)slot);
    }
}

/* Two experiments of one flag can be under the same holdout: one exposure. */
static bool exposed_already(const struct decision *d, const struct plan_experiment *h)
{
    for (size_t i = 0; i < d->n_holdouts; i++)
        if (d->holdouts[i].experiment == h)
            return true;
    return false;
}

void holdouts_expose(const struct question *q, const struct asked *a)
{
    struct decision *d = q->exposed;
    for (size_t i = 0; d && i < a->n && d->n_holdouts < DECISION_HOLDOUTS; i++) {
        const struct plan_experiment *h = a->list[i].holdout;
        if (exposed_already(d, h))
            continue;
        d->holdouts[d->n_holdouts++] =
            (struct holdout_exposure){.experiment = h,
                                      .phase = &h->phases[0],
                                      .variant = a->list[i].arm->variant,
                                      .unit = a->list[i].unit,
                                      .propensity_ppm = a->list[i].arm->share_ppm,
                                      .inclusion_ppm = (int32_t)a->list[i].inclusion_ppm};
    }
}

bool holdouts_empty(const struct question *q, const struct plan_flag *f, struct answer *out)
{
    for (size_t i = 0; f->holdouts_may_empty_it && i < f->n_rules; i++) {
        const struct plan_experiment *x = f->rules[i].experiment;
        struct asked a;
        /* A pause is short: what is behind the flag does not change for it. */
        if (!x || x->quarantined || (!experiment_is_open(x, q->now_us) && x->status != STATUS_PAUSED))
            continue;
        holdouts_ask(q, x, &a);
        if (!a.held || a.list[a.n - 1].arm->variant->gives != GIVES_NOTHING)
            continue;
        out->holdout = a.list[a.n - 1].holdout;
        out->holdout_variant = a.list[a.n - 1].arm->variant;
        NOTE(q, .code = TRACE_SUPPRESSED, .name = out->holdout->key);
        return true;
    }
    return false;
}
