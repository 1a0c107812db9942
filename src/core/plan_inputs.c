/* Which attributes are kept: those a flag looks at, in its log of inputs; those an experiment declares, in
 * its exposures; those metrics' conditions name, in outcomes. Never one that is a raw id. */
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

static bool is_unit_type(const struct list *types, const char *name)
{
    return bsearch(&name, types->items, types->n, sizeof name, text_order) != NULL;
}

static void add_unit_type(struct plan *p, const char *type)
{
    for (size_t i = 0; i < p->n_unit_types; i++)
        if (strcmp(p->unit_types[i], type) == 0)
            return;
    if (p->n_unit_types < PLAN_UNIT_TYPES_MAX)
        p->unit_types[p->n_unit_types++] = type;
}

/* "user" first. */
static void keep_unit_types(struct plan *p, const struct list *types)
{
    const char *const *sorted = types->items;
    add_unit_type(p, "user");
    for (size_t i = 0; i < types->n; i++)
        if (strcmp(sorted[i], "targetingKey") != 0)
            add_unit_type(p, sorted[i]);
}

/* Takes the names of unit types out; what: for the quarantine. */
static void drop_unit_types(struct plan_builder *b, const struct list *types, const char *what,
                            const char **names, size_t *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (is_unit_type(types, names[i]))
            plan_builder_refuse(b, what, "the attribute %.100s holds ids of units, which are never kept",
                                names[i]);
        else
            names[kept++] = names[i];
    }
    *n = kept;
}

static void collect_attributes(struct plan_builder *b, const struct condition *c, const struct list *types,
                               struct list *names)
{
    for (size_t i = 0; i < condition_input_count(c); i++) {
        const char *name = condition_input(c, i);
        if (!is_unit_type(types, name))
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

/* Features are logged with each decision. */
static void check_features(struct plan_builder *b, const struct list *types, struct plan_experiment *x)
{
    const char *const *names;
    size_t n = plan_experiment_features(x, &names);
    for (size_t i = 0; i < n; i++)
        if (is_unit_type(types, names[i])) {
            quarantine(b, x, "a feature reads the attribute %.100s, which holds ids of units", names[i]);
            return;
        }
}

void plan_set_inputs(struct plan_builder *b, struct plan *p)
{
    struct list types = {0};
    collect_unit_types(b, p, &types);
    if (!b->failed)
        keep_unit_types(p, &types);
    for (size_t i = 0; i < p->n_experiments && !b->failed; i++)
        check_features(b, &types, p->experiments[i]);
    for (size_t i = 0; i < p->n_flags && !b->failed; i++)
        set_inputs(b, p->flags[i], &types);
    for (size_t i = 0; i < p->n_experiments && !b->failed; i++)
        drop_unit_types(b, &types, p->experiments[i]->key, p->experiments[i]->segments,
                        &p->experiments[i]->n_segments);
    for (size_t i = 0; i < p->n_event_attributes && !b->failed; i++)
        drop_unit_types(b, &types, p->event_attributes[i]->event, p->event_attributes[i]->names,
                        &p->event_attributes[i]->n);
    free(types.items);
}
