/* The keys of tokens, for the builder of plans alone, and what the kinds of tokens share. */
#ifndef COHORT_CORE_TOKEN_PRIVATE_H
#define COHORT_CORE_TOKEN_PRIVATE_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STICKY_PURPOSE "cohortd sticky token 1"
#define EVENT_PURPOSE "cohortd event token 1"
#define STREAM_PURPOSE "cohortd stream token 1"

/* HMAC-SHA-256(hash_key, purpose): the key of one kind of token. */
void token_key_derive(const uint8_t *hash_key, size_t len, const char *purpose, uint8_t out[SHA256_BYTES]);
/* The same as the key of a state. */
void token_key_init(struct hmac *state, const uint8_t *hash_key, size_t len, const char *purpose);

/* The bytes of a token's text; false when it is not the one text that these bytes have, or does not fit. */
bool token_decode(const char *text, size_t len, uint8_t *bytes, size_t cap, size_t *n);

#endif
