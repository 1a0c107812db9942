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

static bool owns_layer_slot(const struct plan_experiment *x, const struct unit *u, bool full, struct lot *out)
{
    if (out->layer_slot >= 0)
        return slots_owner(&x->layer_slots, (uint32_t)out->layer_slot) != SLOTS_NOBODY;
    return draw_owner(&x->layer_slots, x->layer->salt, u, DRAW_SELECT, full, &out->layer_slot) !=
           SLOTS_NOBODY;
}

enum drawn plan_draw(const struct plan_experiment *x, const struct unit *u, int32_t layer_slot, bool full,
                     struct lot *out)
{
    *out = (struct lot){.layer_slot = layer_slot, .traffic_slot = -1, .variant_slot = -1};
    if (plan_in_layer(x) && !owns_layer_slot(x, u, full, out))
        return DRAWN_NOT_IN_LAYER;
    /* What is closed depends on the slot, so it must be drawn then. */
    uint32_t owner =
        draw_owner(&x->traffic, x->salt, u, DRAW_SELECT, full || x->closed.n > 0, &out->traffic_slot);
    if (owner == SLOTS_NOBODY)
        return DRAWN_NOT_IN_TRAFFIC;
    const struct plan_phase *ph = &x->phases[owner];
    bool closed = x->closed.n > 0 && slots_owner(&x->closed, (uint32_t)out->traffic_slot) != SLOTS_NOBODY;
    owner = draw_owner(&ph->slots, ph->salt, u, DRAW_VARIANT, full, &out->variant_slot);
    if (owner == SLOTS_NOBODY)
        return DRAWN_NOT_IN_TRAFFIC;
    out->phase = ph;
    out->arm = &ph->arms[owner];
    if (closed)
        return DRAWN_CLOSED;
    return out->arm->variant->dropped ? DRAWN_DROPPED : DRAWN;
}

const struct arm *plan_holdout_arm(const struct plan_experiment *holdout, uint32_t slot)
{
    if (holdout->quarantined || holdout->n_phases == 0)
        return NULL;
    const struct plan_phase *ph = &holdout->phases[0];
    uint32_t owner = slots_owner(&ph->slots, slot);
    return owner == SLOTS_NOBODY ? NULL : &ph->arms[owner];
}

static bool expected_of_holdout(const struct plan_experiment *x, const struct unit *u,
                                const struct plan_phase **phase, const struct plan_variant **variant,
                                int32_t *propensity_ppm, int32_t *inclusion_ppm)
{
    struct draw d;
    draw_unit(x->salt, u, &d);
    const struct arm *arm = plan_holdout_arm(x, slot_of(d.w[DRAW_SELECT]));
    if (!arm)
        return false;
    *phase = &x->phases[0];
    *variant = arm->variant;
    *propensity_ppm = arm->share_ppm;
    *inclusion_ppm = (int32_t)SLOTS;
    return true;
}

int32_t plan_inclusion(const struct plan_experiment *x)
{
    uint32_t inclusion = SLOTS;
    for (size_t i = 0; i < x->n_holdouts; i++)
        inclusion = ppm_times(inclusion, x->holdouts[i]->in_ppm[GIVES_EVERYTHING]);
    if (x->layer_slots.n > 0)
        inclusion = ppm_times(inclusion, x->layer_slots.total);
    return (int32_t)ppm_times(inclusion, x->open_ppm);
}

bool plan_expected(const struct plan_experiment *x, const struct unit *u, const struct plan_phase **phase,
                   const struct plan_variant **variant, int32_t *propensity_ppm, int32_t *inclusion_ppm)
{
    struct lot lot;
    if (x->quarantined)
        return false;
    if (x->kind == KIND_HOLDOUT)
        return expected_of_holdout(x, u, phase, variant, propensity_ppm, inclusion_ppm);
    plan_draw(x, u, -1, false, &lot);
    if (!lot.arm)
        return false;
    *phase = lot.phase;
    *variant = lot.arm->variant;
    *propensity_ppm = lot.arm->share_ppm;
    *inclusion_ppm = plan_inclusion(x);
    return true;
}
