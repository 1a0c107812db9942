#include "core/draw.h"

#include <string.h>

#include "core/sha256.h"

_Static_assert(SALT_BYTES + 32 <= SHA256_SHORT, "every draw is of one block");

void draw_unit(const uint8_t salt[SALT_BYTES], const struct unit *u, struct draw *out)
{
    uint8_t bytes[SALT_BYTES + 16];
    memcpy(bytes, salt, SALT_BYTES);
    memcpy(bytes + SALT_BYTES, u->bytes, 16);
    sha256_short(bytes, sizeof bytes, out->w);
}

void draw_decision(const uint8_t salt[SALT_BYTES], const struct unit *u, const uint8_t decision_id[16],
                   struct draw *out)
{
    uint8_t bytes[SALT_BYTES + 32];
    memcpy(bytes, salt, SALT_BYTES);
    memcpy(bytes + SALT_BYTES, u->bytes, 16);
    memcpy(bytes + SALT_BYTES + 16, decision_id, 16);
    sha256_short(bytes, sizeof bytes, out->w);
}

uint32_t slot_of(uint32_t w)
{
    return (uint32_t)((uint64_t)w * SLOTS >> 32);
}
