/* cohortctl experiments: one line an experiment. */
#include <stdio.h>
#include <string.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/table.h"

static int print_list(const json_t *list, struct error *e)
{
    size_t i;
    const json_t *x;
    if (json_array_size(list) == 0) {
        printf("No experiments yet. Create one with: cohortctl apply FILE.json\n");
        return 0;
    }
    struct table *t = table_new("lllll");
    if (!t)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    table_add(t, "experiment");
    table_add(t, "status");
    table_add(t, "flag");
    table_add(t, "started");
    table_add(t, "description");
    json_array_foreach(list, i, x)
    {
        table_add(t, "%s", json_text_of(x, "key"));
        table_add(t, "%s", json_text_of(x, "status"));
        table_add(t, "%s", json_text_of(x, "flag"));
        table_add(t, "%.16s", json_text_of(x, "started_at"));
        table_add(t, "%s", json_text_of(x, "description"));
    }
    int rc = table_print(t, stdout, 0);
    table_free(t);
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}

int command_experiments(struct ctl *c, int argc, char **argv, struct error *e)
{
    bool as_json = false;
    const struct cli_option options[] = {
        {"--json", CLI_FLAG, &as_json, NULL, "print the server's JSON"},
    };
    const struct cli_usage usage = {"experiments [--json]", "Lists the experiments.", options, 1, 0, 0};
    struct client *client = NULL;
    json_t *answer = NULL;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = client_json(client, "GET", "/v1/experiments", NULL, &answer, e);
    if (rc == 0 && as_json)
        rc = json_text_print(answer, e);
    else if (rc == 0)
        rc = print_list(json_is_array(answer) ? answer : json_object_get(answer, "experiments"), e);
    json_decref(answer);
    client_close(client);
    return rc;
}
