/* The last step: everything added becomes one plan; names become pointers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_builder_private.h"
#include "core/plan_private.h"
#include "core/token_private.h"

static int flag_order(const void *a, const void *b)
{
    const struct plan_flag *const *x = a, *const *y = b;
    int order = strcmp((*x)->key, (*y)->key);
    return order ? order : ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static int experiment_order(const void *a, const void *b)
{
    const struct plan_experiment *const *x = a, *const *y = b;
    int order = strcmp((*x)->key, (*y)->key);
    return order ? order : ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

int text_order(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

void sort_pointers(struct list *l, int (*order)(const void *, const void *))
{
    if (l->n > 1)
        qsort(l->items, l->n, sizeof(void *), order);
}

void quarantine(struct plan_builder *b, struct plan_experiment *x, const char *fmt, ...)
{
    char text[768];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    plan_builder_refuse(b, x->key, "%s", text);
    x->quarantined = true;
    x->condition = NULL;
}

/* Of two flags with one key the older stays. */
static void drop_duplicate_flags(struct plan_builder *b)
{
    struct plan_flag **f = b->flags.items;
    size_t kept = 0;
    for (size_t i = 0; i < b->flags.n; i++) {
        if (kept > 0 && strcmp(f[kept - 1]->key, f[i]->key) == 0)
            plan_builder_refuse(b, f[i]->key, "two flags have this key; only the older one is used");
        else
            f[kept++] = f[i];
    }
    b->flags.n = kept;
}

/* Of two experiments with one key neither can be trusted. */
static void drop_duplicate_experiments(struct plan_builder *b)
{
    struct plan_experiment **x = b->experiments.items;
    size_t kept = 0;
    for (size_t i = 0; i < b->experiments.n; i++) {
        if (kept > 0 && strcmp(x[kept - 1]->key, x[i]->key) == 0)
            quarantine(b, x[kept - 1], "two experiments have this key");
        else
            x[kept++] = x[i];
    }
    b->experiments.n = kept;
}

/* --- names become pointers --- */

static void check_values(struct plan_builder *b, const struct plan_flag *f, struct plan_experiment *x)
{
    if (x->quarantined)
        return;
    for (size_t i = 0; i < x->n_variants; i++) {
        const char *json = x->variants[i].value_json;
        if (!json || plan_value_has_type(json, f->type))
            continue;
        quarantine(b, x, "the value of variant %s is not of the type of flag %s, %s", x->variants[i].key,
                   f->key, plan_type_name(f->type));
        return;
    }
}

static void link_rules(struct plan_builder *b, struct plan *p, struct plan_flag *f)
{
    for (size_t i = 0; i < f->n_rules; i++) {
        struct plan_rule *r = &f->rules[i];
        if (!r->experiment_key)
            continue;
        struct plan_experiment *x =
            (struct plan_experiment *)plan_experiment_find(p, r->experiment_key, strlen(r->experiment_key));
        r->experiment = x;
        if (x) {
            check_values(b, f, x);
            if (!x->flag && !f->archived)
                x->flag = f;
        } else if (!r->broken) {
            r->broken = true;
            plan_builder_refuse(b, f->key, "rule %zu of the flag: there is no experiment %s", i + 1,
                                r->experiment_key);
        }
    }
}

/* --- the plan --- */

static void *move_to_arena(struct plan_builder *b, const struct list *l, size_t item)
{
    void *moved = arena_alloc(b->arena, l->n * item);
    if (!moved)
        b->failed = true;
    else if (l->n > 0)
        memcpy(moved, l->items, l->n * item);
    return moved;
}

static int event_attributes_order(const void *a, const void *b)
{
    const struct event_attributes *const *x = a, *const *y = b;
    return strcmp((*x)->event, (*y)->event);
}

static void set_keys(struct plan_builder *b, struct plan *p)
{
    p->flag_keys = arena_alloc(b->arena, p->n_flags * sizeof *p->flag_keys);
    p->experiment_keys = arena_alloc(b->arena, p->n_experiments * sizeof *p->experiment_keys);
    b->failed = b->failed || !p->flag_keys || !p->experiment_keys;
    if (b->failed)
        return;
    for (size_t i = 0; i < p->n_flags; i++)
        p->flag_keys[i] = p->flags[i]->key;
    for (size_t i = 0; i < p->n_experiments; i++)
        p->experiment_keys[i] = p->experiments[i]->key;
}

