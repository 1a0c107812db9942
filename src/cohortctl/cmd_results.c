/* cohortctl results: what each variant did, as a table. */
#include <stdio.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"
#include "cohortctl/report.h"

int command_results(struct ctl *c, int argc, char **argv, struct error *e)
{
    bool as_json = false, fixed = false, series = false;
    const struct cli_option options[] = {
        {"--fixed", CLI_FLAG, &fixed, NULL, "the fixed-horizon numbers: for one look at the end"},
        {"--series", CLI_FLAG, &series, NULL, "how the results went, a point a minute"},
        {"--json", CLI_FLAG, &as_json, NULL, "print the server's JSON"},
    };
    const struct cli_usage usage = {
        "results KEY [--fixed | --series] [--json]",
        "Prints what was decided, and what each variant did: units, value, the difference to control with "
        "an\n"
        "interval that holds however often you look, lift, p and E, what an interval still needs, the "
        "sample\n"
        "ratio, segments and who gains in them, the guardrails with their evidence, and why it stopped.",
        options,
        3,
        1,
        1};
    struct client *client = NULL;
    json_t *answer = NULL;
    char path[400];
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = path_of_experiment(argv[0], series ? "/results/series" : "/results", path, sizeof path, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ANALYST, e);
    if (rc == 0)
        rc = path_missing(client_json(client, "GET", path, NULL, &answer, e), argv[0], e);
    if (rc == 0 && as_json)
        rc = json_text_print(answer, e);
    else if (rc == 0)
        rc = series ? report_series(answer, stdout, e) : report_results(answer, fixed, stdout, e);
    json_decref(answer);
    client_close(client);
    return rc;
}
