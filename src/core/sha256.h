/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104), by OpenSSL: it uses the processor's instructions for them
 * where there are some, 67 ns for a short text beside libsodium's 300, and a decision is six such hashes and
 * little else. libsodium does everything that is not asked for at every decision. */
#ifndef COHORT_CORE_SHA256_H
#define COHORT_CORE_SHA256_H

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

/* May be copied at any time: both copies go on from there. */
struct sha256 {
    SHA256_CTX state;
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *bytes, size_t n);
void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES]);
void sha256(const void *bytes, size_t n, uint8_t out[SHA256_BYTES]);

#define SHA256_SHORT 55 /* bytes that are one block with their padding */

/* The hash of a short text as eight big-endian numbers. */
void sha256_short(const void *bytes, size_t n, uint32_t out[8]);

/* After hmac_init it is a key made ready: copy it for each text. Holds what is as good as the key. */
struct hmac {
    struct sha256 inner, outer;
};

void hmac_init(struct hmac *h, const uint8_t *key, size_t len);
void hmac_update(struct hmac *h, const void *bytes, size_t n);
void hmac_final(struct hmac *h, uint8_t out[SHA256_BYTES]);

#endif
