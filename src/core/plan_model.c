/* What an experiment has besides phases: its layer, shipping, overrides, prerequisites and holdouts. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_private.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

/* The variant of a key that a definition names, or an error saying who named it. */
static int find_variant(const struct plan_experiment *x, const char *key, const char *who,
                        const struct plan_variant **out, struct error *e)
{
    *out = key ? plan_variant_find(x, key, strlen(key)) : NULL;
    return *out ? 0
                : error_set(e, ERR_INVALID, NULL, "%s names a variant that the experiment doesn't have", who);
}

static int compile_layer(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                         struct error *e)
{
    if (!def->layer)
        return 0;
    x->layer_key = arena_copy(a, def->layer, strlen(def->layer));
    struct slot_range *ranges = calloc(def->n_layer_slots + 1, sizeof *ranges);
    int rc = x->layer_key && ranges ? 0 : no_memory(e);
    for (size_t i = 0; i < def->n_layer_slots && rc == 0; i++)
        ranges[i] = (struct slot_range){def->layer_slots[i].lo, def->layer_slots[i].hi, 0};
    if (rc == 0 && (rc = slots_build(a, ranges, def->n_layer_slots, &x->layer_slots, e)) == ERR_INVALID) {
        struct error why = *e;
        error_set(e, ERR_INVALID, NULL, "layer slots: %.500s", why.text);
    }
    free(ranges);
    return rc;
}

/* --- shipping --- */

static int find_control(const struct experiment_def *def, struct plan_experiment *x, struct error *e)
{
    x->control = plan_variant_find(x, "control", 7);
    size_t marked = 0;
    for (size_t i = 0; i < def->n_variants; i++)
        if (def->variants[i].control) {
            x->control = &x->variants[i];
            marked++;
        }
    return marked <= 1 ? 0 : error_set(e, ERR_INVALID, NULL, "%zu variants are marked as control", marked);
}

static int compile_ship(const struct experiment_def *def, struct plan_experiment *x, struct error *e)
{
    const struct ship_def *s = def->shipped;
    if (def->status != STATUS_SHIPPED)
        return 0;
    if (!s)
        return error_set(e, ERR_INVALID, NULL, "it shipped, but not which variant");
    if (s->holdback_ppm < 0 || s->holdback_ppm > (int32_t)SLOTS)
        return error_set(e, ERR_INVALID, NULL, "the holdback is %d, not 0 to %u ppm", s->holdback_ppm, SLOTS);
    if (s->holdback_ppm > 0 && !x->control)
        return error_set(e, ERR_INVALID, NULL, "a holdback keeps control, but there is no control");
    x->holdback_ppm = (uint32_t)s->holdback_ppm;
    memcpy(x->ship_salt, s->salt, SALT_BYTES);
    return find_variant(x, s->variant, "what shipped", &x->shipped, e);
}

/* --- overrides --- */

static int by_unit(const void *a, const void *b)
{
    const struct unit_override *x = a, *y = b;
    return memcmp(x->unit.bytes, y->unit.bytes, sizeof x->unit.bytes);
}

/* {"$segment": key} as a condition. */
static int segment_condition(struct arena *a, struct segments *segments, const char *key,
                             const struct condition **out, struct error *e)
{
    struct attr_field *f = arena_alloc(a, sizeof *f);
    struct attr *object = arena_alloc(a, sizeof *object);
    char *copy = key ? arena_copy(a, key, strlen(key)) : NULL;
    if (!key)
        return error_set(e, ERR_INVALID, NULL, "an override names neither a unit nor a segment");
    if (!f || !object || !copy)
        return no_memory(e);
    *f = (struct attr_field){"$segment", 8, {.type = ATTR_STRING, .u.string = {copy, strlen(copy)}}};
    *object = (struct attr){.type = ATTR_OBJECT, .u.object = {f, 1}};
    return condition_compile(a, object, segments, out, e);
}

static int compile_override(struct arena *a, struct segments *segments, const struct override_def *o,
                            struct plan_experiment *x, struct error *e)
{
    const struct plan_variant *variant;
    int rc = find_variant(x, o->variant, "an override", &variant, e);
    if (rc)
        return rc;
    if (o->has_unit) {
        x->unit_overrides[x->n_unit_overrides++] = (struct unit_override){o->unit, variant, o->expires_us};
        return 0;
    }
    struct segment_override *s = &x->segment_overrides[x->n_segment_overrides];
    rc = segment_condition(a, segments, o->segment, &s->condition, e);
    if (rc)
        return rc;
    s->variant = variant;
    s->expires_us = o->expires_us;
    x->n_segment_overrides++;
    return 0;
}

static int compile_overrides(struct arena *a, struct segments *segments, const struct experiment_def *def,
                             struct plan_experiment *x, struct error *e)
{
    size_t units = 0;
    for (size_t i = 0; i < def->n_overrides; i++)
        units += def->overrides[i].has_unit;
    x->unit_overrides = arena_alloc(a, units * sizeof *x->unit_overrides);
    x->segment_overrides = arena_alloc(a, (def->n_overrides - units) * sizeof *x->segment_overrides);
    int rc = x->unit_overrides && x->segment_overrides ? 0 : no_memory(e);
    for (size_t i = 0; i < def->n_overrides && rc == 0; i++)
        rc = compile_override(a, segments, &def->overrides[i], x, e);
    if (rc == 0 && units > 1)
        qsort(x->unit_overrides, units, sizeof *x->unit_overrides, by_unit);
    for (size_t i = 1; i < units && rc == 0; i++)
        if (by_unit(&x->unit_overrides[i - 1], &x->unit_overrides[i]) == 0)
            rc = error_set(e, ERR_INVALID, NULL, "two overrides are for one unit");
    return rc;
}

