#include "core/token.h"

#include <string.h>

#include "core/plan_private.h"
#include "core/token_private.h"

#define VERSION 1
#define MAC_BYTES 16
#define SIGNED_BYTES (1 + 3 * 4 + 16 + 8)
#define TOKEN_BYTES (SIGNED_BYTES + MAC_BYTES)
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sodium_base64_ENCODED_LEN(TOKEN_BYTES, VARIANT) == TOKEN_TEXT + 1, "the text of a token");

void token_key_derive(const uint8_t *hash_key, size_t len, const char *purpose,
                      uint8_t out[crypto_auth_hmacsha256_BYTES])
{
    crypto_auth_hmacsha256_state s;
    crypto_auth_hmacsha256_init(&s, hash_key, len);
    crypto_auth_hmacsha256_update(&s, (const unsigned char *)purpose, strlen(purpose));
    crypto_auth_hmacsha256_final(&s, out);
    sodium_memzero(&s, sizeof s);
}

void token_key_init(crypto_auth_hmacsha256_state *state, const uint8_t *hash_key, size_t len,
                    const char *purpose)
{
    uint8_t key[crypto_auth_hmacsha256_BYTES];
    token_key_derive(hash_key, len, purpose, key);
    crypto_auth_hmacsha256_init(state, key, sizeof key);
    sodium_memzero(key, sizeof key);
}

void token_sticky_key(const uint8_t hash_key[32], uint8_t out[TOKEN_KEY_BYTES])
{
    token_key_derive(hash_key, 32, STICKY_PURPOSE, out);
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

static void sign(const struct plan *p, const uint8_t bytes[SIGNED_BYTES], uint8_t mac[MAC_BYTES])
{
    uint8_t full[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state = p->token_key;
    crypto_auth_hmacsha256_update(&state, bytes, SIGNED_BYTES);
    crypto_auth_hmacsha256_final(&state, full);
    memcpy(mac, full, MAC_BYTES);
}

void token_make(const struct plan *p, const struct token *t, char out[TOKEN_TEXT + 1])
{
    uint8_t bytes[TOKEN_BYTES] = {VERSION};
    put(bytes + 1, (uint32_t)t->experiment_id, 4);
    put(bytes + 5, (uint32_t)t->phase_id, 4);
    put(bytes + 9, (uint32_t)t->variant_id, 4);
    memcpy(bytes + 13, t->unit.bytes, 16);
    put(bytes + 29, (uint64_t)t->issued_us, 8);
    sign(p, bytes, bytes + SIGNED_BYTES);
    sodium_bin2base64(out, TOKEN_TEXT + 1, bytes, sizeof bytes, VARIANT);
}

bool token_check(const struct plan *p, const char *text, size_t len, struct token *out)
{
    uint8_t bytes[TOKEN_BYTES], mac[MAC_BYTES];
    size_t n = 0;
    if (len != TOKEN_TEXT ||
        sodium_base642bin(bytes, sizeof bytes, text, len, NULL, &n, NULL, VARIANT) != 0 ||
        n != sizeof bytes || bytes[0] != VERSION)
        return false;
    sign(p, bytes, mac);
    if (sodium_memcmp(mac, bytes + SIGNED_BYTES, MAC_BYTES) != 0)
        return false;
    out->experiment_id = (int32_t)get(bytes + 1, 4);
    out->phase_id = (int32_t)get(bytes + 5, 4);
    out->variant_id = (int32_t)get(bytes + 9, 4);
    memcpy(out->unit.bytes, bytes + 13, 16);
    out->issued_us = (int64_t)get(bytes + 29, 8);
    return true;
}

static bool is_of(const struct token *t, const struct unit *u, int64_t now_us)
{
    return memcmp(&t->unit, u, sizeof *u) == 0 && t->issued_us >= now_us - TOKEN_MAX_AGE_US &&
           t->issued_us <= now_us + TOKEN_MAX_FUTURE_US;
}

static const struct arm *arm_of(const struct plan_experiment *x, const struct token *t,
                                const struct plan_phase **phase)
{
    for (size_t i = 0; i < x->n_phases; i++)
        for (size_t k = 0; x->phases[i].id == t->phase_id && k < x->phases[i].n_arms; k++)
            if (x->phases[i].arms[k].variant->id == t->variant_id) {
                *phase = &x->phases[i];
                return &x->phases[i].arms[k];
            }
    return NULL;
}

bool token_expected(const struct plan_experiment *x, const struct unit *u, const struct token *t,
                    int64_t now_us, const struct plan_phase **phase, const struct plan_variant **variant,
                    int32_t *propensity_ppm, int32_t *inclusion_ppm)
{
    if (!x->sticky || x->quarantined || t->experiment_id != x->id || !is_of(t, u, now_us))
        return false;
    const struct arm *arm = arm_of(x, t, phase);
    if (!arm)
        return false;
    *variant = arm->variant;
    *propensity_ppm = arm->share_ppm;
    *inclusion_ppm = plan_inclusion(x);
    return true;
}

bool token_of_decision(const struct plan *p, const struct decision *d, int64_t now_us,
                       char out[TOKEN_TEXT + 1])
{
    bool drawn = d->reason == REASON_VARIANT || d->reason == REASON_STICKY;
    if (!drawn || !d->experiment->sticky || !d->phase)
        return false;
    const struct token t = {d->experiment->id, d->phase->id, d->variant->id, d->unit, now_us};
    token_make(p, &t, out);
    return true;
}
