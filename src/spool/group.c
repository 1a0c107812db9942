#include "spool/group.h"

#include <sodium.h>
#include <string.h>

#include "core/error.h"

/* Format 3: "cspl", u16 format, u16 the high bits of accepted, u32 records, u32 its low bits, then 16 bytes
 * of BLAKE2b over the number, those 16 bytes and the records. Little-endian. Format 2 is the same and had no
 * records that are lists, which who wrote it can't read. Format 1 had zero for the high bits and the length
 * for the low ones. */
enum { AT_FORMAT = 4, AT_HIGH = 6, AT_RECORDS = 8, AT_LOW = 12, AT_CHECKSUM = 16, CHECKSUM = 16 };

static void put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void checksum(const uint8_t *header, uint64_t number, size_t len, uint8_t out[CHECKSUM])
{
    crypto_generichash_state state;
    uint8_t no[8];
    put_u32(no, (uint32_t)number);
    put_u32(no + 4, (uint32_t)(number >> 32));
    crypto_generichash_init(&state, NULL, 0, CHECKSUM);
    crypto_generichash_update(&state, no, sizeof no);
    crypto_generichash_update(&state, header, AT_CHECKSUM);
    crypto_generichash_update(&state, header + GROUP_HEADER, len);
    crypto_generichash_final(&state, out, CHECKSUM);
}

void group_seal(uint8_t *header, uint64_t number, uint64_t accepted, unsigned n_records, size_t len)
{
    memcpy(header, "cspl", 4);
    put_u32(header + AT_FORMAT, GROUP_FORMAT | (uint32_t)(accepted >> 32) << 16);
    put_u32(header + AT_RECORDS, n_records);
    put_u32(header + AT_LOW, (uint32_t)accepted);
    checksum(header, number, len, header + AT_CHECKSUM);
}

int group_check(const uint8_t *stored, size_t n, uint64_t number, struct group_content *out, const char **why)
{
    uint8_t sum[CHECKSUM];
    if (n < GROUP_HEADER || memcmp(stored, "cspl", 4) != 0) {
        *why = "its header is not a group's";
        return ERR_DAMAGED;
    }
    checksum(stored, number, n - GROUP_HEADER, sum);
    if (memcmp(sum, stored + AT_CHECKSUM, CHECKSUM) != 0) {
        *why = "its checksum does not match its bytes";
        return ERR_DAMAGED;
    }
    unsigned format = get_u32(stored + AT_FORMAT) & 0xFFFF;
    if (format < 1 || format > GROUP_FORMAT) {
        *why = "it was written by a newer cohortd; start that version";
        return ERR_STATE;
    }
    uint64_t high = stored[AT_HIGH] | (uint64_t)stored[AT_HIGH + 1] << 8;
    *out = (struct group_content){stored + GROUP_HEADER, n - GROUP_HEADER, get_u32(stored + AT_RECORDS),
                                  format > 1, high << 32 | get_u32(stored + AT_LOW)};
    return ERR_OK;
}
