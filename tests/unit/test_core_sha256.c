/* SHA-256 and HMAC beside libsodium's, at every length around the blocks and in any pieces. */
#include <sodium.h>
#include <string.h>

#include "core/sha256.h"
#include "suite.h"

static uint8_t text[1000];

static void fill(void)
{
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 131 + i / 7);
}

START_TEST(published_examples)
{
    char hex[65];
    uint8_t out[32];
    sha256("abc", 3, out);
    ck_assert_str_eq(sodium_bin2hex(hex, sizeof hex, out, 32),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct hmac h; /* RFC 4231, case 2 */
    hmac_init(&h, (const uint8_t *)"Jefe", 4);
    hmac_update(&h, "what do ya want for nothing?", 28);
    hmac_final(&h, out);
    ck_assert_str_eq(sodium_bin2hex(hex, sizeof hex, out, 32),
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

START_TEST(every_length_in_pieces)
{
    uint8_t ours[32], theirs[32];
    fill();
    for (size_t n = 0; n <= 400; n++)
        for (size_t piece = 1; piece <= n + 1; piece += 1 + piece / 3) {
            struct sha256 s;
            sha256_init(&s);
            for (size_t at = 0; at < n; at += piece)
                sha256_update(&s, text + at, piece < n - at ? piece : n - at);
            sha256_final(&s, ours);
            crypto_hash_sha256(theirs, text, n);
            if (memcmp(ours, theirs, 32) != 0)
                ck_abort_msg("%zu bytes in pieces of %zu", n, piece);
        }
}
END_TEST

START_TEST(every_length_of_key)
{
    uint8_t ours[32], theirs[32];
    fill();
    for (size_t key = 0; key <= 200; key++) {
        struct hmac ready, h;
        crypto_auth_hmacsha256_state s;
        hmac_init(&ready, text + 300, key);
        for (size_t n = 0; n < 150; n += 7) {
            h = ready;
            hmac_update(&h, text, n);
            hmac_final(&h, ours);
            crypto_auth_hmacsha256_init(&s, text + 300, key);
            crypto_auth_hmacsha256_update(&s, text, n);
            crypto_auth_hmacsha256_final(&s, theirs);
            if (memcmp(ours, theirs, 32) != 0)
                ck_abort_msg("a key of %zu bytes, %zu bytes", key, n);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("sha256");
    tcase_add_test(tc, published_examples);
    tcase_add_test(tc, every_length_in_pieces);
    tcase_add_test(tc, every_length_of_key);
    return sodium_init() < 0 || run_case("sha256", tc);
}
