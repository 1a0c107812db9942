/* cohortctl start, stop, archive: the three changes of an experiment's status. */
#include <stdio.h>
#include <stdlib.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/path.h"

/* {"reason":"…"} or {}; malloc'ed, NULL when out of memory. */
static char *reason_body(const char *reason)
{
    json_t *o = json_object();
    if (o && reason)
        json_object_set_new(o, "reason", json_string(reason));
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return text;
}

static int post(struct ctl *c, const char *key, const char *verb, const char *reason, struct error *e)
{
    char path[400], tail[16];
    struct client *client = NULL;
    json_t *answer = NULL;
    snprintf(tail, sizeof tail, "/%s", verb);
    int rc = path_of_experiment(key, tail, path, sizeof path, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc < 0)
        return rc;
    char *body = reason_body(reason);
    if (!body)
        rc = error_set(e, ERR_INVALID, "--reason", "is not valid UTF-8");
    else
        rc = path_missing(client_json(client, "POST", path, body, &answer, e), key, e);
    if (rc == 0) {
        const char *status = json_string_value(json_object_get(answer, "status"));
        printf("%s: %s\n", key, status ? status : "done");
    }
    json_decref(answer);
    free(body);
    client_close(client);
    return rc;
}

static int transition(struct ctl *c, const char *verb, const char *synopsis, const char *about, int argc,
                      char **argv, struct error *e)
{
    const char *reason = NULL;
    const struct cli_option options[] = {
        {"--reason", CLI_TEXT, &reason, "TEXT", "why; kept in the experiment's history"},
    };
    const struct cli_usage usage = {synopsis, about, options, 1, 1, 1};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : post(c, argv[0], verb, reason, e);
}

int command_start(struct ctl *c, int argc, char **argv, struct error *e)
{
    return transition(c, "start", "start KEY [--reason TEXT]",
                      "Starts an experiment that is a draft: from now on its customers are assigned.", argc,
                      argv, e);
}

int command_stop(struct ctl *c, int argc, char **argv, struct error *e)
{
    return transition(c, "stop", "stop KEY [--reason TEXT]",
                      "Stops a running experiment: every customer gets the flag's fallback from now on.",
                      argc, argv, e);
}

int command_archive(struct ctl *c, int argc, char **argv, struct error *e)
{
    return transition(c, "archive", "archive KEY [--reason TEXT]",
                      "Puts a stopped experiment away. Its data and results stay.", argc, argv, e);
}
