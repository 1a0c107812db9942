/* cohortctl simulate: customers for a running server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/path.h"
#include "cohortctl/sim_run.h"
#include "cohortctl/values.h"

/* The options as words. */
struct words {
    const char *flag, *experiment, *customers, *rate, *connections, *seed, *prefix, *client_key, *events_key,
        *delay, *twice, *crashes;
    struct cli_list base, effects;
    bool as_json, quiet;
};

static int check_prefix(const char *prefix, struct error *e)
{
    if (strlen(prefix) <= SIM_NAME_MAX &&
        strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789_.:@-") == strlen(prefix))
        return 0;
    return error_set(e, ERR_INVALID, "--prefix", "takes at most %d letters, digits and _ . : @ -",
                     SIM_NAME_MAX);
}

static int make_plan(const struct words *w, struct sim_plan *p, struct error *e)
{
    int64_t seed = 1;
    p->flag = w->flag;
    p->experiment = w->experiment ? w->experiment : w->flag;
    p->prefix = w->prefix;
    p->quiet = w->quiet;
    if (!w->flag)
        return error_set(e, ERR_INVALID, "--flag", "is missing; it names the flag that customers ask for");
    int rc = path_check_key("--flag", p->flag, e);
    if (rc == 0)
        rc = path_check_key("--experiment", p->experiment, e);
    if (rc == 0)
        rc = check_prefix(w->prefix, e);
    if (rc == 0)
        rc = value_count("--customers", w->customers, 1, 1000000000, &p->customers, e);
    if (rc == 0)
        rc = value_count("--connections", w->connections, 1, 1000, &p->connections, e);
    if (rc == 0)
        rc = value_number("--rate", w->rate, 0, 1e6, &p->rate, e);
    if (rc == 0)
        rc = value_number("--delay", w->delay, 0, 86400, &p->delay_s, e);
    if (rc == 0)
        rc = value_number("--twice", w->twice, 0, 1, &p->twice, e);
    if (rc == 0)
        rc = value_count("--crashes", w->crashes, 0, 1000, &p->crashes, e);
    if (rc == 0)
        rc = value_count("--seed", w->seed, 0, INT64_MAX, &seed, e);
    return rc < 0 ? rc : sim_model_init(&p->model, (uint64_t)seed, &w->base, &w->effects, e);
}

static int print_tally(const struct sim_tally *t, const struct sim_model *m, bool as_json, struct error *e)
{
    if (!as_json)
        return sim_tally_print(t, m, stdout) < 0 ? error_set(e, ERR_NOMEM, "", "out of memory") : 0;
    json_t *doc = sim_tally_json(t, m);
    if (!doc)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(doc);
    return 0;
}

/* --key stands for all three roles. */
static int find_keys(const struct ctl *c, const struct words *w, char *keys[2], struct error *e)
{
    struct ctl client = *c, events = *c;
    client.key = w->client_key ? w->client_key : c->key;
    events.key = w->events_key ? w->events_key : c->key;
    int rc = discover_key(&client, ROLE_CLIENT, &keys[0], e);
    return rc < 0 ? rc : discover_key(&events, ROLE_EVENTS, &keys[1], e);
}

static int simulate(const struct ctl *c, const struct words *w, struct error *e)
{
    struct sim_plan p = {0};
    struct sim_tally t = {0};
    struct client *reader = NULL;
    char *url = NULL, *keys[2] = {NULL, NULL};
    int rc = make_plan(w, &p, e);
    if (rc == 0)
        rc = discover_url(c, &url, e);
    if (rc == 0)
        rc = find_keys(c, w, keys, e);
    if (rc == 0)
        rc = client_open(&reader, c, ROLE_ADMIN, e);
    if (rc == 0) {
        p.url = url;
        p.ca_file = c->ca_file;
        p.client_key = keys[0];
        p.events_key = keys[1];
        rc = sim_run(&p, reader, &t, e);
    }
    if (rc == 0)
        rc = print_tally(&t, &p.model, w->as_json, e);
    json_decref(t.stop);
    if (reader)
        client_close(reader);
    for (int i = 0; i < 2; i++)
        free(keys[i]);
    free(url);
    return rc;
}

int command_simulate(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct words w = {.customers = "1000",
                      .rate = "500",
                      .connections = "16",
                      .seed = "1",
                      .prefix = "customer-",
                      .delay = "0",
                      .twice = "0",
                      .crashes = "0"};
    const struct cli_option options[] = {
        {"--flag", CLI_TEXT, &w.flag, "KEY", "the flag that customers ask for"},
        {"--experiment", CLI_TEXT, &w.experiment, "KEY",
         "the experiment to watch (default: of the flag's key)"},
        {"--customers", CLI_TEXT, &w.customers, "N", "how many come (default 1000)"},
        {"--rate", CLI_TEXT, &w.rate, "R",
         "how many a second; 0: as fast as they are answered (default 500)"},
        {"--connections", CLI_TEXT, &w.connections, "C", "how many at a time (default 16)"},
        {"--base", CLI_LIST, &w.base, "METRIC=P", "the probability of an event; may be repeated"},
        {"--effect", CLI_LIST, &w.effects, "VARIANT:METRIC=M",
         "a variant multiplies it by M; may be repeated"},
        {"--delay", CLI_TEXT, &w.delay, "SECONDS",
         "how long until a customer acts, on average; exponentially distributed (default 0)"},
        {"--twice", CLI_TEXT, &w.twice, "SHARE", "of the events are reported twice (default 0)"},
        {"--crashes", CLI_TEXT, &w.crashes, "N",
         "how often the reporting program crashes and goes on from its queue file (default 0)"},
        {"--seed", CLI_TEXT, &w.seed, "N", "the same seed plays the same customers (default 1)"},
        {"--prefix", CLI_TEXT, &w.prefix, "TEXT", "of the customers' ids (default customer-)"},
        {"--client-key", CLI_TEXT, &w.client_key, "KEY", "the key that asks (default: the data directory's)"},
        {"--events-key", CLI_TEXT, &w.events_key, "KEY",
         "the key that reports (default: the data directory's)"},
        {"--json", CLI_FLAG, &w.as_json, NULL, "print the summary as JSON"},
        {"--quiet", CLI_FLAG, &w.quiet, NULL, "no progress on standard error"},
    };
    const struct cli_usage usage = {
        "simulate --flag KEY [--customers N] [--base METRIC=P]… [--effect VARIANT:METRIC=M]…",
        "Plays customers over HTTP: each asks for the flag (OFREP), and does what the variant that the "
        "server\n"
        "really gave makes it do; the events are reported in batches, by libcohort-client. Watches the "
        "experiment, says when "
        "customers\n"
        "first got the fallback because it had stopped, and goes on to the last customer.",
        options,
        sizeof options / sizeof *options,
        0,
        0};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : simulate(c, &w, e);
}
