#include "core/event_token.h"

#include <sodium.h>
#include <string.h>

#include "core/base64.h"
#include "core/plan_private.h"
#include "core/token_private.h"

#define VERSION 1
#define MAC_BYTES 16
#define HEAD_BYTES (1 + 4)
#define UNIT_BYTES 16
#define BYTES_MAX (HEAD_BYTES + EVENT_TOKEN_UNITS * UNIT_BYTES + MAC_BYTES)
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define DAY_US (INT64_C(24) * 3600 * 1000000)
#define SECOND_US 1000000

_Static_assert(sodium_base64_ENCODED_LEN(BYTES_MAX, VARIANT) == EVENT_TOKEN_TEXT + 1, "the text of a token");

int64_t event_token_expiry(int64_t now_us, int64_t keep_us)
{
    return ((now_us + keep_us) / DAY_US + 2) * DAY_US;
}

static void sign(const struct plan *p, const uint8_t *bytes, size_t len, uint8_t mac[MAC_BYTES])
{
    uint8_t full[SHA256_BYTES];
    struct hmac state = p->event_key;
    hmac_update(&state, bytes, len);
    hmac_final(&state, full);
    memcpy(mac, full, MAC_BYTES);
}

bool event_token_make(const struct plan *p, struct subject *s, int64_t expires_us,
                      char out[EVENT_TOKEN_TEXT + 1])
{
    uint32_t expires = (uint32_t)(expires_us / SECOND_US);
    uint8_t bytes[BYTES_MAX] = {VERSION, (uint8_t)(expires >> 24), (uint8_t)(expires >> 16),
                                (uint8_t)(expires >> 8), (uint8_t)expires};
    size_t n = HEAD_BYTES;
    struct unit u;
    for (size_t i = 0; i < p->n_unit_types; i++) {
        if (!subject_unit(p, s, p->unit_types[i], &u))
            continue;
        memcpy(bytes + n, u.bytes, UNIT_BYTES);
        n += UNIT_BYTES;
    }
    if (n == HEAD_BYTES || p->handed_out)
        return false;
    sign(p, bytes, n, bytes + n);
    base64_url(bytes, n + MAC_BYTES, out);
    return true;
}

enum event_token_state event_token_check(const struct plan *p, const char *text, size_t len, int64_t now_us,
                                         struct event_token *out)
{
    uint8_t bytes[BYTES_MAX], mac[MAC_BYTES];
    size_t n = 0;
    if (p->handed_out || len > EVENT_TOKEN_TEXT || !token_decode(text, len, bytes, sizeof bytes, &n) ||
        n < HEAD_BYTES + UNIT_BYTES + MAC_BYTES || (n - HEAD_BYTES - MAC_BYTES) % UNIT_BYTES != 0 ||
        bytes[0] != VERSION)
        return EVENT_TOKEN_FORGED;
    sign(p, bytes, n - MAC_BYTES, mac);
    if (sodium_memcmp(mac, bytes + n - MAC_BYTES, MAC_BYTES) != 0)
        return EVENT_TOKEN_FORGED;
    uint32_t expires =
        (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    out->expires_us = (int64_t)expires * SECOND_US;
    out->n_units = (n - HEAD_BYTES - MAC_BYTES) / UNIT_BYTES;
    for (size_t i = 0; i < out->n_units; i++)
        memcpy(out->units[i].bytes, bytes + HEAD_BYTES + i * UNIT_BYTES, UNIT_BYTES);
    return out->expires_us > now_us ? EVENT_TOKEN_GOOD : EVENT_TOKEN_EXPIRED;
}

bool event_token_has(const struct event_token *t, const struct unit *u)
{
    for (size_t i = 0; i < t->n_units; i++)
        if (memcmp(&t->units[i], u, sizeof *u) == 0)
            return true;
    return false;
}
