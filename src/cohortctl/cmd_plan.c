/* cohortctl plan: how many units and days an effect needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/request.h"
#include "cohortctl/table.h"
#include "cohortctl/values.h"

/* The options that are numbers, and what the document calls them. */
enum number { POWER, ALPHA, STOP_ALPHA, ARMS, BASE, VARIANCE, UNITS_PER_DAY, TRAFFIC, DAYS, N_NUMBERS };
static const char *const number_option[] = {"--power",         "--alpha",   "--stop-alpha",
                                            "--arms",          "--base",    "--variance",
                                            "--units-per-day", "--traffic", "--days"};
static const char *const number_member[] = {"power",    "alpha",         "stop_alpha",  "arms", "base",
                                            "variance", "units_per_day", "traffic_ppm", "days"};

struct plan_words {
    const char *effect, *experiment, *unit_type, *numbers[N_NUMBERS];
    bool as_json;
};

/* "5%" is 0.05 and says so in *percent. */
static int number_of(const char *option, const char *text, double *out, bool *percent, struct error *e)
{
    char digits[64];
    size_t len = strlen(text);
    *percent = len > 0 && text[len - 1] == '%';
    if (len >= sizeof digits)
        return error_set(e, ERR_INVALID, option, "is too long for a number");
    snprintf(digits, sizeof digits, "%.*s", (int)(len - (*percent ? 1 : 0)), text);
    int rc = value_number(option, digits, -1e15, 1e15, out, e);
    if (rc == 0 && *percent)
        *out /= 100;
    return rc;
}

static int add_number(json_t *doc, const char *member, const char *option, const char *text, bool *percent,
                      struct error *e)
{
    double v;
    if (!text)
        return 0;
    int rc = number_of(option, text, &v, percent, e);
    bool whole =
        strcmp(member, "arms") == 0 || strcmp(member, "traffic_ppm") == 0 || strcmp(member, "days") == 0;
    if (rc == 0)
        json_object_set_new(doc, member,
                            whole && v == (double)(json_int_t)v ? json_integer((json_int_t)v) : json_real(v));
    return rc;
}

static int describe(const struct plan_words *w, const char *metric, json_t *doc, struct error *e)
{
    bool relative = false, ignored;
    int rc = add_number(doc, "effect", "--effect", w->effect, &relative, e);
    if (rc == 0 &&
        (json_object_set_new(doc, "metric", json_string(metric)) < 0 ||
         (w->experiment && json_object_set_new(doc, "experiment", json_string(w->experiment)) < 0) ||
         (w->unit_type && json_object_set_new(doc, "unit_type", json_string(w->unit_type)) < 0)))
        rc = error_set(e, ERR_INVALID, "", "a name is not valid UTF-8");
    json_object_set_new(doc, "relative", json_boolean(relative));
    for (int i = 0; rc == 0 && i < N_NUMBERS; i++)
        rc = add_number(doc, number_member[i], number_option[i], w->numbers[i], &ignored, e);
    return rc;
}

/* A number with its thousands, "?" where it is not known. */
static const char *units_text(const json_t *v, char buf[32])
{
    return json_is_number(v) ? table_thousands((long long)json_number_value(v), buf) : "?";
}

static void add_method(struct table *t, const json_t *m)
{
    char control[32], treatment[32], total[32], days[32] = "?", factor[32] = "?";
    const json_t *d = json_object_get(m, "days"), *f = json_object_get(m, "factor");
    if (json_is_number(d))
        snprintf(days, sizeof days, "%.1f", json_number_value(d));
    if (json_is_number(f))
        snprintf(factor, sizeof factor, "%.2f ×", json_number_value(f));
    table_add(t, "%s", json_text_of(m, "method"));
    table_add(t, "%s", units_text(json_object_get(m, "control_units"), control));
    table_add(t, "%s", units_text(json_object_get(m, "treatment_units"), treatment));
    table_add(t, "%s", units_text(json_object_get(m, "total_units"), total));
    table_add(t, "%s", days);
    table_add(t, "%s", factor);
}

