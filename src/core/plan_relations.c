/* What experiments name of each other becomes pointers: layers, holdouts, prerequisites. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_builder_private.h"
#include "core/plan_private.h"

/* --- layers --- */

static int by_layer(const void *a, const void *b)
{
    const struct plan_layer *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static const struct plan_layer *find_layer(const struct plan *p, const char *key)
{
    const struct plan_layer wanted = {.key = key}, *at = &wanted;
    struct plan_layer *const *found = bsearch(&at, p->layers, p->n_layers, sizeof at, by_layer);
    return found ? *found : NULL;
}

void plan_link_layers(struct plan_builder *b, struct plan *p)
{
    sort_pointers(&b->layers, by_layer);
    p->n_layers = b->layers.n;
    p->layers = arena_alloc(b->arena, p->n_layers * sizeof *p->layers);
    if (!p->layers) {
        b->failed = true;
        return;
    }
    if (p->n_layers > 0)
        memcpy(p->layers, b->layers.items, p->n_layers * sizeof *p->layers);
    for (size_t i = 0; i < p->n_experiments; i++) {
        struct plan_experiment *x = p->experiments[i];
        if (!x->layer_key || x->quarantined)
            continue;
        x->layer = find_layer(p, x->layer_key);
        if (!x->layer)
            quarantine(b, x, "there is no layer %s", x->layer_key);
    }
}

/* --- holdouts --- */

static int by_id(const void *a, const void *b)
{
    const struct plan_experiment *const *x = a, *const *y = b;
    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static const struct plan_experiment *find_holdout(const struct list *by_ids, int32_t id)
{
    const struct plan_experiment wanted = {.id = id}, *at = &wanted;
    struct plan_experiment *const *found =
        by_ids->n ? bsearch(&at, by_ids->items, by_ids->n, sizeof at, by_id) : NULL;
    return found ? *found : NULL;
}

static void link_holdouts(struct plan_builder *b, const struct list *by_ids, struct plan_experiment *x)
{
    for (size_t i = 0; i < x->n_holdouts && !x->quarantined; i++) {
        const struct plan_experiment *h = find_holdout(by_ids, x->holdout_ids[i]);
        if (!h)
            quarantine(b, x, "there is no holdout with the id %d", x->holdout_ids[i]);
        else if (h->quarantined)
            quarantine(b, x, "its holdout %s is left out", h->key);
        x->holdouts[i] = h;
    }
}

void plan_link_holdouts(struct plan_builder *b, struct plan *p)
{
    struct list by_ids = {0};
    for (size_t i = 0; i < p->n_experiments; i++)
        if (p->experiments[i]->kind == KIND_HOLDOUT)
            list_add_pointer(b, &by_ids, p->experiments[i]);
    sort_pointers(&by_ids, by_id);
    for (size_t i = 0; i < p->n_experiments && !b->failed; i++)
        link_holdouts(b, &by_ids, p->experiments[i]);
    free(by_ids.items);
}

/* --- prerequisites --- */

static void link_prerequisite(struct plan_builder *b, const struct plan *p, struct plan_experiment *x,
                              struct plan_prerequisite *r)
{
    r->experiment = plan_experiment_find(p, r->key, strlen(r->key));
    if (!r->experiment) {
        quarantine(b, x, "it requires %s, which does not exist", r->key);
        return;
    }
    if (!r->experiment->quarantined && plan_experiment_draws_decisions(r->experiment)) {
        quarantine(b, x, "it requires %s, whose variant is drawn anew at each decision", r->key);
        return;
    }
    for (size_t i = 0; i < r->n_variants; i++) {
        r->variants[i] = plan_variant_find(r->experiment, r->variant_keys[i], strlen(r->variant_keys[i]));
        /* One that is left out has no variants to be found: then the prerequisite is not met. */
        if (!r->variants[i] && !r->experiment->quarantined)
            quarantine(b, x, "it requires variant %s of %s, which does not exist", r->variant_keys[i],
                       r->key);
    }
}

void plan_link_prerequisites(struct plan_builder *b, struct plan *p)
{
    for (size_t i = 0; i < p->n_experiments; i++) {
        struct plan_experiment *x = p->experiments[i];
        for (size_t k = 0; k < x->n_prerequisites && !x->quarantined; k++)
            link_prerequisite(b, p, x, &x->prerequisites[k]);
    }
}
