/* One experiment: from its definition to what decide reads. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_private.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

bool plan_key_valid(const char *key)
{
    size_t i = 0;
    if (!key)
        return false;
    for (; key[i] && i <= PLAN_KEY_MAX; i++) {
        bool alphanumeric = (key[i] >= 'a' && key[i] <= 'z') || (key[i] >= '0' && key[i] <= '9');
        if (!alphanumeric && (i == 0 || !strchr("_.-", key[i])))
            return false;
    }
    return i >= 1 && i <= PLAN_KEY_MAX;
}

/* --- variants --- */

static int by_key(const void *a, const void *b)
{
    const struct plan_variant *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static int index_variants(struct arena *a, struct plan_experiment *x, struct error *e)
{
    size_t n = x->n_variants;
    x->variants_by_key = arena_alloc(a, n * sizeof *x->variants_by_key);
    x->variant_keys = arena_alloc(a, n * sizeof *x->variant_keys);
    if (!x->variants_by_key || !x->variant_keys)
        return no_memory(e);
    for (size_t i = 0; i < n; i++)
        x->variants_by_key[i] = &x->variants[i];
    if (n > 1)
        qsort(x->variants_by_key, n, sizeof *x->variants_by_key, by_key);
    for (size_t i = 0; i < n; i++) {
        x->variant_keys[i] = x->variants_by_key[i]->key;
        if (i > 0 && strcmp(x->variant_keys[i - 1], x->variant_keys[i]) == 0)
            return error_set(e, ERR_INVALID, NULL, "two variants are called %s", x->variant_keys[i]);
    }
    return 0;
}

static int compile_variants(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                            struct error *e)
{
    x->variants = arena_alloc(a, def->n_variants * sizeof *x->variants);
    if (!x->variants)
        return no_memory(e);
    for (size_t i = 0; i < def->n_variants; i++) {
        const struct variant_def *v = &def->variants[i];
        struct plan_variant *out = &x->variants[i];
        if (!plan_key_valid(v->key))
            return error_set(e, ERR_INVALID, NULL, "the key of variant %zu is not valid", i + 1);
        if (v->id <= 0)
            return error_set(e, ERR_INVALID, NULL, "variant %s has no id", v->key);
        out->id = v->id;
        out->key = arena_copy(a, v->key, strlen(v->key));
        if (v->value_json && strcmp(v->value_json, "null") != 0) {
            out->value_json = arena_copy(a, v->value_json, strlen(v->value_json));
            if (!out->value_json)
                return no_memory(e);
        }
        if (!out->key)
            return no_memory(e);
        x->n_variants++;
    }
    return index_variants(a, x, e);
}

/* --- phases --- */

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

/* Which phase owns which traffic slot. Phases keep the order of the definition until it is known. */
static int compile_traffic(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                           struct error *e)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < def->n_phases; i++)
        total += def->phases[i].n_traffic;
    struct slot_range *ranges = calloc(total + 1, sizeof *ranges);
    if (!ranges)
        return no_memory(e);
    for (size_t i = 0; i < def->n_phases; i++)
        for (size_t k = 0; k < def->phases[i].n_traffic; k++) {
            ranges[n] = def->phases[i].traffic[k];
            ranges[n++].owner = (uint32_t)i;
        }
    int rc = slots_build(a, ranges, n, &x->traffic, e);
    free(ranges);
    if (rc == ERR_INVALID) {
        struct error why = *e;
        error_set(e, ERR_INVALID, NULL, "traffic: %.500s", why.text);
    }
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

static int compile_phases(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
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

/* --- the whole --- */

static int compile(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                   struct error *e)
{
    if (def->refused)
        return error_set(e, ERR_INVALID, NULL, "%s", def->refused);
    int rc = unit_type_check(def->unit_type, strlen(def->unit_type), e);
    if (rc)
        return rc;
    memcpy(x->salt, def->salt, SALT_BYTES);
    if (def->condition)
        rc = condition_compile(a, def->condition, NULL, &x->condition, e);
    if (rc == 0)
        rc = compile_variants(a, def, x, e);
    if (rc == 0)
        rc = compile_phases(a, def, x, e);
    if (rc == 0 && x->status == STATUS_RUNNING && (x->n_variants == 0 || x->n_phases == 0))
        rc = error_set(e, ERR_INVALID, NULL, "it is running without %s",
                       x->n_variants == 0 ? "variants" : "a phase");
    return rc;
}

struct plan_experiment *plan_experiment_compile(struct arena *a, const struct experiment_def *def,
                                                struct error *e)
{
    struct plan_experiment *x = arena_alloc(a, sizeof *x);
    if (!x)
        return NULL;
    const char *type = def->unit_type && unit_type_check(def->unit_type, strlen(def->unit_type), NULL) == 0
                           ? def->unit_type
                           : "user";
    x->id = def->id;
    x->key = arena_copy(a, def->key, strlen(def->key));
    x->unit_type = arena_copy(a, type, strlen(type));
    x->status = def->status;
    x->guard_stopped = def->guard_stopped;
    x->exposes = def->on_evaluation;
    if (!x->key || !x->unit_type)
        return NULL;
    int rc = compile(a, def, x, e);
    if (rc == ERR_NOMEM)
        return NULL;
    if (rc) {
        x->quarantined = true;
        x->condition = NULL;
    }
    return x;
}
