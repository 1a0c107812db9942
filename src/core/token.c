#include "core/token.h"

#include <sodium.h>
#include <string.h>

#include "core/base64.h"
#include "core/plan_private.h"
#include "core/token_private.h"

#define MAC_BYTES 16
#define SIGNED_BYTES_1 (1 + 3 * 4 + 16 + 8)
#define SIGNED_BYTES_2 (SIGNED_BYTES_1 + 16 + 4)
#define TOKEN_BYTES_MAX (SIGNED_BYTES_2 + MAC_BYTES)
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sodium_base64_ENCODED_LEN(TOKEN_BYTES_MAX, VARIANT) == TOKEN_TEXT_MAX + 1,
               "the text of a token");

void token_key_derive(const uint8_t *hash_key, size_t len, const char *purpose, uint8_t out[SHA256_BYTES])
{
    struct hmac s;
    hmac_init(&s, hash_key, len);
    hmac_update(&s, purpose, strlen(purpose));
    hmac_final(&s, out);
    sodium_memzero(&s, sizeof s);
}

void token_key_init(struct hmac *state, const uint8_t *hash_key, size_t len, const char *purpose)
{
    uint8_t key[SHA256_BYTES];
    token_key_derive(hash_key, len, purpose, key);
    hmac_init(state, key, sizeof key);
    sodium_memzero(key, sizeof key);
}

void token_sticky_key(const uint8_t hash_key[32], uint8_t out[TOKEN_KEY_BYTES])
{
    token_key_derive(hash_key, 32, STICKY_PURPOSE, out);
}

/* libsodium takes some bytes above 0x7F for '-' or '_'. */
bool token_decode(const char *text, size_t len, uint8_t *bytes, size_t cap, size_t *n)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] > 0x7F)
            return false;
    return sodium_base642bin(bytes, cap, text, len, NULL, n, NULL, VARIANT) == 0;
}

static void put(uint8_t *to, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(value >> 8 * (n - 1 - i));
}

static uint64_t get(const uint8_t *from, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | from[i];
    return value;
}

static void sign(const struct plan *p, const uint8_t *bytes, size_t n, uint8_t mac[MAC_BYTES])
{
    uint8_t full[SHA256_BYTES];
    struct hmac state = p->token_key;
    hmac_update(&state, bytes, n);
    hmac_final(&state, full);
    memcpy(mac, full, MAC_BYTES);
}

void token_make(const struct plan *p, const struct token *t, char out[TOKEN_TEXT_MAX + 1])
{
    uint8_t bytes[TOKEN_BYTES_MAX] = {t->has_decision ? 2 : 1};
    size_t n = t->has_decision ? SIGNED_BYTES_2 : SIGNED_BYTES_1;
    put(bytes + 1, (uint32_t)t->experiment_id, 4);
    put(bytes + 5, (uint32_t)t->phase_id, 4);
    put(bytes + 9, (uint32_t)t->variant_id, 4);
    memcpy(bytes + 13, t->unit.bytes, 16);
    put(bytes + 29, (uint64_t)t->issued_us, 8);
    if (t->has_decision) {
        memcpy(bytes + 37, t->decision_id, 16);
        put(bytes + 53, (uint32_t)t->propensity_ppm, 4);
    }
    sign(p, bytes, n, bytes + n);
    base64_url(bytes, n + MAC_BYTES, out);
}

bool token_check(const struct plan *p, const char *text, size_t len, struct token *out)
{
    uint8_t bytes[TOKEN_BYTES_MAX], mac[MAC_BYTES];
    size_t n = 0;
    if (len > TOKEN_TEXT_MAX || !token_decode(text, len, bytes, sizeof bytes, &n) || n < 1)
        return false;
    size_t signed_bytes = bytes[0] == 2 ? SIGNED_BYTES_2 : SIGNED_BYTES_1;
    if (bytes[0] < 1 || bytes[0] > 2 || n != signed_bytes + MAC_BYTES)
        return false;
    sign(p, bytes, signed_bytes, mac);
    if (sodium_memcmp(mac, bytes + signed_bytes, MAC_BYTES) != 0)
        return false;
    *out = (struct token){.experiment_id = (int32_t)get(bytes + 1, 4),
                          .phase_id = (int32_t)get(bytes + 5, 4),
                          .variant_id = (int32_t)get(bytes + 9, 4),
                          .issued_us = (int64_t)get(bytes + 29, 8),
                          .has_decision = bytes[0] == 2,
                          .propensity_ppm = -1};
    memcpy(out->unit.bytes, bytes + 13, 16);
    if (out->has_decision) {
        memcpy(out->decision_id, bytes + 37, 16);
        out->propensity_ppm = (int32_t)get(bytes + 53, 4);
    }
    return true;
}

static bool is_of(const struct token *t, const struct unit *u, int64_t now_us)
{
    return memcmp(&t->unit, u, sizeof *u) == 0 && t->issued_us >= now_us - TOKEN_MAX_AGE_US &&
           t->issued_us <= now_us + TOKEN_MAX_FUTURE_US;
}

bool token_expected(const struct plan_experiment *x, const struct unit *u, const struct token *t,
                    const uint8_t *decision, int64_t now_us, struct plan_assignment *out)
{
    if (x->quarantined || t->experiment_id != x->id || !is_of(t, u, now_us))
        return false;
    out->phase = plan_phase_by_id(x, t->phase_id);
    out->phase_id = t->phase_id;
    out->variant = plan_variant_by_id(x, t->variant_id);
    out->inclusion_ppm = plan_inclusion_ppm(x, now_us);
    if (t->has_decision) {
        out->propensity_ppm = t->propensity_ppm;
        return out->variant && (!decision || memcmp(t->decision_id, decision, sizeof t->decision_id) == 0);
    }
    out->propensity_ppm = out->phase && out->variant ? plan_phase_share_ppm(out->phase, out->variant) : -1;
    return x->sticky && out->propensity_ppm >= 0;
}

static bool drawn(enum reason r)
{
    return r == REASON_VARIANT || r == REASON_STICKY || r == REASON_LOW_CONFIDENCE ||
           r == REASON_OUT_OF_RANGE || r == REASON_ATTRIBUTE_MISSING;
}

bool token_of_decision(const struct plan *p, const struct decision *d, const uint8_t *decision_id,
                       int64_t now_us, char out[TOKEN_TEXT_MAX + 1])
{
    if (!drawn(d->reason) || !d->phase)
        return false;
    bool keeps = d->experiment->sticky && !plan_experiment_draws_decisions(d->experiment);
    bool proves = d->phase->timed && decision_id;
    if (!keeps && !proves)
        return false;
    struct token t = {.experiment_id = d->experiment->id,
                      .phase_id = d->phase->id,
                      .variant_id = d->variant->id,
                      .unit = d->unit,
                      .issued_us = d->experiment->n_timeline > 0 ? d->drawn_us : now_us,
                      .has_decision = proves,
                      .propensity_ppm = d->propensity_ppm};
    if (proves)
        memcpy(t.decision_id, decision_id, 16);
    token_make(p, &t, out);
    return true;
}
