/* cohortctl evaluate: asks for a flag as an application would. */
#include <stdio.h>

#include "cohortctl/command.h"
#include "cohortctl/context.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"
#include "cohortctl/request.h"

static int evaluate(struct ctl *c, const char *flag, const char *unit, const struct cli_list *attributes,
                    struct error *e)
{
    json_t *answer = NULL;
    char path[400];
    int rc = path_check_key("FLAG", flag, e);
    if (rc < 0)
        return rc;
    json_t *context = context_make(unit, attributes, e);
    if (!context)
        return ERR_INVALID;
    snprintf(path, sizeof path, "/ofrep/v1/evaluate/flags/%s", flag);
    rc = request_once(c, ROLE_CLIENT, "POST", path, flag, json_pack("{s:o}", "context", context), &answer, e);
    if (rc == 0)
        rc = json_text_print(answer, e);
    json_decref(answer);
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
