#include "core/draw.h"

#include <string.h>

#include "core/sha256.h"

static uint32_t big_endian_word(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void hash_to_draw(const uint8_t *bytes, size_t n, struct draw *out)
{
    uint8_t hash[SHA256_BYTES];
    sha256(bytes, n, hash);
    for (size_t i = 0; i < 8; i++)
        out->w[i] = big_endian_word(hash + 4 * i);
}

void draw_unit(const uint8_t salt[SALT_BYTES], const struct unit *u, struct draw *out)
{
    uint8_t bytes[SALT_BYTES + 16];
    memcpy(bytes, salt, SALT_BYTES);
    memcpy(bytes + SALT_BYTES, u->bytes, 16);
    hash_to_draw(bytes, sizeof bytes, out);
}

void draw_decision(const uint8_t salt[SALT_BYTES], const struct unit *u, const uint8_t decision_id[16],
                   struct draw *out)
{
    uint8_t bytes[SALT_BYTES + 32];
    memcpy(bytes, salt, SALT_BYTES);
    memcpy(bytes + SALT_BYTES, u->bytes, 16);
    memcpy(bytes + SALT_BYTES + 16, decision_id, 16);
    hash_to_draw(bytes, sizeof bytes, out);
}

uint32_t slot_of(uint32_t w)
{
    return (uint32_t)((uint64_t)w * SLOTS >> 32);
}
