#include "core/sha256.h"

#include <string.h>

/* clang's __builtin_cpu_supports does not know "sha" (14 is Debian 12's). */
#if defined __x86_64__ && defined __GNUC__ && !defined __clang__
#include <immintrin.h>
#define HAVE_SHA_INSTRUCTIONS 1
#endif

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t k[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t get_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static uint32_t turn(uint32_t v, unsigned bits)
{
    return v >> bits | v << (32 - bits);
}

static void schedule(uint32_t w[64], const uint8_t block[64])
{
    for (int i = 0; i < 16; i++)
        w[i] = get_be(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

/* The variables change their names from round to round instead of their values. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                                     \
    do {                                                                                                     \
        uint32_t t = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (g ^ (e & (f ^ g))) + k[i] + w[i];       \
        d += t;                                                                                              \
        h = t + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) | (c & (a | b)));                        \
    } while (0)

void sha256_block_plain(uint32_t s[8], const uint8_t block[64])
{
    uint32_t w[64];
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    schedule(w, block);
    for (int i = 0; i < 64; i += 8) {
        ROUND(a, b, c, d, e, f, g, h, i);
        ROUND(h, a, b, c, d, e, f, g, i + 1);
        ROUND(g, h, a, b, c, d, e, f, i + 2);
        ROUND(f, g, h, a, b, c, d, e, i + 3);
        ROUND(e, f, g, h, a, b, c, d, i + 4);
        ROUND(d, e, f, g, h, a, b, c, i + 5);
        ROUND(c, d, e, f, g, h, a, b, i + 6);
        ROUND(b, c, d, e, f, g, h, a, i + 7);
    }
    const uint32_t v[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        s[i] += v[i];
}

#ifdef HAVE_SHA_INSTRUCTIONS
/* The instructions want the state as two vectors, of words a b e f and c d g h (the first one highest), and
 * do two rounds each. w holds the last sixteen words of the schedule. */
__attribute__((target("sha,sse4.1,ssse3"))) static void block_fast(uint32_t h[8], const uint8_t block[64])
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xB1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1B);
    const __m128i abef_before = _mm_alignr_epi8(dcba, hgfe, 8),
                  cdgh_before = _mm_blend_epi16(hgfe, dcba, 0xF0);
    __m128i abef = abef_before, cdgh = cdgh_before, w[4];
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        __m128i m = _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)(k + 4 * i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, m);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(m, 0x0E));
        if (i >= 12)
            continue;
        __m128i last = w[(i + 3) & 3], next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(last, w[(i + 2) & 3], 4));
        w[i & 3] = _mm_sha256msg2_epu32(next, last);
    }
    abef = _mm_shuffle_epi32(_mm_add_epi32(abef, abef_before), 0x1B);
    cdgh = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh_before), 0xB1);
    _mm_storeu_si128((__m128i *)h, _mm_blend_epi16(abef, cdgh, 0xF0));
    _mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(cdgh, abef, 8));
}

static void add_block(uint32_t h[8], const uint8_t block[64])
{
    if (__builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1"))
        block_fast(h, block);
    else
        sha256_block_plain(h, block);
}
#else
static void add_block(uint32_t h[8], const uint8_t block[64])
{
    sha256_block_plain(h, block);
}
#endif

void sha256_init(struct sha256 *s)
{
    /* The first 32 bits of the fractional parts of the square roots of the first 8 primes. */
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, first, sizeof s->h);
    s->len = 0;
}

void sha256_update(struct sha256 *s, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t held = s->len % 64;
    s->len += n;
    while (n > 0) {
        if (held == 0 && n >= 64) {
            add_block(s->h, p);
            p += 64;
            n -= 64;
            continue;
        }
        size_t take = n < 64 - held ? n : 64 - held;
        memcpy(s->block + held, p, take);
        p += take;
        n -= take;
        held += take;
        if (held == 64) {
            add_block(s->h, s->block);
            held = 0;
        }
    }
}

void sha256_final(struct sha256 *s, uint8_t out[SHA256_BYTES])
{
    size_t held = s->len % 64;
    s->block[held++] = 0x80;
    if (held > 56) {
        memset(s->block + held, 0, 64 - held);
        add_block(s->h, s->block);
        held = 0;
    }
    memset(s->block + held, 0, 56 - held);
    put_be(s->block + 56, (uint32_t)(s->len >> 29));
    put_be(s->block + 60, (uint32_t)(s->len << 3));
    add_block(s->h, s->block);
    for (int i = 0; i < 8; i++)
        put_be(out + 4 * i, s->h[i]);
}

void sha256(const void *bytes, size_t n, uint8_t out[SHA256_BYTES])
{
    struct sha256 s;
    sha256_init(&s);
    sha256_update(&s, bytes, n);
    sha256_final(&s, out);
}

void hmac_init(struct hmac *h, const uint8_t *key, size_t len)
{
    uint8_t pad[64] = {0};
    struct sha256 outer;
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
    sha256_init(&outer);
    sha256_update(&outer, pad, sizeof pad);
    memcpy(h->outer, outer.h, sizeof h->outer);
    explicit_bzero(pad, sizeof pad);
    explicit_bzero(&outer, sizeof outer);
}

void hmac_update(struct hmac *h, const void *bytes, size_t n)
{
    sha256_update(&h->inner, bytes, n);
}

void hmac_final(struct hmac *h, uint8_t out[SHA256_BYTES])
{
    struct sha256 outer = {.len = 64};
    memcpy(outer.h, h->outer, sizeof outer.h);
    sha256_final(&h->inner, out);
    sha256_update(&outer, out, SHA256_BYTES);
    sha256_final(&outer, out);
}
