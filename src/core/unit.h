/* Units: who is randomised. A raw id becomes 16 bytes here and is forgotten (docs/assignment.md). */
#ifndef COHORT_CORE_UNIT_H
#define COHORT_CORE_UNIT_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/sha256.h"

#define UNIT_RAW_MAX 512 /* bytes of a raw id */
#define UNIT_TYPE_MAX 32 /* bytes of a unit type: [a-z][a-z0-9_]* */

/* First 16 bytes of HMAC-SHA-256(unit key, type 0x00 raw). Printed and stored as a uuid. */
struct unit {
    uint8_t bytes[16];
};

/* An environment's secret key with its HMAC state worked out once. Treat the inside as opaque. */
struct unit_key {
    struct hmac state;
};

/* key: any length, 32 bytes usually. */
void unit_key_init(struct unit_key *k, const uint8_t *key, size_t key_len);

/* ERR_INVALID unless raw is 1 to 512 bytes of valid UTF-8 without NUL. Nothing is trimmed or folded. */
int unit_raw_check(const char *raw, size_t len, struct error *e);

/* ERR_INVALID unless type matches [a-z][a-z0-9_]{0,31}. */
int unit_type_check(const char *type, size_t len, struct error *e);

/* The contract's unit. raw and type must have passed their checks. */
void unit_from_raw(const struct unit_key *k, const char *type, size_t type_len, const char *raw,
                   size_t raw_len, struct unit *out);

/* True for valid UTF-8 (no overlong form, no surrogate, at most U+10FFFF). NUL is valid here. */
int utf8_valid(const char *s, size_t len);

/* Bytes (1 to 4) of the valid UTF-8 sequence that s begins with, or 0 when there is none within len. */
size_t utf8_sequence(const char *s, size_t len);

#endif