static void print_known(const json_t *answer)
{
    const char *const members[] = {"base", "difference", "variance", "units_per_day"};
    const char *const words[] = {"base", "effect", "variance per unit", "units a day"};
    printf("%s:", json_text_of(answer, "metric"));
    for (size_t i = 0; i < 4; i++) {
        const json_t *v = json_object_get(answer, members[i]);
        if (json_is_number(v))
            printf("%s %s %.6g", i ? "," : "", words[i], json_number_value(v));
        else
            printf("%s %s unknown", i ? "," : "", words[i]);
    }
    putchar('\n');
}

static int print_answer(const json_t *answer, struct error *e)
{
    static const char *const head[] = {"method",    "control", "treatment",
                                       "all units", "days",    "against fixed"};
    const json_t *methods = json_object_get(answer, "methods"), *m;
    const char *said = "";
    size_t i;
    struct table *t = table_new("lrrrrr");
    if (!t)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    for (i = 0; i < 6; i++)
        table_add(t, "%s", head[i]);
    json_array_foreach(methods, i, m) add_method(t, m);
    print_known(answer);
    int rc = table_print(t, stdout, 2);
    table_free(t);
    json_array_foreach(methods, i, m)
    {
        const char *missing = json_text_of(m, "missing");
        if (*json_text_of(m, "note"))
            printf("%s: %s\n", json_text_of(m, "method"), json_text_of(m, "note"));
        if (*missing && strcmp(missing, said) != 0)
            printf("%s\n", missing);
        said = *missing ? missing : said;
    }
    return rc < 0 ? error_set(e, ERR_NOMEM, "", "out of memory") : 0;
}

static int ask(struct ctl *c, const struct plan_words *w, const char *metric, struct error *e)
{
    json_t *answer = NULL, *doc = json_object();
    int rc = describe(w, metric, doc, e);
    if (rc < 0) {
        json_decref(doc);
        return rc;
    }
    rc = request_once(c, ROLE_ANALYST, "POST", "/v1/plan", metric, doc, &answer, e);
    if (rc == 0)
        rc = w->as_json ? json_text_print(answer, e) : print_answer(answer, e);
    json_decref(answer);
    return rc;
}

int command_plan(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct plan_words w = {0};
    const struct cli_option options[] = {
        {"--effect", CLI_TEXT, &w.effect, "N|N%",
         "the effect to see: 5% of the base, or in the metric's units"},
        {"--power", CLI_TEXT, &w.numbers[POWER], "N", "the chance to see it (0.8)"},
        {"--alpha", CLI_TEXT, &w.numbers[ALPHA], "N", "error level of the comparison (0.05)"},
        {"--stop-alpha", CLI_TEXT, &w.numbers[STOP_ALPHA], "N", "error level of a guardrail's stop (0.01)"},
        {"--arms", CLI_TEXT, &w.numbers[ARMS], "N", "variants, control included (2)"},
        {"--base", CLI_TEXT, &w.numbers[BASE], "N|N%", "the metric's value now; else from the database"},
        {"--variance", CLI_TEXT, &w.numbers[VARIANCE], "N", "its variance per unit; else from the database"},
        {"--units-per-day", CLI_TEXT, &w.numbers[UNITS_PER_DAY], "N",
         "new units a day; else from the database"},
        {"--traffic", CLI_TEXT, &w.numbers[TRAFFIC], "PPM", "the share of them that takes part (1000000)"},
        {"--days", CLI_TEXT, &w.numbers[DAYS], "N", "days of data to look at (30)"},
        {"--experiment", CLI_TEXT, &w.experiment, "KEY", "units of this experiment; else of all"},
        {"--unit-type", CLI_TEXT, &w.unit_type, "TYPE", "their type, without an experiment (user)"},
        {"--json", CLI_FLAG, &w.as_json, NULL, "print the server's JSON"},
    };
    const struct cli_usage usage = {
        "plan METRIC --effect N|N% [options]",
        "Prints how many units and days it takes to see an effect on METRIC: with one look at the end "
        "(fixed),\n"
        "with an interval that may be looked at all the time (sequential), and by a guardrail on it (binary\n"
        "metrics; others can be rehearsed). Base, variance and traffic come from the last days in the "
        "database unless they are given.",
        options,
        sizeof options / sizeof *options,
        1,
        1};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    if (!w.effect)
        return error_set(e, ERR_INVALID, "--effect",
                         "is missing: 5%% of the base, or a number in the metric's units");
    return ask(c, &w, argv[0], e);
}
