/* The stream token: what stands in a stream's URL instead of an API key, because browsers' EventSource sends
 * no headers. It opens streams of one environment for a while, and is good for nothing else. */
#ifndef COHORT_CORE_STREAM_TOKEN_H
#define COHORT_CORE_STREAM_TOKEN_H

#include "core/plan_set.h"

#define STREAM_TOKEN_TEXT 34 /* characters */
#define STREAM_TOKEN_LIFE_US (INT64_C(1800) * 1000000)

/* Text: base64url without padding of version 1; the API key's id, and expires (seconds since 1970; 4 bytes
 * each, big-endian); the first 16 bytes of HMAC-SHA-256(K, all before), K = HMAC-SHA-256(hash key of the
 * environment, "cohortd stream token 1"). */
struct stream_token {
    int32_t key_id;
    int64_t expires_us; /* since 1970; whole seconds are kept */
};

/* When a token made now expires: STREAM_TOKEN_LIFE_US to twice that from now; the same moment for all that
 * are made during one STREAM_TOKEN_LIFE_US for one client, so that its URL stays what it is. offset: any
 * number of the client; the moments of different clients are spread by it. */
int64_t stream_token_expiry(int64_t now_us, uint32_t offset);

/* False when the plan was handed out: it has no keys. */
bool stream_token_make(const struct plan *p, const struct stream_token *t, char out[STREAM_TOKEN_TEXT + 1]);

enum stream_token_state {
    STREAM_TOKEN_GOOD,
    STREAM_TOKEN_FORGED,
    STREAM_TOKEN_EXPIRED,
    STREAM_TOKEN_REVOKED
};

/* Whose token it is: of which environment its key says. FORGED: no environment's; REVOKED: its API key is no
 * more. Out is filled unless it is forged. MACs are compared in constant time, with those of all
 * environments.
 */
enum stream_token_state stream_token_check(const struct plan_set *s, const char *text, size_t len,
                                           int64_t now_us, struct stream_token *out,
                                           const struct plan **plan);

#endif
