/* cohortctl export, diff: the definitions of an environment as files. */
#include <stdio.h>

#include "cohortctl/command.h"
#include "cohortctl/definitions.h"
#include "cohortctl/differ.h"

static int fetch(struct ctl *c, struct definitions *d, struct error *e)
{
    struct client *client = NULL;
    int rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = definitions_fetch(client, d, e);
    client_close(client);
    return rc;
}

int command_export(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *dir = "definitions";
    bool prune = false;
    const struct cli_option options[] = {
        {"--dir", CLI_TEXT, &dir, "DIR", "where to (definitions)"},
        {"--prune", CLI_FLAG, &prune, NULL, "delete the files of what the server hasn't"},
    };
    const struct cli_usage usage = {
        "export [--dir DIR] [--prune]",
        "Writes every definition of the environment to a file of its own: DIR/experiments/KEY.json, and so\n"
        "flags, metrics, layers, segments and holdouts. Only what can be set is in them, in a fixed order, "
        "so\n"
        "that changes can be reviewed in git. Imported experiments are left out.",
        options,
        2,
        0,
        0};
    struct definitions d = {0};
    struct saved saved = {0};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = fetch(c, &d, e);
    if (rc == 0)
        rc = definitions_save(&d, dir, prune, &saved, e);
    if (rc == 0)
        printf("%s: %zu definitions; %zu files written, %zu deleted\n", dir, d.n, saved.written,
               saved.deleted);
    definitions_free(&d);
    return rc;
}

/* What the server has and the directory hasn't; it would stay. */
static void print_others(const struct definitions *wanted, const struct definitions *there)
{
    for (size_t i = 0; i < there->n; i++)
        if (!definitions_find(wanted, there->items[i].kind, there->items[i].key))
            printf("%s/%s: on the server only; apply leaves it alone\n", there->items[i].kind->name,
                   there->items[i].key);
}

static int diff(const struct definitions *wanted, const struct definitions *there, struct error *e)
{
    static const struct change_words words = {"is new", "differs (server → file)"};
    size_t differences = 0;
    int rc = 0;
    for (size_t i = 0; i < wanted->n && rc == 0; i++) {
        enum change change;
        rc = differ_definition(&wanted->items[i], there, &words, stdout, &change, e);
        differences += rc == 0 && change != CHANGE_NONE;
    }
    if (rc < 0)
        return rc;
    return differences > 0 ? CLI_DIFFERS : 0;
}

int command_diff(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {"diff DIR|FILE.json",
                                    "Prints what apply would change, field by field: first what the server "
                                    "has, then what the file says.\n"
                                    "Ends with status 1 when something differs.",
                                    NULL,
                                    0,
                                    1,
                                    1};
    struct definitions wanted = {0}, there = {0};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = definitions_load(argv[0], &wanted, e);
    if (rc == 0)
        rc = fetch(c, &there, e);
    if (rc == 0)
        rc = diff(&wanted, &there, e);
    if (rc >= 0 && wanted.n > 1)
        print_others(&wanted, &there);
    definitions_free(&wanted);
    definitions_free(&there);
    return rc;
}
