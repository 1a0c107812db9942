/* cohortctl status: is the server well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/table.h"

/* The number behind a metric's name in Prometheus text; -1 when it is not there. */
static double metric(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0 && line[n] == ' ')
            return strtod(line + n, NULL);
    }
    return -1;
}

/* before and after: words around the number. */
static void print_number(const char *label, const char *text, const char *name, const char *before,
                         const char *after)
{
    char digits[32];
    double v = metric(text, name);
    if (v >= 0)
        printf("%-12s%s%s%s\n", label, before, table_thousands((long long)v, digits), after);
}

/* As long as readiness gives a leader that another may have to take over from. */
#define HEARD_SECONDS 15

/* ready: the document of /readyz. */
static void print_monitor(const char *text, const json_t *ready)
{
    const json_t *age = json_object_get(ready, "monitor_age_seconds");
    if (metric(text, "cohortd_leader") == 1)
        printf("%-12sthis server leads\n", "monitor");
    else if (!json_is_integer(age))
        printf("%-12snobody has been heard to lead yet\n", "monitor");
    else if (json_integer_value(age) > HEARD_SECONDS)
        printf("%-12snobody has been heard to lead for %lld s\n", "monitor",
               (long long)json_integer_value(age));
    else
        printf("%-12sanother server leads\n", "monitor");
}

static void print_metrics(const char *text, const json_t *ready)
{
    print_number("plan", text, "cohortd_plan_version", "version ", "");
    print_monitor(text, ready);
    print_number("decisions", text, "cohortd_decisions_total", "", " since its start");
    print_number("outcomes", text, "cohortd_outcomes_accepted_total", "", " accepted since its start");
    print_number("spool", text, "cohortd_spool_bytes", "", " bytes of events");
    print_number("stops", text, "cohortd_guardrail_stops_total", "", " by guardrails since its start");
}

static void print_reasons(const json_t *doc)
{
    size_t i;
    const json_t *reason;
    json_array_foreach(json_object_get(doc, "reasons"), i, reason)
        printf("%-12s%s\n", i ? "" : "because", json_string_value(reason));
}

/* Readiness is the exit status: 0 for ready and degraded, which serve. */
static int print_status(struct client *client, struct error *e)
{
    char *ready = NULL, *metrics = NULL;
    long status = 0, ignored = 0;
    int rc = client_text(client, "/readyz", &ready, &status, e);
    if (rc < 0)
        return rc;
    json_t *doc = json_loads(ready, 0, NULL);
    const char *word = json_string_value(json_object_get(doc, "status"));
    if (status == 200 && (rc = client_text(client, "/metrics", &metrics, &ignored, e)) == 0) {
        printf("%-12s%s, %s\n", "server", client_url(client), word ? word : "ready");
        print_reasons(doc);
        print_metrics(metrics, doc);
    } else if (rc == 0) {
        rc = error_set(e, ERR_UNAVAILABLE, client_url(client), "is not ready: %s",
                       word ? word : "no reason given");
    }
    json_decref(doc);
    free(ready);
    free(metrics);
    return rc;
}

int command_status(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "status",
        "Prints whether the server is ready, the version of the plan it serves, who leads\n"
        "the monitor, and what waits in its spool. Fails when it is not ready.",
        NULL,
        0,
        0,
        0};
    struct client *client = NULL;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = print_status(client, e);
    client_close(client);
    return rc;
}