/* --- prerequisites and holdouts: names, linked when the plan is whole --- */

static int compile_prerequisite(struct arena *a, const struct prerequisite_def *def,
                                struct plan_prerequisite *out, struct error *e)
{
    if (!def->experiment || def->n_variants == 0)
        return error_set(e, ERR_INVALID, NULL, "a prerequisite names no experiment or no variants");
    out->key = arena_copy(a, def->experiment, strlen(def->experiment));
    out->variant_keys = arena_alloc(a, def->n_variants * sizeof *out->variant_keys);
    out->variants = arena_alloc(a, def->n_variants * sizeof *out->variants);
    if (!out->key || !out->variant_keys || !out->variants)
        return no_memory(e);
    for (size_t i = 0; i < def->n_variants; i++) {
        if (!def->variants[i])
            return error_set(e, ERR_INVALID, NULL, "a prerequisite names a variant that is no text");
        out->variant_keys[i] = arena_copy(a, def->variants[i], strlen(def->variants[i]));
        if (!out->variant_keys[i])
            return no_memory(e);
    }
    out->n_variants = def->n_variants;
    return 0;
}

static int compile_prerequisites(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                                 struct error *e)
{
    x->prerequisites = arena_alloc(a, def->n_prerequisites * sizeof *x->prerequisites);
    int rc = x->prerequisites ? 0 : no_memory(e);
    for (size_t i = 0; i < def->n_prerequisites && rc == 0; i++)
        rc = compile_prerequisite(a, &def->prerequisites[i], &x->prerequisites[i], e);
    if (rc == 0)
        x->n_prerequisites = def->n_prerequisites;
    return rc;
}

static int compile_holdout_ids(const struct experiment_def *def, struct plan_experiment *x, struct error *e)
{
    if (def->n_holdouts > PLAN_HOLDOUTS_MAX)
        return error_set(e, ERR_INVALID, NULL, "%zu holdouts apply to it; at most %d can", def->n_holdouts,
                         PLAN_HOLDOUTS_MAX);
    for (size_t i = 0; i < def->n_holdouts; i++)
        x->holdout_ids[i] = def->holdouts[i];
    x->n_holdouts = def->n_holdouts;
    return 0;
}

/* --- attributes that exposures keep --- */

static int compile_kept(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                        struct error *e)
{
    if (def->n_segments > PLAN_SEGMENTS_MAX)
        return error_set(e, ERR_INVALID, NULL, "it keeps %zu attributes; at most %d", def->n_segments,
                         PLAN_SEGMENTS_MAX);
    x->segments = arena_alloc(a, def->n_segments * sizeof *x->segments);
    if (!x->segments)
        return no_memory(e);
    for (size_t i = 0; i < def->n_segments; i++) {
        x->segments[i] = arena_copy(a, def->segments[i], strlen(def->segments[i]));
        if (!x->segments[i])
            return no_memory(e);
    }
    x->n_segments = def->n_segments;
    return 0;
}

/* --- a holdout itself --- */

static int compile_holdout(struct plan_experiment *x, struct error *e)
{
    if (x->kind != KIND_HOLDOUT || x->n_phases == 0)
        return 0;
    if (x->n_phases != 1)
        return error_set(e, ERR_INVALID, NULL, "a holdout has one phase, not %zu", x->n_phases);
    const struct plan_phase *ph = &x->phases[0];
    for (size_t i = 0; i < ph->n_arms; i++)
        for (int g = GIVES_NOTHING; g <= (int)ph->arms[i].variant->gives; g++)
            x->in_ppm[g] += (uint32_t)ph->arms[i].share_ppm;
    if (ph->slots.total != SLOTS)
        return error_set(e, ERR_INVALID, NULL, "the arms of a holdout own %u slots, not all %u",
                         ph->slots.total, SLOTS);
    return x->in_ppm[GIVES_EVERYTHING] > 0
               ? 0
               : error_set(e, ERR_INVALID, NULL, "a holdout needs an arm that gives everything");
}

int plan_compile_model(struct arena *a, struct segments *segments, const struct experiment_def *def,
                       struct plan_experiment *x, struct error *e)
{
    x->sticky = def->sticky;
    int rc = compile_layer(a, def, x, e);
    if (rc == 0)
        rc = find_control(def, x, e);
    if (rc == 0)
        rc = compile_ship(def, x, e);
    if (rc == 0)
        rc = compile_overrides(a, segments, def, x, e);
    if (rc == 0)
        rc = compile_prerequisites(a, def, x, e);
    if (rc == 0)
        rc = compile_holdout_ids(def, x, e);
    if (rc == 0)
        rc = compile_kept(a, def, x, e);
    return rc ? rc : compile_holdout(x, e);
}
