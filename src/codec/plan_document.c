#include "codec/plan_document.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_dump.h"
#include "core/plan_stops.h"
#include "core/slots.h"
#include "core/token.h"

#define HEAD_MAX 160
#define SALT_TEXT (2 * SALT_BYTES + 3) /* with quotes and a comma */

/* What goes with the document, or is another there, is left out. */
static bool copy_members(json_t *to, const json_t *body)
{
    static const char *const out[] = {"format", "version", "stop_version", "hash_key", "api_keys"};
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)body, name, v)
    {
        bool left_out = false;
        for (size_t i = 0; i < sizeof out / sizeof *out; i++)
            left_out = left_out || strcmp(name, out[i]) == 0;
        if (!left_out && json_object_set(to, name, v) != 0)
            return false;
    }
    return true;
}

char *plan_document_body(const json_t *body, const uint8_t *hash_key)
{
    uint8_t key[TOKEN_KEY_BYTES];
    char hex[2 * TOKEN_KEY_BYTES + 1];
    json_t *copy = json_object();
    bool whole = copy_members(copy, body);
    token_sticky_key(hash_key, key);
    sodium_bin2hex(hex, sizeof hex, key, sizeof key);
    whole = whole && json_object_set_new(copy, "api_keys", json_array()) == 0 &&
            json_object_set_new(copy, "token_key", json_string(hex)) == 0;
    char *text = whole ? json_dump_text(copy, JSON_COMPACT) : NULL;
    json_decref(copy);
    sodium_memzero(key, sizeof key);
    sodium_memzero(hex, sizeof hex);
    return text;
}

static size_t stops_text(const struct plan *p, char *out)
{
    const uint8_t *salt;
    size_t at = 0, n = 0;
    while ((salt = plan_next_stop(p, &at))) {
        if (n > 0)
            out[n++] = ',';
        out[n++] = '"';
        sodium_bin2hex(out + n, 2 * SALT_BYTES + 1, salt, SALT_BYTES);
        n += (size_t)2 * SALT_BYTES;
        out[n++] = '"';
    }
    return n;
}

char *plan_document_text(const struct plan *p, size_t *len)
{
    size_t body_len, at = 0, n_stops = 0;
    const char *body = plan_document(p, &body_len);
    while (plan_next_stop(p, &at))
        n_stops++;
    char *text = body ? malloc(HEAD_MAX + n_stops * SALT_TEXT + body_len) : NULL;
    if (!text)
        return NULL;
    size_t n = (size_t)sprintf(
        text, "{\"format\":1,\"version\":%" PRId64 ",\"stop_version\":%" PRId64 ",\"stopped\":[",
        plan_version(p), plan_stop_version(p));
    n += stops_text(p, text + n);
    text[n] = ']';
    text[n + 1] = ',';
    memcpy(text + n + 2, body + 1, body_len - 1); /* behind its brace */
    *len = n + 1 + body_len;
    return text;
}
