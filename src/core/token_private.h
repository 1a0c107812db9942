/* The key of sticky tokens, for the builder of plans alone. */
#ifndef COHORT_CORE_TOKEN_PRIVATE_H
#define COHORT_CORE_TOKEN_PRIVATE_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

/* HMAC-SHA-256(hash_key, "cohortd sticky token 1") as the key of a state. */
void token_key_init(crypto_auth_hmacsha256_state *state, const uint8_t *hash_key, size_t len);

#endif
