#include "core/plan_replay.h"

#include "core/plan_private.h"

static enum reason reason_of(enum drawn drawn)
{
    switch (drawn) {
    case DRAWN_LOW_CONFIDENCE:
        return REASON_LOW_CONFIDENCE;
    case DRAWN_OUT_OF_RANGE:
        return REASON_OUT_OF_RANGE;
    case DRAWN_ATTRIBUTE_MISSING:
        return REASON_ATTRIBUTE_MISSING;
    default:
        return REASON_VARIANT;
    }
}

void plan_replay(const struct plan_experiment *x, const struct replay_of *of, struct replayed *out)
{
    const struct occasion o = {.now_us = of->at_us,
                               .decision = of->decision_id,
                               .attributes = of->attributes,
                               .vector = &out->vector};
    struct lot lot;
    *out = (struct replayed){.reason = REASON_VARIANT, .propensity_ppm = -1};
    if (x->quarantined || x->kind == KIND_HOLDOUT)
        return;
    enum drawn drawn = plan_draw(x, &of->unit, -1, false, &o, &lot);
    if (!lot.phase || !lot.variant)
        return;
    out->reason = reason_of(drawn);
    out->phase = lot.phase;
    out->variant = lot.variant;
    out->propensity_ppm = lot.propensity_ppm;
    out->model = out->vector.n > 0 || lot.phase->model ? lot.phase->model : NULL;
}
