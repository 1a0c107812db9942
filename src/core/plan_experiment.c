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
        out->dropped = v->dropped;
        out->gives = v->gives;
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

/* --- the whole --- */

static int compile(struct arena *a, struct segments *segments, const struct experiment_def *def,
                   struct plan_experiment *x, struct error *e)
{
    if (def->refused)
        return error_set(e, ERR_INVALID, NULL, "%s", def->refused);
    int rc = unit_type_check(def->unit_type, strlen(def->unit_type), e);
    if (rc)
        return rc;
    memcpy(x->salt, def->salt, SALT_BYTES);
    if (def->condition)
        rc = condition_compile(a, def->condition, segments, &x->condition, e);
    if (rc == 0)
        rc = compile_variants(a, def, x, e);
    if (rc == 0)
        rc = plan_compile_phases(a, def, x, e);
    if (rc == 0)
        rc = plan_compile_bandit(a, def, x, e);
    if (rc == 0)
        rc = plan_compile_contextual(a, def, x, e);
    if (rc == 0)
        rc = plan_compile_model(a, segments, def, x, e);
    if (rc == 0 && x->status == STATUS_RUNNING && (x->n_variants == 0 || x->n_phases == 0))
        rc = error_set(e, ERR_INVALID, NULL, "it is running without %s",
                       x->n_variants == 0 ? "variants" : "a phase");
    return rc;
}

struct plan_experiment *plan_experiment_compile(struct arena *a, struct segments *segments,
                                                const struct experiment_def *def, struct error *e)
{
    struct plan_experiment *x = arena_alloc(a, sizeof *x);
    if (!x)
        return NULL;
    const char *type = def->unit_type && unit_type_check(def->unit_type, strlen(def->unit_type), NULL) == 0
                           ? def->unit_type
                           : "user";
    x->id = def->id;
    x->kind = def->kind;
    x->starts_us = def->has_window ? def->starts_us : PLAN_ALWAYS;
    x->ends_us = def->has_window ? def->ends_us : PLAN_NEVER;
    x->key = arena_copy(a, def->key, strlen(def->key));
    x->unit_type = arena_copy(a, type, strlen(type));
    x->status = def->status;
    x->guard_stopped = def->guard_stopped;
    x->guard_max_blind_us = def->guard_max_blind_us > 0 ? def->guard_max_blind_us : PLAN_NEVER;
    x->exposes = def->on_evaluation;
    if (!x->key || !x->unit_type)
        return NULL;
    int rc = compile(a, segments, def, x, e);
    if (rc == ERR_NOMEM)
        return NULL;
    if (rc) {
        x->quarantined = true;
        x->condition = NULL;
    }
    return x;
}
