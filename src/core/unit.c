#include "core/unit.h"

#include <string.h>

void unit_key_init(struct unit_key *k, const uint8_t *key, size_t key_len)
{
    hmac_init(&k->state, key, key_len);
}

static int continuation(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return 1;
}

size_t utf8_sequence(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        return len >= 2 && continuation(p + 1, 1) ? 2 : 0;
    if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        if (len < 3 || !continuation(p + 1, 2) || (p[0] == 0xE0 && p[1] < 0xA0) ||
            (p[0] == 0xED && p[1] > 0x9F))
            return 0;
        return 3;
    }
    if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        if (len < 4 || !continuation(p + 1, 3) || (p[0] == 0xF0 && p[1] < 0x90) ||
            (p[0] == 0xF4 && p[1] > 0x8F))
            return 0;
        return 4;
    }
    return 0;
}

int utf8_valid(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        /* Ids and names are nearly always ASCII: eight bytes at a time. */
        uint64_t word;
        if (len - i >= sizeof word) {
            memcpy(&word, s + i, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof word;
                continue;
            }
        }
        size_t n = utf8_sequence(s + i, len - i);
        if (n == 0)
            return 0;
        i += n;
    }
    return 1;
}

int unit_raw_check(const char *raw, size_t len, struct error *e)
{
    if (len == 0)
        return error_set(e, ERR_INVALID, NULL, "an id is empty; it must have 1 to %d bytes", UNIT_RAW_MAX);
    if (len > UNIT_RAW_MAX)
        return error_set(e, ERR_INVALID, NULL, "an id has %zu bytes; it must have 1 to %d", len,
                         UNIT_RAW_MAX);
    if (memchr(raw, 0, len))
        return error_set(e, ERR_INVALID, NULL, "an id contains a NUL character");
    if (!utf8_valid(raw, len))
        return error_set(e, ERR_INVALID, NULL, "an id is not valid UTF-8");
    return 0;
}

int unit_type_check(const char *type, size_t len, struct error *e)
{
    int ok = len >= 1 && len <= UNIT_TYPE_MAX && type[0] >= 'a' && type[0] <= 'z';
    for (size_t i = 1; ok && i < len; i++)
        ok = (type[i] >= 'a' && type[i] <= 'z') || (type[i] >= '0' && type[i] <= '9') || type[i] == '_';
    if (ok)
        return 0;
    return error_set(e, ERR_INVALID, NULL,
                     "a unit type must be 1 to %d characters of a-z, 0-9 and _, beginning with a letter",
                     UNIT_TYPE_MAX);
}

void unit_from_raw(const struct unit_key *k, const char *type, size_t type_len, const char *raw,
                   size_t raw_len, struct unit *out)
{
    static const unsigned char separator = 0;
    struct hmac state = k->state;
    uint8_t mac[SHA256_BYTES];
    hmac_update(&state, type, type_len);
    hmac_update(&state, &separator, 1);
    hmac_update(&state, raw, raw_len);
    hmac_final(&state, mac);
    memcpy(out->bytes, mac, sizeof out->bytes);
}
