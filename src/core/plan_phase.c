/* The phases of an experiment: who owns which slots of traffic, and of each phase. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_private.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

/* One variant of a phase; adds its slots to ranges. */
static int compile_arm(const struct plan_experiment *x, const struct phase_def *def, size_t i,
                       struct plan_phase *ph, struct slot_range *ranges, size_t *n_ranges, struct error *e)
{
    const struct phase_variant_def *v = &def->variants[i];
    const struct plan_variant *variant = plan_variant_find(x, v->variant, strlen(v->variant));
    if (!variant)
        return error_set(e, ERR_INVALID, NULL, "phase %d names a variant that the experiment doesn't have",
                         def->number);
    if (v->share_ppm < 0 || v->share_ppm > (int32_t)SLOTS)
        return error_set(e, ERR_INVALID, NULL, "phase %d: the share of variant %s is %d, not 0 to %u ppm",
                         def->number, variant->key, v->share_ppm, SLOTS);
    uint64_t owned = 0;
    for (size_t k = 0; k < v->n_slots; k++) {
        struct slot_range r = {v->slots[k].lo, v->slots[k].hi, (uint32_t)i};
        owned += r.hi > r.lo ? r.hi - r.lo : 0;
        ranges[(*n_ranges)++] = r;
    }
    /* A variant without slots was dropped; any other mismatch would log a propensity that is not true. */
    if (v->n_slots > 0 && owned != (uint64_t)v->share_ppm)
        return error_set(e, ERR_INVALID, NULL,
                         "phase %d: variant %s has a share of %d ppm but owns %llu slots", def->number,
                         variant->key, v->share_ppm, (unsigned long long)owned);
    ph->arms[i] = (struct arm){.variant = variant, .share_ppm = v->share_ppm};
    return 0;
}

static int check_distinct_arms(const struct plan_experiment *x, const struct plan_phase *ph, struct error *e)
{
    bool *seen = calloc(x->n_variants, sizeof *seen);
    int rc = seen ? 0 : no_memory(e);
    for (size_t i = 0; i < ph->n_arms && rc == 0; i++) {
        size_t index = (size_t)(ph->arms[i].variant - x->variants);
        if (seen[index])
            rc = error_set(e, ERR_INVALID, NULL, "phase %d names variant %s twice", ph->number,
                           ph->arms[i].variant->key);
        seen[index] = true;
    }
    free(seen);
    return rc;
}

static int compile_phase(struct arena *a, const struct plan_experiment *x, const struct phase_def *def,
                         struct plan_phase *ph, struct error *e)
{
    if (def->id <= 0 || def->number <= 0)
        return error_set(e, ERR_INVALID, NULL, "a phase has no id or number");
    if (def->n_variants == 0)
        return error_set(e, ERR_INVALID, NULL, "phase %d has no variants", def->number);
    ph->id = def->id;
    ph->number = def->number;
    ph->timed = def->timed;
    ph->from_us = def->from_us;
    memcpy(ph->salt, def->salt, SALT_BYTES);
    ph->n_arms = def->n_variants;
    ph->arms = arena_alloc(a, ph->n_arms * sizeof *ph->arms);
    size_t total = 0, n = 0;
    for (size_t i = 0; i < def->n_variants; i++)
        total += def->variants[i].n_slots;
    struct slot_range *ranges = calloc(total + 1, sizeof *ranges);
    int rc = ph->arms && ranges ? 0 : no_memory(e);
    for (size_t i = 0; i < def->n_variants && rc == 0; i++)
        rc = compile_arm(x, def, i, ph, ranges, &n, e);
    if (rc == 0)
        rc = check_distinct_arms(x, ph, e);
    if (rc == 0 && (rc = slots_build(a, ranges, n, &ph->slots, e)) == ERR_INVALID) {
        struct error why = *e;
        error_set(e, ERR_INVALID, NULL, "phase %d, variants: %.500s", def->number, why.text);
    }
    free(ranges);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    const struct plan_phase *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* Ranges of each phase (traffic, or what is closed of it) as slots owned by the phase's index; but for time
 * phases, whose slots overlap. */
static int collect_slots(struct arena *a, const struct experiment_def *def, bool closed, struct slots *out,
                         struct error *e)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < def->n_phases; i++)
        total += closed ? def->phases[i].n_closed : def->phases[i].n_traffic;
    struct slot_range *ranges = calloc(total + 1, sizeof *ranges);
    if (!ranges)
        return no_memory(e);
    for (size_t i = 0; i < def->n_phases; i++) {
        const struct phase_def *ph = &def->phases[i];
        for (size_t k = 0; !ph->timed && k < (closed ? ph->n_closed : ph->n_traffic); k++) {
            ranges[n] = closed ? ph->closed[k] : ph->traffic[k];
            ranges[n++].owner = (uint32_t)i;
        }
    }
    int rc = slots_build(a, ranges, n, out, e);
    free(ranges);
    if (rc == ERR_INVALID) {
        struct error why = *e;
        error_set(e, ERR_INVALID, NULL, "%s: %.500s", closed ? "closed traffic" : "traffic", why.text);
    }
    return rc;
}

/* Which phase owns which traffic slot. Phases keep the order of the definition until it is known. */
static int compile_traffic(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                           struct error *e)
{
    int rc = collect_slots(a, def, false, &x->traffic, e);
    if (rc == 0)
        rc = collect_slots(a, def, true, &x->closed, e);
    for (size_t i = 0; i < x->closed.n && rc == 0; i++) {
        const struct slot_range *r = &x->closed.ranges[i];
        if (!slots_contain(&x->traffic, r))
            rc = error_set(e, ERR_INVALID, NULL, "phase %d closes slots [%u,%u) that it does not own",
                           x->phases[r->owner].number, r->lo, r->hi);
    }
    x->open_ppm = x->traffic.total - x->closed.total;
    return rc;
}

static int check_phase_numbers(const struct plan_experiment *x, struct error *e)
{
    struct plan_phase *sorted = calloc(x->n_phases + 1, sizeof *sorted);
    if (!sorted)
        return no_memory(e);
    memcpy(sorted, x->phases, x->n_phases * sizeof *sorted);
    qsort(sorted, x->n_phases, sizeof *sorted, by_number);
    int rc = 0;
    for (size_t i = 1; i < x->n_phases && rc == 0; i++)
        if (sorted[i - 1].number == sorted[i].number)
            rc = error_set(e, ERR_INVALID, NULL, "two phases have the number %d", sorted[i].number);
    free(sorted);
    return rc;
}

int plan_compile_phases(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                        struct error *e)
{
    x->n_phases = def->n_phases;
    x->phases = arena_alloc(a, def->n_phases * sizeof *x->phases);
    if (!x->phases)
        return no_memory(e);
    for (size_t i = 0; i < def->n_phases; i++) {
        int rc = compile_phase(a, x, &def->phases[i], &x->phases[i], e);
        if (rc)
            return rc;
    }
    int rc = def->n_phases > 1 ? check_phase_numbers(x, e) : 0;
    return rc ? rc : compile_traffic(a, def, x, e);
}
