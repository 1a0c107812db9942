/* cohortctl preview: a decision and how it comes about, recorded nowhere. */
#include <stdio.h>
#include <stdlib.h>

#include "cohortctl/command.h"
#include "cohortctl/context.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"
#include "cohortctl/request.h"

static void print_member(const json_t *answer, const char *name)
{
    const json_t *v = json_object_get(answer, name);
    char *text = v && !json_is_string(v) ? json_text(v, false) : NULL;
    if (v)
        printf("%-14s  %s\n", name, text ? text : json_string_value(v));
    free(text);
}

static void print_answer(const json_t *answer)
{
    static const char *const members[] = {"value", "variant", "counterfactual", "unit"};
    const json_t *metadata = json_object_get(answer, "metadata"), *step;
    size_t i;
    print_member(json_object_get(metadata, "reason") ? metadata : answer, "reason");
    print_member(metadata, "experiment");
    for (i = 0; i < sizeof members / sizeof *members; i++)
        print_member(answer, members[i]);
    printf("steps\n");
    json_array_foreach(json_object_get(answer, "steps"), i, step)
        printf("  %2zu. %s\n", i + 1, json_string_value(step));
}

int command_preview(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct cli_list attributes = {.n = 0};
    const char *at = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        {"--attr", CLI_LIST, &attributes, "NAME=VALUE", "an attribute to target by; may be repeated"},
        {"--at", CLI_TEXT, &at, "TIME", "decide as at that time (RFC 3339), not now"},
        {"--json", CLI_FLAG, &as_json, NULL, "print the server's JSON"},
    };
    const struct cli_usage usage = {
        "preview FLAG ID [--attr NAME=VALUE]… [--at TIME] [--json]",
        "Prints which value of FLAG the customer ID would get, and every step that leads to it. Nothing is\n"
        "recorded: the customer is not exposed.",
        options,
        3,
        2,
        2};
    json_t *answer = NULL;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = path_check_key("FLAG", argv[0], e);
    json_t *context = rc == 0 ? context_make(argv[1], &attributes, e) : NULL;
    if (!context)
        return ERR_INVALID;
    json_t *body = json_pack("{s:s, s:o, s:s*}", "flag", argv[0], "context", context, "at", at);
    if (!body)
        return error_set(e, ERR_INVALID, "--at", "is not valid UTF-8");
    rc = request_once(c, ROLE_ADMIN, "POST", "/v1/preview", argv[0], body, &answer, e);
    if (rc == 0 && as_json)
        rc = json_text_print(answer, e);
    else if (rc == 0)
        print_answer(answer);
    json_decref(answer);
    return rc;
}
