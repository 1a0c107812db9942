#include "web/subject_read.h"

#include "codec/json_in.h"

static bool refuse(struct subject_refusal *why, const char *code, const char *text)
{
    why->code = code;
    error_set(&why->error, ERR_INVALID, NULL, "%s", text);
    return false;
}

bool subject_read(struct arena *a, const json_t *context, struct attr *attributes, struct subject *s,
                  struct subject_refusal *why)
{
    const json_t *id = json_object_get(context, "targetingKey");
    if (!json_is_object(context))
        return refuse(why, "INVALID_CONTEXT",
                      "The body needs \"context\", an object: {\"context\": {\"targetingKey\": \"…\"}}.");
    if (!json_is_string(id) || json_string_length(id) == 0)
        return refuse(why, "TARGETING_KEY_MISSING",
                      "The context needs \"targetingKey\", a string that names the user.");
    why->code = "INVALID_CONTEXT";
    if (unit_raw_check(json_string_value(id), json_string_length(id), &why->error) != ERR_OK ||
        json_in_attr(a, context, attributes, &why->error) != ERR_OK)
        return false;
    const struct attr *key = attr_get(attributes, "targetingKey", 12);
    subject_init(s, key->u.string.s, key->u.string.len, attributes);
    return true;
}
