/* The sticky token: a signed note, carried by the client, of the variant a unit was first given. */
#ifndef COHORT_CORE_TOKEN_H
#define COHORT_CORE_TOKEN_H

#include "core/decide.h"

#define TOKEN_KEY_BYTES 32
#define TOKEN_TEXT 71                                         /* characters */
#define TOKEN_MAX_AGE_US (INT64_C(400) * 24 * 3600 * 1000000) /* older ones are ignored */
#define TOKEN_MAX_FUTURE_US (INT64_C(24) * 3600 * 1000000)    /* clocks differ; but not by more */

/* Text: base64url without padding of 53 bytes: version 1; experiment, phase and variant id (4 bytes each) and
 * issued (8 bytes), big-endian, with the unit (16 bytes) before issued; the first 16 bytes of
 * HMAC-SHA-256(K, all before), K = HMAC-SHA-256(hash key of the environment, "cohortd sticky token 1"). */
struct token {
    int32_t experiment_id, phase_id, variant_id;
    struct unit unit;
    int64_t issued_us; /* since 1970 */
};

/* K of an environment's hash key: enough to make and read sticky tokens, and nothing else. */
void token_sticky_key(const uint8_t hash_key[32], uint8_t out[TOKEN_KEY_BYTES]);

/* NUL-terminated. */
void token_make(const struct plan *p, const struct token *t, char out[TOKEN_TEXT + 1]);

/* False unless it was made under this environment's key. The MAC is compared in constant time. Whose it is
 * and how old is for the caller to judge. */
bool token_check(const struct plan *p, const char *text, size_t len, struct token *out);

/* Whether a token keeps a unit in a phase of this experiment's iteration, and what it was given there: it
 * stands in for plan_expected where a sticky unit's variant is not what it would draw. */
bool token_expected(const struct plan_experiment *x, const struct unit *u, const struct token *t,
                    int64_t now_us, const struct plan_phase **phase, const struct plan_variant **variant,
                    int32_t *propensity_ppm, int32_t *inclusion_ppm);

/* The token to hand out with a decision; false when there is none: the experiment is not sticky, or no phase
 * of its drew the variant (a token of an earlier iteration stays good as it is). */
bool token_of_decision(const struct plan *p, const struct decision *d, int64_t now_us,
                       char out[TOKEN_TEXT + 1]);

#endif
