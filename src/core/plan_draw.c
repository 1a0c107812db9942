/* The draws of the assignment contract against a plan's slots. */
#include "core/plan_private.h"

uint32_t ppm_times(uint32_t ppm, uint32_t share)
{
    return (uint32_t)((uint64_t)ppm * share / SLOTS);
}

bool plan_in_layer(const struct plan_experiment *x)
{
    return x->layer && (x->status == STATUS_RUNNING || x->status == STATUS_PAUSED) &&
           slots_sole_owner(&x->layer_slots) == SLOTS_NOBODY;
}

/* The slot's owner; draws only when that takes a draw. The slot is -1 when it was not drawn. */
static uint32_t draw_owner(const struct slots *s, const uint8_t salt[SALT_BYTES], const struct unit *u,
                           enum draw_word word, bool full, int32_t *slot)
{
    uint32_t sole = slots_sole_owner(s);
    struct draw d;
    *slot = -1;
    if (sole != SLOTS_NOBODY && !full)
        return sole;
    draw_unit(salt, u, &d);
    *slot = (int32_t)slot_of(d.w[word]);
    return slots_owner(s, (uint32_t)*slot);
}

bool plan_layer_slot_owned(const struct plan_experiment *x, const struct unit *u, int32_t *slot)
{
    struct draw d;
    if (!plan_in_layer(x))
        return true;
    if (*slot < 0) {
        draw_unit(x->layer->salt, u, &d);
        *slot = (int32_t)slot_of(d.w[DRAW_SELECT]);
    }
    return slots_owner(&x->layer_slots, (uint32_t)*slot) != SLOTS_NOBODY;
}

void draw_occasion(const uint8_t salt[SALT_BYTES], const struct unit *u, const uint8_t *decision,
                   struct draw *out)
{
    static const uint8_t none[16];
    draw_decision(salt, u, decision ? decision : none, out);
}

/* --- which phase --- */

/* Of an experiment without time phases. */
static const struct plan_phase *phase_of_traffic(const struct plan_experiment *x, const struct unit *u,
                                                 bool full, struct lot *out, bool *closed)
{
    /* What is closed depends on the slot, so it must be drawn then. */
    uint32_t owner =
        draw_owner(&x->traffic, x->salt, u, DRAW_SELECT, full || x->closed.n > 0, &out->traffic_slot);
    if (owner == SLOTS_NOBODY)
        return NULL;
    *closed = x->closed.n > 0 && slots_owner(&x->closed, (uint32_t)out->traffic_slot) != SLOTS_NOBODY;
    return &x->phases[owner];
}

/* Of a bandit: the slice that is reserved, or the time phases. */
static const struct plan_phase *phase_of_bandit(const struct plan_experiment *x, const struct unit *u,
                                                int64_t now_us, struct lot *out, bool *closed)
{
    struct draw d;
    draw_unit(x->salt, u, &d);
    uint32_t slot = slot_of(d.w[DRAW_SELECT]), owner = slots_owner(&x->traffic, slot);
    out->traffic_slot = (int32_t)slot;
    if (owner == SLOTS_NOBODY)
        return plan_time_phase(x, &d, now_us, &out->epoch_us, closed);
    *closed = slots_owner(&x->closed, slot) != SLOTS_NOBODY;
    return &x->phases[owner];
}

/* --- which variant --- */

static uint32_t draw_arm(const struct plan_experiment *x, const struct plan_phase *ph, const struct unit *u,
                         bool full, const struct occasion *o, struct lot *out)
{
    struct draw d;
    if (!ph->timed || x->assign == ASSIGN_UNIT)
        return draw_owner(&ph->slots, ph->salt, u, DRAW_VARIANT, full, &out->variant_slot);
    draw_occasion(ph->salt, u, o->decision, &d);
    out->variant_slot = (int32_t)slot_of(d.w[DRAW_VARIANT]);
    return slots_owner(&ph->slots, (uint32_t)out->variant_slot);
}

static enum drawn draw_variant(const struct plan_experiment *x, const struct unit *u, bool full,
                               const struct occasion *o, struct lot *out)
{
    if (out->phase->model)
        return plan_choose(x, u, o, out);
    uint32_t owner = draw_arm(x, out->phase, u, full, o, out);
    if (owner == SLOTS_NOBODY) {
        out->phase = NULL;
        return DRAWN_NOT_IN_TRAFFIC;
    }
    const struct arm *arm = &out->phase->arms[owner];
    out->variant = arm->variant;
    out->propensity_ppm = arm->share_ppm;
    return arm->variant->dropped ? DRAWN_DROPPED : DRAWN;
}

enum drawn plan_draw(const struct plan_experiment *x, const struct unit *u, int32_t layer_slot, bool full,
                     const struct occasion *o, struct lot *out)
{
    bool closed = false;
    *out = (struct lot){
        .layer_slot = layer_slot, .traffic_slot = -1, .variant_slot = -1, .epoch_us = PLAN_ALWAYS};
    if (!plan_layer_slot_owned(x, u, &out->layer_slot))
        return DRAWN_NOT_IN_LAYER;
    out->phase = x->n_timeline > 0 ? phase_of_bandit(x, u, o->now_us, out, &closed)
                                   : phase_of_traffic(x, u, full, out, &closed);
    if (!out->phase)
        return DRAWN_NOT_IN_TRAFFIC;
    enum drawn drawn = draw_variant(x, u, full, o, out);
    return closed && drawn != DRAWN_NOT_IN_TRAFFIC ? DRAWN_CLOSED : drawn;
}

const struct arm *plan_holdout_arm(const struct plan_experiment *holdout, uint32_t slot)
{
    if (holdout->quarantined || holdout->n_phases == 0)
        return NULL;
    const struct plan_phase *ph = &holdout->phases[0];
    uint32_t owner = slots_owner(&ph->slots, slot);
    return owner == SLOTS_NOBODY ? NULL : &ph->arms[owner];
}
