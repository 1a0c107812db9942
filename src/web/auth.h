/* Who asks: the API key of a request, and what its role may do. */
#ifndef COHORT_WEB_AUTH_H
#define COHORT_WEB_AUTH_H

#include "core/plan_set.h"
#include "web/http.h"

/* Bits of roles for the route table. */
#define MAY(role) (1u << (role))
#define MAY_ANYONE 0u /* no key needed */
#define MAY_DECIDE (MAY(ROLE_ADMIN) | MAY(ROLE_PRODUCT) | MAY(ROLE_EVENTS) | MAY(ROLE_CLIENT))
#define MAY_READ (MAY(ROLE_ADMIN) | MAY(ROLE_PRODUCT) | MAY(ROLE_ANALYST))
/* With the plan comes the unit key, which tells whose unit is whose: for servers that know the ids anyway. */
#define MAY_HAVE_PLAN (MAY(ROLE_ADMIN) | MAY(ROLE_PRODUCT) | MAY(ROLE_EVENTS))
#define MAY_ADMIN MAY(ROLE_ADMIN)
#define MAY_EDIT (MAY(ROLE_ADMIN) | MAY(ROLE_PRODUCT))

#define AUTH_BODY_KEY_MAX 128

struct auth_presented {
    const char *key; /* NULL when there is none */
    bool in_body;
    char text[AUTH_BODY_KEY_MAX + 1];
};

/* The key presented as "Authorization: Bearer …" or "X-API-Key: …"; where there is none and in_body is true,
 * the member "key" with which the body begins: {"key": "ck_client_…", …}. */
void auth_presented(const struct http_request *r, bool in_body, struct auth_presented *out);

/* Keys found before: an HMAC for each environment and a comparison with all keys are not needed again. For
 * one thread and one plan set; zero-initialised is valid. */
#define AUTH_KNOWN 16 /* a power of two */
struct auth_memory {
    struct auth_known {
        char text[AUTH_BODY_KEY_MAX];
        size_t len; /* 0: there is none */
        const struct plan_api_key *key;
        const struct plan *plan;
    } known[AUTH_KNOWN];
};
/* Before the plan set changes or goes. */
void auth_forget(struct auth_memory *m);

/* 0, *key and the plan of its environment, or the status (401, 403) with a sentence in *why. In a body only a
 * client key is good: servers have headers. */
int auth_check(const struct auth_presented *presented, struct auth_memory *m, const struct plan_set *plans,
               unsigned may, const struct plan_api_key **key, const struct plan **plan, const char **why);

const char *auth_role_name(enum api_role role);

/* Only what a server reports counts for guardrails: a browser must not be able to stop an experiment. */
bool auth_trusted(const struct plan_api_key *key);

#endif
