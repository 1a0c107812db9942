#include "web/decision_memory.h"

#include <stdlib.h>
#include <string.h>

#include "core/sha256.h"

#define PLACES 4096 /* a power of two; half of them are used at most */
#define MOST_BYTES ((size_t)4 * 1024 * 1024)

/* All that decision_json_shared depends on, without padding. */
struct outcome {
    const struct plan_flag *flag;
    const struct plan_experiment *experiment, *holdout;
    const struct plan_phase *phase;
    const char *variant_name, *value_json;
    int32_t reason, propensity_ppm, inclusion_ppm, zero;
};
_Static_assert(sizeof(struct outcome) == 6 * sizeof(void *) + 16, "outcomes are compared by their bytes");

struct kept {
    struct outcome outcome;
    struct decision_known known;
};

struct decision_memory {
    struct arena *arena;
    struct buffer text; /* being written */
    size_t n;
    const struct kept *places[PLACES]; /* by hash, or the next free one behind it */
};

struct decision_memory *decision_memory_new(void)
{
    struct decision_memory *m = calloc(1, sizeof *m);
    if (m)
        m->arena = arena_new();
    if (m && m->arena)
        return m;
    free(m);
    return NULL;
}

void decision_memory_free(struct decision_memory *m)
{
    if (!m)
        return;
    arena_free(m->arena);
    buffer_free(&m->text);
    free(m);
}

void decision_memory_forget(struct decision_memory *m)
{
    arena_reset(m->arena);
    if (m->n > 0)
        memset(m->places, 0, sizeof m->places);
    m->n = 0;
}

static struct outcome outcome_of(const struct decision *d)
{
    return (struct outcome){.flag = d->flag,
                            .experiment = d->experiment,
                            .holdout = d->holdout,
                            .phase = d->phase,
                            .variant_name = d->variant_name,
                            .value_json = d->value_json,
                            .reason = (int32_t)d->reason,
                            .propensity_ppm = d->propensity_ppm,
                            .inclusion_ppm = d->inclusion_ppm};
}

/* Where it is, or would be. What is left out of the hash rarely differs alone. */
static size_t place_of(const struct decision_memory *m, const struct outcome *o)
{
    uint64_t h = (uintptr_t)o->flag * UINT64_C(0x9E3779B97F4A7C15);
    h ^= (uintptr_t)o->variant_name * UINT64_C(0xC2B2AE3D27D4EB4F);
    h ^= ((uintptr_t)o->phase + (uint32_t)o->reason) * UINT64_C(0x165667B19E3779F9);
    size_t i = (size_t)(h >> 40) & (PLACES - 1);
    while (m->places[i] && memcmp(&m->places[i]->outcome, o, sizeof *o) != 0)
        i = (i + 1) & (PLACES - 1);
    return i;
}

static void digest_of(const struct decision_shared *s, const struct plan_phase *phase,
                      uint8_t out[DECISION_DIGEST])
{
    int32_t id = phase ? plan_phase_id(phase) : 0;
    uint8_t full[SHA256_BYTES];
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, &id, sizeof id);
    sha256_update(&h, s->text, s->len);
    sha256_final(&h, full);
    memcpy(out, full, DECISION_DIGEST);
}

struct writing {
    const struct decision *decision;
    struct decision_shared *out;
};

static void write_shared(struct json_out *o, void *arg)
{
    const struct writing *w = arg;
    decision_json_shared(o, w->decision, w->out);
}

static bool describe(struct buffer *text, struct arena *a, const struct decision *d,
                     struct decision_known *out)
{
    struct writing w = {d, &out->shared};
    if (!json_write(text, write_shared, &w))
        return false;
    out->shared.text = arena_copy(a, (const char *)text->data, text->len);
    if (!out->shared.text)
        return false;
    digest_of(&out->shared, d->phase, out->digest);
    return true;
}

static bool has_room(const struct decision_memory *m)
{
    return m->n < PLACES / 2 && arena_size(m->arena) < MOST_BYTES;
}

const struct decision_known *decision_memory_get(struct decision_memory *m, struct arena *request,
                                                 const struct decision *d)
{
    struct outcome o = outcome_of(d);
    size_t place = place_of(m, &o);
    if (m->places[place] && !d->model)
        return &m->places[place]->known;
    bool keep = !d->model && has_room(m);
    struct arena *a = keep ? m->arena : request;
    struct kept *k = arena_alloc(a, sizeof *k);
    if (!k || !describe(&m->text, a, d, &k->known))
        return NULL;
    k->outcome = o;
    if (keep) {
        m->places[place] = k;
        m->n++;
    }
    return &k->known;
}
