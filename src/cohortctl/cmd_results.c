/* cohortctl results: what each variant did, as a table. */
#include <stdio.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"
#include "cohortctl/report.h"

int command_results(struct ctl *c, int argc, char **argv, struct error *e)
{
    bool as_json = false;
    const struct cli_option options[] = {
        {"--json", CLI_FLAG, &as_json, NULL, "print the server's JSON"},
    };
    const struct cli_usage usage = {
        "results KEY [--json]",
        "Prints what each variant did: units, rate or mean, the difference to control with its "
        "fixed-horizon\n"
        "interval, the sample ratio, the guardrails with their evidence, and why the experiment stopped.",
        options,
        1,
        1,
        1};
    struct client *client = NULL;
    json_t *answer = NULL;
    char path[400];
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = path_of_experiment(argv[0], "/results", path, sizeof path, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ANALYST, e);
    if (rc == 0)
        rc = path_missing(client_json(client, "GET", path, NULL, &answer, e), argv[0], e);
    if (rc == 0 && as_json)
        rc = json_text_print(answer, e);
    else if (rc == 0) {
        rc = report_results(answer, stdout, e);
    }
    json_decref(answer);
    client_close(client);
    return rc;
}