static void set_secrets(struct plan *p, const struct plan_header *h)
{
    hmac_init(&p->hash_key, h->hash_key, sizeof h->hash_key);
    p->handed_out = h->handed_out;
    if (h->handed_out) {
        hmac_init(&p->token_key, h->token_key, sizeof h->token_key);
        return;
    }
    token_key_init(&p->token_key, h->hash_key, sizeof h->hash_key, STICKY_PURPOSE);
    token_key_init(&p->event_key, h->hash_key, sizeof h->hash_key, EVENT_PURPOSE);
    token_key_init(&p->stream_key, h->hash_key, sizeof h->hash_key, STREAM_PURPOSE);
}

static void fill(struct plan_builder *b, struct plan *p)
{
    const struct plan_header *h = &b->header;
    p->version = h->version;
    p->stop_version = h->stop_version;
    p->environment = h->environment;
    unit_key_init(&p->unit_key, h->unit_key, sizeof h->unit_key);
    set_secrets(p, h);
    p->document = b->document;
    p->document_len = b->document_len;
    memcpy(p->document_hash, b->document_hash, sizeof p->document_hash);
    sort_pointers(&b->flags, flag_order);
    sort_pointers(&b->experiments, experiment_order);
    sort_pointers(&b->events, text_order);
    drop_duplicate_flags(b);
    drop_duplicate_experiments(b);
    p->n_flags = b->flags.n;
    p->flags = move_to_arena(b, &b->flags, sizeof *p->flags);
    p->n_experiments = b->experiments.n;
    p->experiments = move_to_arena(b, &b->experiments, sizeof *p->experiments);
    p->n_events = b->events.n;
    p->events = move_to_arena(b, &b->events, sizeof *p->events);
    if (!b->failed)
        sort_pointers(&b->event_attributes, event_attributes_order);
    p->n_event_attributes = b->event_attributes.n;
    p->event_attributes = move_to_arena(b, &b->event_attributes, sizeof *p->event_attributes);
    p->n_api_keys = b->api_keys.n;
    p->api_keys = move_to_arena(b, &b->api_keys, sizeof *p->api_keys);
    if (!b->failed)
        set_keys(b, p);
}

static void note_emptying_holdouts(struct plan_flag *f)
{
    for (size_t i = 0; i < f->n_rules; i++) {
        const struct plan_experiment *x = f->rules[i].experiment;
        for (size_t k = 0; x && !x->quarantined && k < x->n_holdouts; k++)
            if (x->holdouts[k]->in_ppm[GIVES_RULES] < SLOTS)
                f->holdouts_may_empty_it = true;
    }
}

/* Those that nobody uses are looked at too: what is wrong with them should be seen before they are used. */
static void check_segments(struct plan_builder *b)
{
    const char **keys = b->conditions.items;
    for (size_t i = 0; i < b->conditions.n; i++) {
        struct error e;
        const struct condition *c;
        error_clear(&e);
        int rc = segments_condition(b->segments, keys[i], strlen(keys[i]), &c, &e);
        if (rc == ERR_NOMEM)
            b->failed = true;
        else if (rc != 0)
            plan_builder_refuse(b, keys[i], "the segment: %s%s%s", e.place, e.place[0] ? ": " : "", e.text);
    }
}

static void link_names(struct plan_builder *b, struct plan *p)
{
    check_segments(b);
    for (size_t i = 0; i < p->n_flags; i++)
        link_rules(b, p, p->flags[i]);
    plan_link_layers(b, p);
    plan_link_holdouts(b, p);
    plan_link_prerequisites(b, p);
    if (b->failed)
        return;
    for (size_t i = 0; i < p->n_flags; i++)
        note_emptying_holdouts(p->flags[i]);
    plan_set_inputs(b, p);
}

int plan_builder_finish(struct plan_builder *b, struct plan **out, struct error *e)
{
    *out = NULL;
    struct plan *p = b->failed ? NULL : calloc(1, sizeof *p);
    if (!p)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    fill(b, p);
    if (!b->failed)
        link_names(b, p);
    p->n_quarantine = b->quarantine.n;
    p->quarantine = move_to_arena(b, &b->quarantine, sizeof *p->quarantine);
    if (b->failed) {
        free(p);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    atomic_init(&p->refs, 1);
    p->arena = b->arena;
    b->arena = NULL;
    *out = p;
    return 0;
}
