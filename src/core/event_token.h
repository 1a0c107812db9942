/* The event token: a signed note, carried by a browser, of the units it asked about. Events that it sends
 * later may be about these and no others. */
#ifndef COHORT_CORE_EVENT_TOKEN_H
#define COHORT_CORE_EVENT_TOKEN_H

#include "core/decide.h"

#define EVENT_TOKEN_UNITS PLAN_UNIT_TYPES_MAX
#define EVENT_TOKEN_TEXT 199 /* characters, at most */

/* Text: base64url without padding of version 1; expires (4 bytes, seconds since 1970), big-endian; each unit
 * (16 bytes); the first 16 bytes of HMAC-SHA-256(K, all before), K = HMAC-SHA-256(hash key of the
 * environment, "cohortd event token 1"). */
struct event_token {
    int64_t expires_us; /* since 1970; whole seconds are kept */
    size_t n_units;
    struct unit units[EVENT_TOKEN_UNITS];
};

/* When a token made now expires: keep_us and a day from now at the least, so that an event made with a token
 * of that day is as late as it may be; and the same moment for all that are made during one day, so that an
 * answer does not change with every call. */
int64_t event_token_expiry(int64_t now_us, int64_t keep_us);

/* The token of a subject's units of every type the plan knows; false when it has none. */
bool event_token_make(const struct plan *p, struct subject *s, int64_t expires_us,
                      char out[EVENT_TOKEN_TEXT + 1]);

enum event_token_state { EVENT_TOKEN_GOOD, EVENT_TOKEN_FORGED, EVENT_TOKEN_EXPIRED };

/* The MAC is compared in constant time. FORGED: not made under this environment's key. */
enum event_token_state event_token_check(const struct plan *p, const char *text, size_t len, int64_t now_us,
                                         struct event_token *out);

bool event_token_has(const struct event_token *t, const struct unit *u);

#endif
