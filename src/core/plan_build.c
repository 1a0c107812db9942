#include "core/plan_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_builder_private.h"
#include "core/plan_private.h"

void *list_add(struct plan_builder *b, struct list *l, size_t item)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        void *grown = cap <= SIZE_MAX / item ? realloc(l->items, cap * item) : NULL;
        if (!grown) {
            b->failed = true;
            return NULL;
        }
        l->items = grown;
        l->cap = cap;
    }
    return (char *)l->items + item * l->n++;
}

void list_add_pointer(struct plan_builder *b, struct list *l, const void *p)
{
    const void **slot = p ? list_add(b, l, sizeof p) : NULL;
    if (slot)
        *slot = p;
    else
        b->failed = true;
}

struct plan_builder *plan_builder_new(const struct plan_header *h)
{
    struct plan_builder *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->arena = arena_new();
    if (!b->arena) {
        free(b);
        return NULL;
    }
    b->header = *h;
    b->header.environment = arena_copy(b->arena, h->environment, strlen(h->environment));
    b->segments = segments_new(b->arena);
    b->failed = !b->header.environment || !b->segments;
    return b;
}

void plan_builder_free(struct plan_builder *b)
{
    if (!b)
        return;
    free(b->flags.items);
    free(b->experiments.items);
    free(b->layers.items);
    free(b->events.items);
    free(b->event_attributes.items);
    free(b->api_keys.items);
    free(b->quarantine.items);
    free(b->conditions.items);
    arena_free(b->arena);
    sodium_memzero(b, sizeof *b);
    free(b);
}

struct arena *plan_builder_arena(struct plan_builder *b)
{
    return b->arena;
}

void plan_builder_refuse(struct plan_builder *b, const char *what, const char *fmt, ...)
{
    char text[1024];
    if (b->quarantine.n > PLAN_QUARANTINE_MAX)
        return;
    if (b->quarantine.n == PLAN_QUARANTINE_MAX) {
        snprintf(text, sizeof text, "more than %d definitions are refused; the others are not listed",
                 PLAN_QUARANTINE_MAX);
    } else {
        int n = snprintf(text, sizeof text, "%.128s: ", what);
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
        va_end(ap);
    }
    list_add_pointer(b, &b->quarantine, arena_copy(b->arena, text, strlen(text)));
}

static void refuse_error(struct plan_builder *b, const char *what, const struct error *e)
{
    plan_builder_refuse(b, what, "%s%s%s", e->place, e->place[0] ? ": " : "", e->text);
}

void plan_builder_api_key(struct plan_builder *b, const struct plan_api_key *key, const uint8_t hash[32])
{
    struct stored_key *k = list_add(b, &b->api_keys, sizeof *k);
    if (!k)
        return;
    k->key = *key;
    if (key->team && !(k->key.team = arena_copy(b->arena, key->team, strlen(key->team))))
        b->failed = true;
    memcpy(k->hash, hash, sizeof k->hash);
}

void plan_builder_event(struct plan_builder *b, const char *name)
{
    list_add_pointer(b, &b->events, arena_copy(b->arena, name, strlen(name)));
}

void plan_builder_event_attributes(struct plan_builder *b, const char *event, const char *const *names,
                                   size_t n)
{
    struct event_attributes *a = arena_alloc(b->arena, sizeof *a);
    char *copy = arena_copy(b->arena, event, strlen(event));
    const char **kept = arena_alloc(b->arena, n * sizeof *kept);
    list_add_pointer(b, &b->event_attributes, a);
    b->failed = b->failed || !copy || !kept;
    for (size_t i = 0; i < n && !b->failed; i++) {
        kept[i] = arena_copy(b->arena, names[i], strlen(names[i]));
        b->failed = !kept[i];
    }
    if (!b->failed)
        *a = (struct event_attributes){copy, kept, n};
}

void plan_builder_layer(struct plan_builder *b, const char *key, const uint8_t salt[SALT_BYTES])
{
    if (!plan_key_valid(key)) {
        plan_builder_refuse(b, "layers", "the key \"%.100s\" is not valid", key ? key : "");
        return;
    }
    struct plan_layer *l = arena_alloc(b->arena, sizeof *l);
    char *copy = arena_copy(b->arena, key, strlen(key));
    list_add_pointer(b, &b->layers, l);
    if (!l || !copy) {
        b->failed = true;
        return;
    }
    l->key = copy;
    memcpy(l->salt, salt, SALT_BYTES);
}

void plan_builder_segment(struct plan_builder *b, const struct segment_def *def)
{
    struct error e;
    error_clear(&e);
    int rc = 0;
    if (b->failed)
        return;
    if (!plan_key_valid(def->key)) {
        plan_builder_refuse(b, "segments", "the key \"%.100s\" is not valid", def->key ? def->key : "");
        return;
    }
    if (def->refused)
        rc = error_set(&e, ERR_INVALID, NULL, "%s", def->refused);
    else if (def->list)
        rc = segments_add_list(b->segments, def->key, def->list, &e);
    else
        rc = segments_add_condition(b->segments, def->key, def->condition, &e);
    if (rc == ERR_NOMEM)
        b->failed = true;
    else if (rc != 0)
        plan_builder_refuse(b, def->key, "the segment is left out: %s", e.text);
    else if (!def->list)
        list_add_pointer(b, &b->conditions, arena_copy(b->arena, def->key, strlen(def->key)));
}

void plan_builder_document(struct plan_builder *b, const char *text, size_t len)
{
    b->document = arena_copy(b->arena, text, len);
    b->document_len = len;
    b->failed = b->failed || !b->document;
    crypto_generichash(b->document_hash, sizeof b->document_hash, (const unsigned char *)text, len, NULL, 0);
}

void plan_builder_experiment(struct plan_builder *b, const struct experiment_def *def)
{
    if (!plan_key_valid(def->key)) {
        plan_builder_refuse(b, "experiments", "the key \"%.100s\" is not valid", def->key ? def->key : "");
        return;
    }
    if (def->id <= 0) {
        plan_builder_refuse(b, def->key, "the experiment has no id");
        return;
    }
    struct error e;
    error_clear(&e);
    if (b->failed)
        return;
    struct plan_experiment *x = plan_experiment_compile(b->arena, b->segments, def, &e);
    list_add_pointer(b, &b->experiments, x);
    if (x && x->quarantined)
        refuse_error(b, x->key, &e);
}
