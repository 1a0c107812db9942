/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104): with the processor's instructions for it where there are
 * some, a tenth of the time of any other way, since a decision is a handful of hashes of short texts and
 * little else. */
#ifndef COHORT_CORE_SHA256_H
#define COHORT_CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

/* May be copied at any time: both copies go on from there. */
struct sha256 {
    uint32_t h[8];
    uint64_t len;
    uint8_t block[64]; /* what is not hashed yet: len % 64 bytes */
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *bytes, size_t n);
void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES]);
void sha256(const void *bytes, size_t n, uint8_t out[SHA256_BYTES]);

/* After hmac_init it is a key made ready: copy it for each text. Holds what is as good as the key. */
struct hmac {
    struct sha256 inner;
    uint32_t outer[8];
};

void hmac_init(struct hmac *h, const uint8_t *key, size_t len);
void hmac_update(struct hmac *h, const void *bytes, size_t n);
void hmac_final(struct hmac *h, uint8_t out[SHA256_BYTES]);

/* One block into the state. The plain way, for tests: the functions above choose by themselves. */
void sha256_block_plain(uint32_t h[8], const uint8_t block[64]);

#endif
