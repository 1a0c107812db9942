/* The commands. Each gets its own words as argv[1…] and returns 0, CLI_HELPED, or a negative error. */
#ifndef COHORT_COHORTCTL_COMMAND_H
#define COHORT_COHORTCTL_COMMAND_H

#include "cohortctl/cli.h"
#include "core/error.h"

typedef int command_fn(struct ctl *c, int argc, char **argv, struct error *e);

command_fn command_status, command_experiments, command_show, command_apply, command_start, command_stop,
    command_archive, command_results, command_psql, command_evaluate, command_import, command_simulate;

#endif
