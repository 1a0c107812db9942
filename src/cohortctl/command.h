/* The commands. Each gets its own words as argv[1…] and returns 0, CLI_HELPED, or a negative error. */
#ifndef COHORT_COHORTCTL_COMMAND_H
#define COHORT_COHORTCTL_COMMAND_H

#include "cohortctl/cli.h"
#include "core/error.h"

typedef int command_fn(struct ctl *c, int argc, char **argv, struct error *e);

/* In the files cmd_*.c; those that change an experiment's status are all in cmd_actions.c. */
command_fn command_apply, command_archive, command_audit, command_clone, command_dead_letters, command_diff,
    command_drop_arm, command_evaluate, command_experiments, command_export, command_grow, command_import,
    command_keys, command_layer_map, command_layers, command_pause, command_plan, command_preview,
    command_psql, command_ramp, command_rehearse, command_replay, command_restart, command_results,
    command_resume, command_ship, command_show, command_simulate, command_start, command_status, command_stop,
    command_validate, command_verify_stop, command_webhooks;

#endif
