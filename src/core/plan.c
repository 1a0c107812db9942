#include "core/plan.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_private.h"

#define PRESENTED_KEY_MAX 256 /* bytes; ours have about 60 */

struct plan *plan_ref(const struct plan *p)
{
    struct plan *shared = (struct plan *)p;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void plan_unref(const struct plan *p)
{
    struct plan *shared = (struct plan *)p;
    if (!shared || atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (shared->document)
        sodium_memzero((char *)shared->document, shared->document_len);
    arena_free(shared->arena);
    sodium_memzero(shared, sizeof *shared); /* it held the environment's keys */
    free(shared);
}

int64_t plan_version(const struct plan *p)
{
    return p->version;
}

int64_t plan_stop_version(const struct plan *p)
{
    return p->stop_version;
}

const char *plan_environment(const struct plan *p)
{
    return p->environment;
}

const struct unit_key *plan_unit_key(const struct plan *p)
{
    return &p->unit_key;
}

/* The order of strcmp between a key that need not be terminated and one that is. */
static int compare_key(const char *key, size_t len, const char *other)
{
    int order = strncmp(key, other, len);
    if (order != 0)
        return order;
    return other[len] == '\0' ? 0 : -1;
}

/* The index of a key among sorted ones; n when it is not there. */
static size_t find_key(const char *const *keys, size_t n, const char *key, size_t len)
{
    size_t lo = 0, hi = n;
    if (len == 0 || memchr(key, 0, len))
        return n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = compare_key(key, len, keys[mid]);
        if (order == 0)
            return mid;
        if (order > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return n;
}

size_t plan_unit_types(const struct plan *p, const char *const **types)
{
    *types = p->unit_types;
    return p->n_unit_types;
}

const char *plan_document(const struct plan *p, size_t *len)
{
    *len = p->document_len;
    return p->document;
}

void plan_document_tag(const struct plan *p, uint8_t out[16])
{
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, 16);
    crypto_generichash_update(&h, p->document_hash, sizeof p->document_hash);
    for (size_t i = 0; i < p->n_experiments; i++)
        if (p->experiments[i]->guard_stopped)
            crypto_generichash_update(&h, p->experiments[i]->salt, SALT_BYTES);
    crypto_generichash_final(&h, out, 16);
}

size_t plan_flag_count(const struct plan *p)
{
    return p->n_flags;
}

const struct plan_flag *plan_flag_at(const struct plan *p, size_t i)
{
    return p->flags[i];
}

const struct plan_flag *plan_flag_find(const struct plan *p, const char *key, size_t len)
{
    size_t i = find_key(p->flag_keys, p->n_flags, key, len);
    return i < p->n_flags ? p->flags[i] : NULL;
}

const char *plan_flag_key(const struct plan_flag *f)
{
    return f->key;
}

int32_t plan_flag_id(const struct plan_flag *f)
{
    return f->id;
}

bool plan_flag_archived(const struct plan_flag *f)
{
    return f->archived;
}

const struct plan_experiment *plan_experiment_find(const struct plan *p, const char *key, size_t len)
{
    size_t i = find_key(p->experiment_keys, p->n_experiments, key, len);
    return i < p->n_experiments ? p->experiments[i] : NULL;
}

int32_t plan_experiment_id(const struct plan_experiment *x)
{
    return x->id;
}

const char *plan_experiment_key(const struct plan_experiment *x)
{
    return x->key;
}

const char *plan_experiment_unit_type(const struct plan_experiment *x)
{
    return x->unit_type;
}

bool plan_experiment_exposes(const struct plan_experiment *x)
{
    return x->exposes;
}

bool plan_experiment_is_holdout(const struct plan_experiment *x)
{
    return x->kind == KIND_HOLDOUT;
}

bool plan_experiment_sticky(const struct plan_experiment *x)
{
    return x->sticky;
}

const struct plan_variant *plan_variant_find(const struct plan_experiment *x, const char *key, size_t len)
{
    if (x->quarantined) /* half made, perhaps */
        return NULL;
    size_t i = find_key(x->variant_keys, x->n_variants, key, len);
    return i < x->n_variants ? x->variants_by_key[i] : NULL;
}

int32_t plan_variant_id(const struct plan_variant *v)
{
    return v->id;
}

const char *plan_variant_key(const struct plan_variant *v)
{
    return v->key;
}

const struct plan_variant *plan_variant_by_id(const struct plan_experiment *x, int32_t id)
{
    for (size_t i = 0; i < x->n_variants && !x->quarantined; i++)
        if (x->variants[i].id == id)
            return &x->variants[i];
    return NULL;
}

const struct plan_phase *plan_phase_by_id(const struct plan_experiment *x, int32_t id)
{
    for (size_t i = 0; i < x->n_phases && !x->quarantined; i++)
        if (x->phases[i].id == id)
            return &x->phases[i];
    return NULL;
}

int32_t plan_phase_share_ppm(const struct plan_phase *ph, const struct plan_variant *v)
{
    for (size_t i = 0; i < ph->n_arms; i++)
        if (ph->arms[i].variant == v)
            return ph->arms[i].share_ppm;
    return -1;
}

bool plan_flag_has_bandit(const struct plan_flag *f)
{
    for (size_t i = 0; i < f->n_rules; i++)
        if (f->rules[i].experiment && f->rules[i].experiment->n_timeline > 0)
            return true;
    return false;
}

size_t plan_experiment_features(const struct plan_experiment *x, const char *const **names)
{
    *names = NULL;
    return x->contextual && !x->quarantined ? features_attributes(x->contextual->features, names) : 0;
}

bool plan_experiment_draws_decisions(const struct plan_experiment *x)
{
    return x->n_timeline > 0 && x->assign == ASSIGN_DECISION;
}

int32_t plan_model_id(const struct model *m)
{
    return m->id;
}

int32_t plan_model_version(const struct model *m)
{
    return m->version;
}

int32_t plan_phase_id(const struct plan_phase *ph)
{
    return ph->id;
}

int32_t plan_phase_number(const struct plan_phase *ph)
{
    return ph->number;
}

bool plan_event_declared(const struct plan *p, const char *name, size_t len)
{
    return find_key(p->events, p->n_events, name, len) < p->n_events;
}

size_t plan_experiment_segments(const struct plan_experiment *x, const char *const **names)
{
    *names = x->segments;
    return x->quarantined ? 0 : x->n_segments;
}

size_t plan_event_attributes(const struct plan *p, const char *name, size_t len, const char *const **names)
{
    size_t lo = 0, hi = p->n_event_attributes;
    *names = NULL;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct event_attributes *a = p->event_attributes[mid];
        int order = compare_key(name, len, a->event);
        if (order == 0) {
            *names = a->names;
            return a->n;
        }
        if (order > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

const struct plan_api_key *plan_api_key_find(const struct plan *p, const char *presented, size_t len)
{
    if (len == 0 || len > PRESENTED_KEY_MAX || p->handed_out)
        return NULL;
    uint8_t hash[SHA256_BYTES];
    struct hmac state = p->hash_key;
    hmac_update(&state, presented, len);
    hmac_final(&state, hash);
    const struct plan_api_key *found = NULL;
    /* All are compared, so that the time says nothing about which one it was. */
    for (size_t i = 0; i < p->n_api_keys; i++)
        if (sodium_memcmp(hash, p->api_keys[i].hash, sizeof hash) == 0)
            found = &p->api_keys[i].key;
    return found;
}

bool plan_api_key_known(const struct plan *p, int32_t id)
{
    for (size_t i = 0; i < p->n_api_keys; i++)
        if (p->api_keys[i].key.id == id)
            return true;
    return false;
}

size_t plan_quarantine_count(const struct plan *p)
{
    return p->n_quarantine;
}

const char *plan_quarantine_at(const struct plan *p, size_t i)
{
    return p->quarantine[i];
}

size_t plan_size(const struct plan *p)
{
    return sizeof *p + arena_size(p->arena);
}
