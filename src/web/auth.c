#include "web/auth.h"

#include <string.h>
#include <strings.h>

const char *auth_presented(const struct http_request *r)
{
    const char *h = http_header(r, "authorization");
    if (h && strncasecmp(h, "Bearer ", 7) == 0) {
        h += 7;
        while (*h == ' ')
            h++;
        return h;
    }
    return http_header(r, "x-api-key");
}

int auth_check(const struct http_request *r, const struct plan_set *plans, unsigned may,
               const struct plan_api_key **key, const struct plan **plan, const char **why)
{
    *key = NULL;
    *plan = NULL;
    if (may == MAY_ANYONE)
        return 0;
    const char *presented = auth_presented(r);
    if (!presented || !*presented) {
        *why = "This needs an API key: send it as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\".";
        return 401;
    }
    *key = plan_set_find_key(plans, presented, strlen(presented), plan);
    if (!*key) {
        *why = "This API key is unknown or was revoked.";
        return 401;
    }
    if (!(may & MAY((*key)->role))) {
        *why = "This API key's role may not do this; the role of a key is in its name: ck_ROLE_….";
        return 403;
    }
    return 0;
}

const char *auth_role_name(enum api_role role)
{
    static const char *const names[] = {"none", "admin", "product", "analyst", "events", "client"};
    return names[role];
}

bool auth_trusted(const struct plan_api_key *key)
{
    return key && key->role != ROLE_CLIENT;
}
