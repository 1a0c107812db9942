/* cohortctl evaluate: asks for a flag as an application would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/path.h"

/* {"context": {"targetingKey": unit, attributes…}}; NULL after an error. An attribute is name=value: JSON
 * where it is JSON (5, true, "5"), else a string. */
static json_t *make_request(const char *unit, const struct cli_list *attributes, struct error *e)
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
    return context ? json_pack("{s:o}", "context", context) : NULL;
}

static int evaluate(struct ctl *c, const char *flag, const char *unit, const struct cli_list *attributes,
                    struct error *e)
{
    struct client *client = NULL;
    json_t *answer = NULL;
    char path[400];
    int rc = path_check_key("FLAG", flag, e);
    if (rc < 0)
        return rc;
    json_t *request = make_request(unit, attributes, e);
    if (!request)
        return ERR_INVALID;
    char *body = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    snprintf(path, sizeof path, "/ofrep/v1/evaluate/flags/%s", flag);
    rc = body ? client_open(&client, c, ROLE_CLIENT, e) : error_set(e, ERR_NOMEM, "", "out of memory");
    if (rc == 0)
        rc = path_missing(client_json(client, "POST", path, body, &answer, e), flag, e);
    if (rc == 0) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        putchar('\n');
    }
    json_decref(answer);
    free(body);
    client_close(client);
    return rc;
}

int command_evaluate(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct cli_list attributes = {.n = 0};
    const struct cli_option options[] = {
        {"--attribute", CLI_LIST, &attributes, "NAME=VALUE", "an attribute to target by; may be repeated"},
    };
    const struct cli_usage usage = {
        "evaluate FLAG ID [--attribute NAME=VALUE]…",
        "Asks the server which value of FLAG the customer ID gets now, over OFREP as an application would, "
        "and\n"
        "prints the answer. It counts: the customer is exposed, unless the experiment waits for reports.",
        options,
        1,
        2,
        2};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : evaluate(c, argv[0], argv[1], &attributes, e);
}
