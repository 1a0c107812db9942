#include "core/plan_state.h"

#include <string.h>

#include "core/plan_private.h"

/* A plan's times are fixed and pass once each, so that their number says which ones have passed. */
static uint64_t passed(const struct plan_experiment *x, int64_t now_us)
{
    uint64_t n = 0;
    n += now_us >= x->starts_us;
    n += now_us >= x->ends_us;
    for (size_t i = 0; i < x->n_timeline; i++)
        n += now_us >= x->timeline[i].from_us;
    for (size_t i = 0; i < x->n_unit_overrides; i++)
        n += now_us >= x->unit_overrides[i].expires_us;
    for (size_t i = 0; i < x->n_segment_overrides; i++)
        n += now_us >= x->segment_overrides[i].expires_us;
    return n;
}

void plan_state(const struct plan *p, int64_t now_us, int64_t blind_us, uint8_t out[PLAN_STATE_BYTES])
{
    uint64_t numbers[2] = {0, 0};
    uint8_t tag[16], whole[16];
    crypto_generichash_state h;
    for (size_t i = 0; i < p->n_experiments; i++) {
        const struct plan_experiment *x = p->experiments[i];
        if (x->quarantined)
            continue;
        numbers[0] += passed(x, now_us);
        numbers[1] += blind_us > x->guard_max_blind_us;
    }
    plan_document_tag(p, tag);
    crypto_generichash_init(&h, NULL, 0, sizeof whole);
    crypto_generichash_update(&h, tag, sizeof tag);
    for (size_t i = 0; i < 16; i++)
        whole[i] = (uint8_t)(numbers[i / 8] >> 8 * (i % 8));
    crypto_generichash_update(&h, whole, sizeof whole);
    crypto_generichash_final(&h, whole, sizeof whole);
    memcpy(out, whole, PLAN_STATE_BYTES);
}
