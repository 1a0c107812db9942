/* The token: a signed note, carried by the client, of the variant a unit was given. It keeps the unit in its
 * variant where the experiment is sticky, and proves the draw when an exposure is reported. */
#ifndef COHORT_CORE_TOKEN_H
#define COHORT_CORE_TOKEN_H

#include "core/decide.h"

#define TOKEN_KEY_BYTES 32
#define TOKEN_TEXT 71                                         /* characters of version 1 */
#define TOKEN_TEXT_MAX 98                                     /* of version 2 */
#define TOKEN_MAX_AGE_US (INT64_C(400) * 24 * 3600 * 1000000) /* older ones are ignored */
#define TOKEN_MAX_FUTURE_US (INT64_C(24) * 3600 * 1000000)    /* clocks differ; but not by more */

/* Text: base64url without padding of version; experiment, phase and variant id (4 bytes each); the unit (16
 * bytes); issued (8 bytes); in version 2 the decision's id (16 bytes) and the propensity (4 bytes); all
 * big-endian; then the first 16 bytes of HMAC-SHA-256(K, all before), K = HMAC-SHA-256(hash key of the
 * environment, "cohortd sticky token 1"). */
struct token {
    int32_t experiment_id, phase_id, variant_id;
    struct unit unit;
    int64_t issued_us; /* since 1970; of a bandit: when the variant was drawn, however often it was told */
    bool has_decision; /* version 2: of a time phase, whose draw can't always be recomputed later */
    uint8_t decision_id[16];
    int32_t propensity_ppm;
};

/* K of an environment's hash key: enough to make and read sticky tokens, and nothing else. */
void token_sticky_key(const uint8_t hash_key[32], uint8_t out[TOKEN_KEY_BYTES]);

/* NUL-terminated. */
void token_make(const struct plan *p, const struct token *t, char out[TOKEN_TEXT_MAX + 1]);

/* False unless it was made under this environment's key. The MAC is compared in constant time. Whose it is
 * and how old is for the caller to judge. */
bool token_check(const struct plan *p, const char *text, size_t len, struct token *out);

/* What a token proves of a unit in this experiment's iteration: it stands in for plan_reported where the
 * variant is not what the unit would draw, or what it drew can't be recomputed. Version 2 proves the decision
 * it names (decision: the report's, NULL when it names none), version 1 that a sticky unit is kept. False:
 * neither. */
bool token_expected(const struct plan_experiment *x, const struct unit *u, const struct token *t,
                    const uint8_t *decision, int64_t now_us, struct plan_assignment *out);

/* The token to hand out with a decision; false when there is none: no phase of the experiment drew the
 * variant (a token of an earlier iteration stays good as it is), or it is neither sticky nor drawn by a time
 * phase. decision_id: NULL when the decision is not logged (a preview). */
bool token_of_decision(const struct plan *p, const struct decision *d, const uint8_t *decision_id,
                       int64_t now_us, char out[TOKEN_TEXT_MAX + 1]);

#endif
