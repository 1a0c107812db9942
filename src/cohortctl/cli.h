/* The command line: options as tables, help made of them, and what every command shares. */
#ifndef COHORT_COHORTCTL_CLI_H
#define COHORT_COHORTCTL_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* The global options; NULL where not given. Strings belong to argv or the environment. */
struct ctl {
    const char *data;     /* --data: the server's data directory */
    const char *server;   /* --server: its URL, or unix:/PATH */
    const char *ca_file;  /* --ca-file, or COHORTCTL_CA_FILE: certificates to trust, PEM */
    const char *key;      /* --key, or COHORTCTL_KEY */
    const char *database; /* --database: connection string */
};

enum cli_kind {
    CLI_FLAG, /* target: bool */
    CLI_TEXT, /* target: const char * */
    CLI_LIST  /* target: struct cli_list; may be given again */
};

#define CLI_LIST_MAX 64
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t n;
};

struct cli_option {
    const char *name; /* "--reason" */
    enum cli_kind kind;
    void *target;
    const char *arg; /* "TEXT"; NULL for a flag */
    const char *help;
};

/* What a command takes. */
struct cli_usage {
    const char *synopsis; /* "stop KEY [--reason TEXT]" */
    const char *about;    /* lines of text */
    const struct cli_option *options;
    size_t n_options;
    int min_args, max_args;
};

/* What a command returns beside 0 and errors. */
#define CLI_HELPED 1  /* --help was asked for and printed */
#define CLI_DIFFERS 2 /* done, and the answer is no: the program ends with status 1 */

/* Reads argv[1…] into the options' targets and c (the global options may stand anywhere); what is left is
 * moved to argv[0…] and counted in *n_args. 0, CLI_HELPED, or ERR_INVALID with a sentence that names the
 * nearest option. */
int cli_parse(const struct cli_usage *u, struct ctl *c, int argc, char **argv, int *n_args, struct error *e);

/* Takes the global options in front of the command: returns the index of the command word in argv (argc when
 * there is none), or a negative error. Stops at --help and --version, too. */
int cli_parse_global(struct ctl *c, int argc, char **argv, struct error *e);

/* The global options' part of a help text, on standard output. */
void cli_print_global_options(void);

/* Prints "cohortctl: place: text" on standard error, whatever of it there is. */
void cli_complain(const struct error *e);

#endif
