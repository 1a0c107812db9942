/* Which attributes a flag looks at: its log of inputs shows them and no others. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_builder_private.h"
#include "core/plan_private.h"

static void collect_unit_types(struct plan_builder *b, const struct plan *p, struct list *types)
{
    list_add_pointer(b, types, "user");
    list_add_pointer(b, types, "targetingKey");
    for (size_t i = 0; i < p->n_experiments; i++)
        list_add_pointer(b, types, p->experiments[i]->unit_type);
    for (size_t i = 0; i < p->n_flags; i++)
        for (size_t k = 0; k < p->flags[i]->n_rules; k++)
            if (p->flags[i]->rules[k].unit_type)
                list_add_pointer(b, types, p->flags[i]->rules[k].unit_type);
    sort_pointers(types, text_order);
}

static void collect_attributes(struct plan_builder *b, const struct condition *c, const struct list *types,
                               struct list *names)
{
    for (size_t i = 0; i < condition_input_count(c); i++) {
        const char *name = condition_input(c, i);
        if (!bsearch(&name, types->items, types->n, sizeof name, text_order))
            list_add_pointer(b, names, name);
    }
}

/* --- an experiment, and those it requires --- */

#define REQUIRED_DEPTH 8
#define REQUIRED_MOST 64

static void collect_experiment(struct plan_builder *b, const struct plan_experiment *x,
                               const struct list *types, struct list *names, int depth, int *left)
{
    if (x->quarantined || *left == 0)
        return;
    (*left)--;
    collect_attributes(b, x->condition, types, names);
    for (size_t i = 0; i < x->n_segment_overrides; i++)
        collect_attributes(b, x->segment_overrides[i].condition, types, names);
    for (size_t i = 0; i < x->n_prerequisites && depth < REQUIRED_DEPTH; i++)
        collect_experiment(b, x->prerequisites[i].experiment, types, names, depth + 1, left);
}

static void set_inputs(struct plan_builder *b, struct plan_flag *f, const struct list *types)
{
    struct list names = {0};
    for (size_t i = 0; i < f->n_rules; i++) {
        collect_attributes(b, f->rules[i].condition, types, &names);
        int left = REQUIRED_MOST;
        if (f->rules[i].experiment)
            collect_experiment(b, f->rules[i].experiment, types, &names, 0, &left);
    }
    sort_pointers(&names, text_order);
    f->inputs = arena_alloc(b->arena, names.n * sizeof *f->inputs);
    b->failed = b->failed || !f->inputs;
    const char **sorted = names.items;
    for (size_t i = 0; i < names.n && f->inputs; i++)
        if (i == 0 || strcmp(sorted[i - 1], sorted[i]) != 0)
            f->inputs[f->n_inputs++] = sorted[i];
    free(names.items);
}

void plan_set_inputs(struct plan_builder *b, struct plan *p)
{
    struct list types = {0};
    collect_unit_types(b, p, &types);
    for (size_t i = 0; i < p->n_flags && !b->failed; i++)
        set_inputs(b, p->flags[i], &types);
    free(types.items);
}
