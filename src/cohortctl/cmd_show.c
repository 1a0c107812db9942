/* cohortctl show: one experiment, as its document. */
#include <stdio.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"

int command_show(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "show KEY", "Prints an experiment's document: definition, phases, history, and what stopped it.",
        NULL,       0,
        1,          1};
    struct client *client = NULL;
    json_t *answer = NULL;
    char path[400];
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = path_of_experiment(argv[0], "", path, sizeof path, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = path_missing(client_json(client, "GET", path, NULL, &answer, e), argv[0], e);
    if (rc == 0)
        rc = json_text_print(answer, e);
    json_decref(answer);
    client_close(client);
    return rc;
}
