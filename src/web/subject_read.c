#include "web/subject_read.h"

static bool refuse(struct subject_refusal *why, const char *code, const char *text)
{
    why->code = code;
    error_set(&why->error, ERR_INVALID, NULL, "%s", text);
    return false;
}

bool subject_read(const struct attr *context, struct subject *s, struct subject_refusal *why)
{
    if (!context || context->type != ATTR_OBJECT)
        return refuse(why, "INVALID_CONTEXT",
                      "The body needs \"context\", an object: {\"context\": {\"targetingKey\": \"…\"}}.");
    const struct attr *key = attr_get(context, "targetingKey", 12);
    if (!key || key->type != ATTR_STRING || key->u.string.len == 0)
        return refuse(why, "TARGETING_KEY_MISSING",
                      "The context needs \"targetingKey\", a string that names the user.");
    why->code = "INVALID_CONTEXT";
    if (unit_raw_check(key->u.string.s, key->u.string.len, &why->error) != ERR_OK)
        return false;
    subject_init(s, key->u.string.s, key->u.string.len, context);
    return true;
}
