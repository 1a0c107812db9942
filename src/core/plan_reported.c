/* What the contract says of a unit, to check what is reported of decisions made earlier. */
#include "core/plan_private.h"

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

int32_t plan_inclusion_ppm(const struct plan_experiment *x, int64_t at_us)
{
    uint32_t inclusion = SLOTS;
    if (x->kind == KIND_HOLDOUT || x->quarantined)
        return (int32_t)SLOTS;
    for (size_t i = 0; i < x->n_holdouts; i++)
        inclusion = ppm_times(inclusion, x->holdouts[i]->in_ppm[GIVES_EVERYTHING]);
    if (x->layer_slots.n > 0)
        inclusion = ppm_times(inclusion, x->layer_slots.total);
    return (int32_t)ppm_times(inclusion, plan_open_ppm(x, at_us));
}

bool plan_expected(const struct plan_experiment *x, const struct unit *u, const struct plan_phase **phase,
                   const struct plan_variant **variant, int32_t *propensity_ppm, int32_t *inclusion_ppm)
{
    const struct occasion o = {.now_us = PLAN_NEVER};
    struct lot lot;
    if (x->quarantined)
        return false;
    if (x->kind == KIND_HOLDOUT)
        return expected_of_holdout(x, u, phase, variant, propensity_ppm, inclusion_ppm);
    plan_draw(x, u, -1, false, &o, &lot);
    if (!lot.variant || lot.phase->timed)
        return false;
    *phase = lot.phase;
    *variant = lot.variant;
    *propensity_ppm = lot.propensity_ppm;
    *inclusion_ppm = plan_inclusion_ppm(x, PLAN_NEVER);
    return true;
}

/* --- of a time phase --- */

static const struct plan_phase *find_time_phase(const struct plan_experiment *x, int32_t number)
{
    for (size_t i = 0; i < x->n_phases; i++)
        if (x->phases[i].timed && x->phases[i].number == number)
            return &x->phases[i];
    return NULL;
}

/* The unit's draw in the phase the report names. */
static enum plan_report_check draw_in(const struct plan_experiment *x, const struct unit *u,
                                      const struct plan_phase *ph, const struct plan_report *r,
                                      struct plan_assignment *out)
{
    struct draw d;
    if (ph->model)
        return REPORT_NEEDS_TOKEN;
    if (x->assign == ASSIGN_DECISION && !r->decision)
        return REPORT_NEEDS_DECISION;
    if (x->assign == ASSIGN_DECISION)
        draw_occasion(ph->salt, u, r->decision, &d);
    else
        draw_unit(ph->salt, u, &d);
    uint32_t owner = slots_owner(&ph->slots, slot_of(d.w[DRAW_VARIANT]));
    if (owner == SLOTS_NOBODY)
        return REPORT_NOT_IN_TRAFFIC;
    out->phase = ph;
    out->phase_id = ph->id;
    out->variant = ph->arms[owner].variant;
    out->propensity_ppm = ph->arms[owner].share_ppm;
    out->inclusion_ppm = plan_inclusion_ppm(x, r->ts_us);
    return REPORT_DRAWN;
}

enum plan_report_check plan_reported(const struct plan_experiment *x, const struct unit *u,
                                     const struct plan_report *r, struct plan_assignment *out)
{
    struct draw d;
    int32_t layer_slot = -1;
    if (plan_expected(x, u, &out->phase, &out->variant, &out->propensity_ppm, &out->inclusion_ppm)) {
        out->phase_id = out->phase->id;
        return REPORT_DRAWN;
    }
    if (x->quarantined || x->n_timeline == 0 || !plan_layer_slot_owned(x, u, &layer_slot))
        return REPORT_NOT_IN_TRAFFIC;
    draw_unit(x->salt, u, &d);
    uint32_t slot = slot_of(d.w[DRAW_SELECT]);
    if (slots_owner(&x->traffic, slot) != SLOTS_NOBODY)
        return REPORT_NOT_IN_TRAFFIC;
    const struct plan_phase *ph = find_time_phase(x, r->phase);
    if (!ph)
        return REPORT_UNKNOWN_PHASE;
    if (slots_owner(&ph->own, slot) == SLOTS_NOBODY)
        return REPORT_NOT_IN_TRAFFIC;
    return draw_in(x, u, ph, r, out);
}
