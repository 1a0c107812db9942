#include "web/auth.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

static const char *in_header(const struct http_request *r)
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

/* Behind the word and the blanks before it; NULL when something else stands there. */
static const char *behind(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);
    while (p && p < end && *p && strchr(" \t\r\n", *p))
        p++;
    return p && (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

/* Without parsing the body: nobody has been let in yet. */
static bool in_body(const char *body, size_t len, char out[AUTH_BODY_KEY_MAX + 1])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *end = body + len;
    const char *p = behind(behind(behind(behind(body, end, "{"), end, "\"key\""), end, ":"), end, "\"");
    size_t n = 0;
    while (p && p < end && *p && strchr(allowed, *p) && n < AUTH_BODY_KEY_MAX)
        out[n++] = *p++;
    out[n] = '\0';
    return p && p < end && *p == '"' && n > 0;
}

void auth_presented(const struct http_request *r, bool body_too, struct auth_presented *out)
{
    size_t len;
    out->key = in_header(r);
    out->in_body = false;
    if (out->key || !body_too)
        return;
    const char *body = http_body(r, &len);
    if (body && in_body(body, len, out->text)) {
        out->in_body = true;
        out->key = out->text;
    }
}

void auth_forget(struct auth_memory *m)
{
    sodium_memzero(m, sizeof *m);
}

/* By its last byte: what is before it may be the same for all. The time of a comparison says nothing of where
 * two texts differ. */
static const struct plan_api_key *find_key(struct auth_memory *m, const struct plan_set *plans,
                                           const char *text, const struct plan **plan)
{
    size_t len = strlen(text);
    struct auth_known *k = &m->known[(unsigned char)text[len - 1] & (AUTH_KNOWN - 1)];
    if (k->len == len && sodium_memcmp(k->text, text, len) == 0) {
        *plan = k->plan;
        return k->key;
    }
    const struct plan_api_key *key = plan_set_find_key(plans, text, len, plan);
    if (key && len <= sizeof k->text) {
        *k = (struct auth_known){.len = len, .key = key, .plan = *plan};
        memcpy(k->text, text, len);
    }
    return key;
}

int auth_check(const struct auth_presented *presented, struct auth_memory *m, const struct plan_set *plans,
               unsigned may, const struct plan_api_key **key, const struct plan **plan, const char **why)
{
    *key = NULL;
    *plan = NULL;
    if (may == MAY_ANYONE)
        return 0;
    if (!presented->key || !*presented->key) {
        *why = "This needs an API key: send it as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\".";
        return 401;
    }
    *key = find_key(m, plans, presented->key, plan);
    if (!*key) {
        *why = "This API key is unknown or was revoked.";
        return 401;
    }
    if (presented->in_body && (*key)->role != ROLE_CLIENT) {
        *why = "Only a client key may stand in the body; send this one in a header.";
        return 403;
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
