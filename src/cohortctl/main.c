#include <curl/curl.h>
#include <locale.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/suggest.h"
#include "config.h"

static const struct command {
    const char *name;
    command_fn *run;
    const char *args;
    const char *summary;
} commands[] = {
    {"status", command_status, "", "the server, its leader, plan and spool"},
    {"experiments", command_experiments, "", "all experiments"},
    {"show", command_show, "KEY", "one experiment's definition and history"},
    {"apply", command_apply, "DIR|FILE.json", "create or change what files describe"},
    {"diff", command_diff, "DIR|FILE.json", "what apply would change"},
    {"export", command_export, "[--dir DIR]", "all definitions as files, for git"},
    {"validate", command_validate, "KEY", "what a start would be refused for"},
    {"clone", command_clone, "KEY NEW", "a draft with the same definition"},
    {"start", command_start, "KEY", "start an experiment"},
    {"pause", command_pause, "KEY", "pause a running experiment"},
    {"resume", command_resume, "KEY", "resume a paused one"},
    {"ramp", command_ramp, "KEY --traffic PPM", "let more or less of the traffic in"},
    {"grow", command_grow, "KEY --layer-ppm PPM", "take more of the layer"},
    {"drop-arm", command_drop_arm, "KEY VARIANT", "end one variant"},
    {"ship", command_ship, "KEY VARIANT", "give a variant to everybody"},
    {"stop", command_stop, "KEY", "stop an experiment"},
    {"restart", command_restart, "KEY", "a new run: drawn and counted anew"},
    {"archive", command_archive, "KEY", "archive a stopped experiment"},
    {"results", command_results, "KEY", "what each variant did"},
    {"plan", command_plan, "METRIC --effect 5%", "units and days an effect needs"},
    {"rehearse", command_rehearse, "KEY", "its guardrails on your own past traffic"},
    {"verify-stop", command_verify_stop, "KEY|ID", "compute a stop or verdict again, from the draws on"},
    {"replay", command_replay, "KEY", "compute logged decisions again"},
    {"evaluate", command_evaluate, "FLAG ID", "what a customer gets now, and why"},
    {"preview", command_preview, "FLAG ID", "the same step by step, recorded nowhere"},
    {"layers", command_layers, "", "all layers"},
    {"layer-map", command_layer_map, "KEY", "who owns what of a layer"},
    {"keys", command_keys, "ACTION", "list, create, rotate, revoke API keys"},
    {"audit", command_audit, "[head|verify]", "who changed what; is the record whole?"},
    {"dead-letters", command_dead_letters, "[replay|drop]", "events that were refused: send again, give up"},
    {"webhooks", command_webhooks, "ACTION", "who is told of stops, alerts and verdicts"},
    {"import", command_import, "FILE.csv", "load an experiment that was run elsewhere"},
    {"simulate", command_simulate, "--flag KEY", "play customers against a running server"},
    {"psql", command_psql, "[ARGS]", "psql on the server's database"},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static void print_help(void)
{
    printf("usage: cohortctl [global options] COMMAND …\n\n"
           "The command line of cohortd, an experimentation and holdout assignment server.\n\ncommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].args);
        printf("  %-22s  %s\n", left, commands[i].summary);
    }
    printf("\nglobal options:\n");
    cli_print_global_options();
    printf("\n'cohortctl COMMAND --help' explains each; the manual is cohortctl(1).\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name, struct error *e)
{
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i].name;
    const char *near = suggest_nearest(name, names, N_COMMANDS);
    if (near)
        return error_set(e, ERR_INVALID, name, "there is no such command; did you mean %s?", near);
    return error_set(e, ERR_INVALID, name, "there is no such command; cohortctl --help lists them");
}

static int run(int argc, char **argv, struct error *e)
{
    struct ctl c = {.key = getenv("COHORTCTL_KEY"), .ca_file = getenv("COHORTCTL_CA_FILE")};
    int at = cli_parse_global(&c, argc, argv, e);
    if (at < 0)
        return at;
    if (at == argc)
        return error_set(e, ERR_INVALID, "", "which command? cohortctl --help lists them");
    if (strcmp(argv[at], "--version") == 0) {
        puts(PACKAGE_STRING);
        return 0;
    }
    if (argv[at][0] == '-') {
        print_help();
        return 0;
    }
    const struct command *command = find(argv[at]);
    if (!command)
        return unknown_command(argv[at], e);
    return command->run(&c, argc - at, argv + at, e);
}

int main(int argc, char **argv)
{
    struct error e = {0};
    setlocale(LC_CTYPE, "C.UTF-8");
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        fprintf(stderr, "cohortctl: the cryptography or HTTP library can't start\n");
        return EXIT_FAILURE;
    }
    int rc = run(argc, argv, &e);
    curl_global_cleanup();
    if (rc < 0)
        cli_complain(&e);
    else if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cohortctl: the output could not be written\n");
        return EXIT_FAILURE;
    }
    if (rc == 0 || rc == CLI_HELPED)
        return EXIT_SUCCESS;
    return rc == ERR_INVALID ? 2 : EXIT_FAILURE;
}
