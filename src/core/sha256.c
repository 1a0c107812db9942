/* These functions of OpenSSL are deprecated in favour of EVP, whose states are objects on the heap: ours are
 * copied by value, a key made ready is shared by threads, and a short text takes 67 ns instead of 110. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/sha256.h"

#include <string.h>

void sha256_init(struct sha256 *s)
{
    SHA256_Init(&s->state);
}

void sha256_update(struct sha256 *s, const void *bytes, size_t n)
{
    SHA256_Update(&s->state, bytes, n);
}

void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES])
{
    SHA256_Final(out, &s->state);
}

void sha256(const void *bytes, size_t n, uint8_t out[SHA256_BYTES])
{
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, bytes, n);
    sha256_final(&s, out);
}

void sha256_short(const void *bytes, size_t n, uint32_t out[8])
{
    SHA256_CTX state;
    uint8_t block[64] = {0};
    memcpy(block, bytes, n);
    block[n] = 0x80;
    block[62] = (uint8_t)(n >> 5);
    block[63] = (uint8_t)(n << 3);
    SHA256_Init(&state);
    SHA256_Transform(&state, block);
    memcpy(out, state.h, sizeof state.h);
}

void hmac_init(struct hmac *h, const uint8_t *key, size_t len)
{
    uint8_t pad[64] = {0};
    if (len > sizeof pad)
        sha256(key, len, pad);
    else if (len > 0)
        memcpy(pad, key, len);
    for (int i = 0; i < 64; i++)
        pad[i] ^= 0x36;
    sha256_init(&h->inner);
    sha256_update(&h->inner, pad, sizeof pad);
    for (int i = 0; i < 64; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    sha256_init(&h->outer);
    sha256_update(&h->outer, pad, sizeof pad);
    explicit_bzero(pad, sizeof pad);
}

void hmac_update(struct hmac *h, const void *bytes, size_t n)
{
    sha256_update(&h->inner, bytes, n);
}

void hmac_final(struct hmac *h, uint8_t out[SHA256_BYTES])
{
    sha256_final(&h->inner, out);
    sha256_update(&h->outer, out, SHA256_BYTES);
    sha256_final(&h->outer, out);
}
