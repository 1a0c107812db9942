/* cohortctl validate: would it start? */
#include <stdio.h>

#include "cohortctl/command.h"
#include "cohortctl/path.h"
#include "cohortctl/request.h"

static int print_problems(const char *key, const json_t *problems)
{
    size_t i;
    const json_t *p;
    if (json_array_size(problems) == 0) {
        printf("%s: can be started\n", key);
        return 0;
    }
    json_array_foreach(problems, i, p)
    {
        const char *message = json_string_value(json_object_get(p, "message"));
        const char *hint = json_string_value(json_object_get(p, "hint"));
        printf("%s: %s\n", key, message ? message : "?");
        if (hint && *hint)
            printf("  hint: %s\n", hint);
    }
    return CLI_DIFFERS;
}

int command_validate(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "validate KEY",
        "Prints everything that a start would be refused for, and what to do about it; nothing is changed.\n"
        "Ends with status 1 when there is something.",
        NULL,
        0,
        1,
        1};
    json_t *answer = NULL;
    char path[400];
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = path_of_experiment(argv[0], "/validate", path, sizeof path, e);
    if (rc == 0)
        rc = request_once(c, ROLE_ADMIN, "POST", path, argv[0], json_object(), &answer, e);
    if (rc == 0)
        rc = print_problems(argv[0], json_object_get(answer, "problems"));
    json_decref(answer);
    return rc;
}
