#include "cohortctl/context.h"

#include <string.h>

json_t *context_make(const char *unit, const struct cli_list *attributes, struct error *e)
{
    json_t *context = json_pack("{s:s}", "targetingKey", unit);
    if (!context)
        error_set(e, ERR_INVALID, "ID", "is not valid UTF-8");
    for (size_t i = 0; context && i < attributes->n; i++) {
        const char *text = attributes->items[i], *at = strchr(text, '=');
        char name[200];
        if (!at || at == text || (size_t)(at - text) >= sizeof name) {
            error_set(e, ERR_INVALID, "--attribute", "takes name=value, such as country=DE, not '%.100s'",
                      text);
            json_decref(context);
            return NULL;
        }
        memcpy(name, text, (size_t)(at - text));
        name[at - text] = '\0';
        json_t *value = json_loads(at + 1, JSON_DECODE_ANY, NULL);
        json_object_set_new(context, name, value ? value : json_string(at + 1));
    }
    return context;
}
