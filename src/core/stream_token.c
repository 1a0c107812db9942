#include "core/stream_token.h"

#include <sodium.h>
#include <string.h>

#include "core/base64.h"
#include "core/plan_private.h"
#include "core/token_private.h"

#define VERSION 1
#define MAC_BYTES 16
#define SIGNED_BYTES (1 + 4 + 4)
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define SECOND_US 1000000

_Static_assert(sodium_base64_ENCODED_LEN(SIGNED_BYTES + MAC_BYTES, VARIANT) == STREAM_TOKEN_TEXT + 1,
               "the text of a token");

int64_t stream_token_expiry(int64_t now_us, uint32_t offset)
{
    int64_t shift = (int64_t)(offset % (STREAM_TOKEN_LIFE_US / SECOND_US)) * SECOND_US;
    return ((now_us - shift) / STREAM_TOKEN_LIFE_US + 2) * STREAM_TOKEN_LIFE_US + shift;
}

static void sign(const struct plan *p, const uint8_t *bytes, uint8_t mac[MAC_BYTES])
{
    uint8_t full[SHA256_BYTES];
    struct hmac state = p->stream_key;
    hmac_update(&state, bytes, SIGNED_BYTES);
    hmac_final(&state, full);
    memcpy(mac, full, MAC_BYTES);
}

static void put32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

bool stream_token_make(const struct plan *p, const struct stream_token *t, char out[STREAM_TOKEN_TEXT + 1])
{
    uint8_t bytes[SIGNED_BYTES + MAC_BYTES] = {VERSION};
    if (p->handed_out)
        return false;
    put32(bytes + 1, (uint32_t)t->key_id);
    put32(bytes + 5, (uint32_t)(t->expires_us / SECOND_US));
    sign(p, bytes, bytes + SIGNED_BYTES);
    base64_url(bytes, sizeof bytes, out);
    return true;
}

static const struct plan *signer(const struct plan_set *s, const uint8_t bytes[SIGNED_BYTES + MAC_BYTES])
{
    const struct plan *found = NULL;
    uint8_t mac[MAC_BYTES];
    for (size_t i = 0; i < plan_set_count(s); i++) {
        const struct plan *p = plan_set_at(s, i);
        sign(p, bytes, mac);
        if (sodium_memcmp(mac, bytes + SIGNED_BYTES, MAC_BYTES) == 0 && !p->handed_out)
            found = p;
    }
    return found;
}

enum stream_token_state stream_token_check(const struct plan_set *s, const char *text, size_t len,
                                           int64_t now_us, struct stream_token *out, const struct plan **plan)
{
    uint8_t bytes[SIGNED_BYTES + MAC_BYTES];
    size_t n = 0;
    *plan = NULL;
    if (len != STREAM_TOKEN_TEXT || !token_decode(text, len, bytes, sizeof bytes, &n) || n != sizeof bytes ||
        bytes[0] != VERSION)
        return STREAM_TOKEN_FORGED;
    *plan = signer(s, bytes);
    if (!*plan)
        return STREAM_TOKEN_FORGED;
    out->key_id = (int32_t)get32(bytes + 1);
    out->expires_us = (int64_t)get32(bytes + 5) * SECOND_US;
    if (out->expires_us <= now_us)
        return STREAM_TOKEN_EXPIRED;
    return plan_api_key_known(*plan, out->key_id) ? STREAM_TOKEN_GOOD : STREAM_TOKEN_REVOKED;
}
