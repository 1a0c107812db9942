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
#define MAY_ADMIN MAY(ROLE_ADMIN)
#define MAY_EDIT (MAY(ROLE_ADMIN) | MAY(ROLE_PRODUCT))

/* The key presented as "Authorization: Bearer …" or "X-API-Key: …"; NULL when there is none. */
const char *auth_presented(const struct http_request *r);

/* 0, *key and the plan of its environment, or the status (401, 403) with a sentence in *why. */
int auth_check(const struct http_request *r, const struct plan_set *plans, unsigned may,
               const struct plan_api_key **key, const struct plan **plan, const char **why);

const char *auth_role_name(enum api_role role);

/* Only what a server reports counts for guardrails: a browser must not be able to stop an experiment. */
bool auth_trusted(const struct plan_api_key *key);

#endif
