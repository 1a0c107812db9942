/* The options: sources and their order, every type, every error, and a table that is whole. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cohortd/config.h"
#include "cohortd/options.h"

static struct config config;
static struct error error;
static enum config_action action;

/* Those the tests set; a test of the suite may be run with options in the environment. */
static const char *const variables[] = {"COHORTD_WORKERS",      "COHORTD_LISTEN", "COHORTD_CORS_ORIGINS",
                                        "COHORTD_LOG_LEVEL",    "COHORTD_CONFIG", "COHORTD_IDLE_SECONDS",
                                        "COHORTD_DRAIN_SECONDS"};

static void setup(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    memset(&config, 0, sizeof config);
    error_clear(&error);
}

static void teardown(void)
{
    config_free(&config);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
}

/* Reads a command line given as words, up to NULL. */
#define READ(...) read_words((const char *[]){"cohortd", __VA_ARGS__, NULL})

static int read_words(const char *const *argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    config_free(&config);
    return config_read(&config, argc, argv, &action, &error);
}

/* A file with this text; its name is forgotten with the test's directory. */
static char *file_of(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/cohortd-config-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static int read_file_text(const char *text)
{
    char *path = file_of(text);
    int code = READ("--config", path);
    unlink(path);
    return code;
}

static void refused(int code, const char *part)
{
    ck_assert_int_eq(code, ERR_INVALID);
    ck_assert_msg(strstr(error.text, part) != NULL, "\"%s\" lacks \"%s\"", error.text, part);
}

START_TEST(defaults)
{
    const char *argv[] = {"cohortd", NULL};
    ck_assert_int_eq(read_words(argv), ERR_OK);
    ck_assert_int_eq(action, ACTION_SERVE);
    ck_assert_str_eq(config.data, "./cohort-data");
    ck_assert_str_eq(config.database, "");
    ck_assert_str_eq(config.listen, "127.0.0.1:8440");
    ck_assert_str_eq(config.cors_origins, "*");
    ck_assert_int_eq(config.workers, 0);
    ck_assert_int_eq(config.event_max_age, 7 * 86400);
    ck_assert_int_eq(config.event_max_future, 300);
}
END_TEST

START_TEST(command_line)
{
    ck_assert_int_eq(READ("--workers", "3", "--listen=[::1]:9", "--node-name=a=b", "--workers=4"), ERR_OK);
    ck_assert_int_eq(config.workers, 4);
    ck_assert_str_eq(config.listen, "[::1]:9");
    ck_assert_str_eq(config.node_name, "a=b");
    ck_assert_int_eq(READ("--cors-origins="), ERR_OK);
    ck_assert_str_eq(config.cors_origins, "");
}
END_TEST

START_TEST(file)
{
    ck_assert_int_eq(read_file_text("# a comment\n\n  workers =  2  \nlisten=localhost:1\r\n"
                                    "database = host=db password=a#b\n   # another\ncors_origins ="),
                     ERR_OK);
    ck_assert_int_eq(config.workers, 2);
    ck_assert_str_eq(config.listen, "localhost:1");
    ck_assert_str_eq(config.database, "host=db password=a#b");
    ck_assert_str_eq(config.cors_origins, "");
}
END_TEST

START_TEST(the_command_line_wins)
{
    char *path = file_of("workers = 2\ndrain_seconds = 5\n");
    ck_assert_int_eq(READ("--workers", "7", "--config", path), ERR_OK);
    ck_assert_int_eq(config.workers, 7);
    ck_assert_int_eq(config.drain_seconds, 5);
    unlink(path);
}
END_TEST

START_TEST(the_environment)
{
    char *path = file_of("workers = 2\ndrain_seconds = 5\nidle_seconds = 9\n");
    setenv("COHORTD_WORKERS", "3", 1);
    setenv("COHORTD_DRAIN_SECONDS", "6", 1);
    setenv("COHORTD_CORS_ORIGINS", "", 1);
    ck_assert_int_eq(READ("--config", path, "--workers=4"), ERR_OK);
    ck_assert_int_eq(config.workers, 4);       /* the command line, over all */
    ck_assert_int_eq(config.drain_seconds, 6); /* the environment, over the file */
    ck_assert_int_eq(config.idle_seconds, 9);  /* the file, over the default */
    ck_assert_str_eq(config.cors_origins, ""); /* set to nothing is set */
    setenv("COHORTD_CONFIG", path, 1);
    ck_assert_int_eq(READ("--workers=5"), ERR_OK);
    ck_assert_int_eq(config.idle_seconds, 9);
    unlink(path);
    refused(READ("--workers=5"), "COHORTD_CONFIG: ");
    unsetenv("COHORTD_CONFIG");
    setenv("COHORTD_WORKERS", "many", 1);
    refused(READ("--workers=5"), "COHORTD_WORKERS: \"many\" is not a whole number from 0 to 256");
    ck_assert_str_eq(error.place, "COHORTD_WORKERS");
}
END_TEST

/* What a reload takes and what it leaves, by the table. */
START_TEST(live_options)
{
    struct config next = {0};
    struct config_change change;
    const char *argv[] = {"cohortd", "--workers=9", "--cors-origins=https://a.example", "--idle-seconds=7"};
    ck_assert_int_eq(READ("--workers=1", "--data=/x"), ERR_OK);
    config_take_live(&config, &config, &change);
    ck_assert_str_eq(change.taken, "");
    ck_assert_int_eq(config_read(&next, 4, argv, &action, &error), ERR_OK);
    config_take_live(&config, &next, &change);
    config_free(&next);
    ck_assert_str_eq(change.taken, "cors_origins, idle_seconds");
    ck_assert_str_eq(change.restart, "data, workers");
    ck_assert_str_eq(config.cors_origins, "https://a.example");
    ck_assert_int_eq(config.idle_seconds, 7);
    ck_assert_int_eq(config.workers, 1);
    ck_assert_str_eq(config.data, "/x");
}
END_TEST

/* Every name fits into one sentence of a reload. */
START_TEST(changes_fit)
{
    size_t taken = 0, restart = 0;
    for (size_t i = 0; i < option_count; i++)
        *(option_table[i].live ? &taken : &restart) += strlen(option_table[i].name) + 2;
    ck_assert_uint_lt(taken, sizeof((struct config_change *)0)->taken);
    ck_assert_uint_lt(restart, sizeof((struct config_change *)0)->restart);
}
END_TEST

START_TEST(unknown_options)
{
    refused(READ("--worker", "3"), "no option --worker; did you mean --workers?");
    refused(READ("--max_connections", "3"), "did you mean --max-connections?");
    refused(READ("--lisen=x"), "did you mean --listen?");
    refused(READ("--xyzzyxyzzy"), "cohortd --help lists all");
    refused(READ("-d"), "no option -d");
    refused(READ("serve"), "\"serve\" is not an option");
    refused(READ("--"), "no option --");
    refused(READ("--help=3"), "--help takes no value");
    refused(READ("--data"), "--data needs a value");
    refused(READ("--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            "there is no option");
}
END_TEST

START_TEST(unknown_keys)
{
    refused(read_file_text("workers = 1\nlog-level = info\n"),
            "line 2: there is no option \"log-level\"; did you mean \"log_level\"?");
    refused(read_file_text("config = x\n"), "there is no option \"config\"");
    refused(read_file_text("workers\n"), "line 1: \"workers\" is not of the form key = value");
    refused(read_file_text("workers = 1\n\nworkers = 2\n"), "line 3: workers is set in line 1 already");
    refused(READ("--config", "/nonexistent/file"), "--config /nonexistent/file: No such file");
}
END_TEST

START_TEST(bad_values)
{
    refused(READ("--workers", "x"), "--workers: \"x\" is not a whole number from 0 to 256");
    refused(READ("--workers", ""), "--workers: \"\" is not a whole number");
    refused(READ("--workers", "257"), "\"257\" is not a whole number from 0 to 256");
    refused(READ("--workers", "-1"), "\"-1\" is not");
    refused(READ("--workers", "+1"), "\"+1\" is not");
    refused(READ("--workers", " 1"), "\" 1\" is not");
    refused(READ("--workers", "1.5"), "\"1.5\" is not");
    refused(READ("--event-max-age", "99999999999999999999999"), "is not a whole number from 60");
    refused(READ("--log-level", "loud"), "--log-level: \"loud\" is not one of error, warn, info, debug");
    refused(READ("--data="), "data must not be empty");
    refused(READ("--node-name", "a b"), "node_name may only have printable");
    refused(read_file_text("idle_seconds = 0\n"), "line 1: idle_seconds: \"0\" is not a whole number from 1");
}
END_TEST

START_TEST(actions)
{
    ck_assert_int_eq(READ("--help"), ERR_OK);
    ck_assert_int_eq(action, ACTION_HELP);
    ck_assert_int_eq(READ("-h"), ERR_OK);
    ck_assert_int_eq(action, ACTION_HELP);
    ck_assert_int_eq(READ("--workers", "3", "--version"), ERR_OK);
    ck_assert_int_eq(action, ACTION_VERSION);
    ck_assert_int_eq(READ("--check-data", "/srv/x", "--os-user", "me"), ERR_OK);
    ck_assert_int_eq(action, ACTION_CHECK_DATA);
    ck_assert_str_eq(config.data, "/srv/x");
    ck_assert_str_eq(config.os_user, "me");
}
END_TEST

/* Each default is in its own range, each name is the only one, groups are in one piece. */
START_TEST(the_table)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_entry *o = &option_table[i];
        ck_assert_int_eq(option_set(&config, o, o->initial, &error), ERR_OK);
        ck_assert_msg(strlen(o->meaning) > 10, "%s has no meaning", o->name);
        ck_assert_msg(strchr(o->name, '-') == NULL, "%s: dashes are for the command line", o->name);
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(option_table[j].name, o->name);
            ck_assert_uint_ne(option_table[j].offset, o->offset);
            if (j + 1 < i && strcmp(option_table[j].group, o->group) == 0)
                ck_assert_str_eq(option_table[j + 1].group, o->group);
        }
    }
}
END_TEST

/* What --print-config prints is a file that --config reads, with and without its comment signs. */
START_TEST(the_sample_is_a_file)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    config_sample(f);
    fclose(f);
    ck_assert_int_eq(read_file_text(text), ERR_OK);
    for (char *p = text; (p = strstr(p, "\n#")); p++) {
        if (p[2] != ' ' && p[2] != '#')
            p[1] = ' ';
    }
    ck_assert_int_eq(read_file_text(text), ERR_OK);
    ck_assert_str_eq(config.listen, "127.0.0.1:8440");
    for (size_t i = 0; i < option_count; i++)
        ck_assert_msg(strstr(text, option_table[i].name) != NULL, "%s is missing", option_table[i].name);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, defaults);
    tcase_add_test(t, command_line);
    tcase_add_test(t, file);
    tcase_add_test(t, the_command_line_wins);
    tcase_add_test(t, the_environment);
    tcase_add_test(t, live_options);
    tcase_add_test(t, changes_fit);
    tcase_add_test(t, unknown_options);
    tcase_add_test(t, unknown_keys);
    tcase_add_test(t, bad_values);
    tcase_add_test(t, actions);
    tcase_add_test(t, the_table);
    tcase_add_test(t, the_sample_is_a_file);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
