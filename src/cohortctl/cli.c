#include "cohortctl/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/suggest.h"

#define OPTIONS_MAX 48

/* All options one command line may have. */
struct known {
    struct cli_option options[OPTIONS_MAX];
    size_t n; /* the command's own come first */
};

#define GLOBAL_OPTIONS 5

static void add_globals(struct known *k, struct ctl *c)
{
    const struct cli_option globals[GLOBAL_OPTIONS] = {
        {"--data", CLI_TEXT, &c->data, "DIR",
         "the server's data directory (./cohort-data, else /var/lib/cohortd)"},
        {"--server", CLI_TEXT, &c->server, "URL",
         "the server, or unix:/PATH, when it is not the one of the data directory"},
        {"--ca-file", CLI_TEXT, &c->ca_file, "FILE",
         "the CA of its certificate, PEM (COHORTCTL_CA_FILE, else the system's)"},
        {"--key", CLI_TEXT, &c->key, "KEY",
         "the API key (COHORTCTL_KEY, else the data directory's keys.json)"},
        {"--database", CLI_TEXT, &c->database, "CONNINFO", "the database (else the data directory's)"},
    };
    memcpy(k->options + k->n, globals, sizeof globals);
    k->n += GLOBAL_OPTIONS;
}

static void print_option(const struct cli_option *o)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    if (strlen(left) > 26)
        printf("  %s\n  %-26s  %s\n", left, "", o->help);
    else
        printf("  %-26s  %s\n", left, o->help);
}

void cli_print_global_options(void)
{
    struct ctl c;
    struct known k = {.n = 0};
    add_globals(&k, &c);
    for (size_t i = 0; i < k.n; i++)
        print_option(&k.options[i]);
}

static void print_help(const struct cli_usage *u)
{
    printf("usage: cohortctl %s\n\n%s\n", u->synopsis, u->about);
    if (u->n_options > 0)
        printf("\noptions:\n");
    for (size_t i = 0; i < u->n_options; i++)
        print_option(&u->options[i]);
    printf("\nglobal options:\n");
    cli_print_global_options();
}

/* The option named by arg ("--reason" or "--reason=…"); *value points behind the '=' or is NULL. */
static const struct cli_option *find_option(const struct known *k, const char *arg, const char **value)
{
    size_t len = strcspn(arg, "=");
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    for (size_t i = 0; i < k->n; i++)
        if (strlen(k->options[i].name) == len && strncmp(k->options[i].name, arg, len) == 0)
            return &k->options[i];
    return NULL;
}

static int unknown_option(const struct known *k, const char *arg, struct error *e)
{
    const char *names[OPTIONS_MAX + 1];
    char word[64];
    for (size_t i = 0; i < k->n; i++)
        names[i] = k->options[i].name;
    names[k->n] = "--help";
    snprintf(word, sizeof word, "%.*s", (int)strcspn(arg, "="), arg);
    const char *near = suggest_nearest(word, names, k->n + 1);
    if (near)
        return error_set(e, ERR_INVALID, word, "there is no such option; did you mean %s?", near);
    return error_set(e, ERR_INVALID, word, "there is no such option; --help lists them");
}

static int store(const struct cli_option *o, const char *value, struct error *e)
{
    if (o->kind == CLI_TEXT) {
        *(const char **)o->target = value;
        return 0;
    }
    struct cli_list *list = o->target;
    if (list->n == CLI_LIST_MAX)
        return error_set(e, ERR_LIMIT, o->name, "may be given at most %d times", CLI_LIST_MAX);
    list->items[list->n++] = value;
    return 0;
}

/* Reads the option at argv[*i] and moves *i behind it. */
static int take_option(const struct known *k, int argc, char **argv, int *i, struct error *e)
{
    const char *value;
    const struct cli_option *o = find_option(k, argv[*i], &value);
    if (!o)
        return unknown_option(k, argv[*i], e);
    ++*i;
    if (o->kind == CLI_FLAG) {
        if (value)
            return error_set(e, ERR_INVALID, o->name, "takes no value");
        *(bool *)o->target = true;
        return 0;
    }
    if (!value && *i == argc)
        return error_set(e, ERR_INVALID, o->name, "needs a value: %s %s", o->name, o->arg);
    return store(o, value ? value : argv[(*i)++], e);
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static bool is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0';
}

int cli_parse_global(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct known k = {.n = 0};
    add_globals(&k, c);
    int i = 1;
    while (i < argc && is_option(argv[i]) && !is_help(argv[i]) && strcmp(argv[i], "--version") != 0) {
        int rc = take_option(&k, argc, argv, &i, e);
        if (rc < 0)
            return rc;
    }
    return i;
}

static int check_count(const struct cli_usage *u, int n, char **argv, struct error *e)
{
    if (n < u->min_args)
        return error_set(e, ERR_INVALID, "", "something is missing; usage: cohortctl %s", u->synopsis);
    if (n > u->max_args)
        return error_set(e, ERR_INVALID, argv[u->max_args], "is one word too many; usage: cohortctl %s",
                         u->synopsis);
    return 0;
}

int cli_parse(const struct cli_usage *u, struct ctl *c, int argc, char **argv, int *n_args, struct error *e)
{
    struct known k = {.n = u->n_options};
    if (u->n_options > 0)
        memcpy(k.options, u->options, u->n_options * sizeof *u->options);
    add_globals(&k, c);
    int n = 0, i = 1, rc = 0;
    bool only_args = false;
    while (i < argc && rc == 0) {
        if (!only_args && is_help(argv[i])) {
            print_help(u);
            return CLI_HELPED;
        }
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
            i++;
        } else if (!only_args && is_option(argv[i])) {
            rc = take_option(&k, argc, argv, &i, e);
        } else {
            argv[n++] = argv[i++];
        }
    }
    *n_args = n;
    return rc < 0 ? rc : check_count(u, n, argv, e);
}

void cli_complain(const struct error *e)
{
    fprintf(stderr, "cohortctl: %s%s%s\n", e->place, e->place[0] ? ": " : "", e->text);
}
