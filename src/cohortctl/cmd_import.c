/* cohortctl import: loads an experiment that was run elsewhere from a table of its units. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/import_db.h"
#include "cohortctl/report.h"
#include "cohortctl/table.h"

static void say_rounded(const struct import *m)
{
    for (size_t i = 0; i < m->n_metrics; i++)
        if (m->metrics[i].rounded > 0)
            fprintf(stderr, "%s: %" PRIu64 " values had more than six decimals and were rounded to six\n",
                    m->metrics[i].column, m->metrics[i].rounded);
}

/* Columns whose metric got another name than theirs. */
static void say_names(const struct import_loaded *loaded)
{
    size_t i;
    json_t *metrics = json_loads(loaded->metrics, 0, NULL), *o;
    json_array_foreach(metrics, i, o)
    {
        const char *column = json_string_value(json_object_get(o, "column"));
        const char *metric = json_string_value(json_object_get(o, "metric"));
        if (column && metric && strcmp(column, metric) != 0)
            fprintf(stderr, "column %s is counted as metric %s\n", column, metric);
    }
    json_decref(metrics);
}

static int load(struct pg *p, struct import *m, struct import_loaded *loaded, struct error *e)
{
    char a[32], b[32];
    int rc = import_db_begin(p, m->request, &m->unit_key, e);
    if (rc == 0)
        rc = import_read(m, import_db_row, p, e);
    if (rc < 0)
        return rc;
    import_progress(m, "read %" PRIu64 " rows; storing", m->rows);
    rc = import_db_finish(p, m, loaded, e);
    import_progress_end(m);
    if (rc < 0)
        return rc;
    fprintf(stderr, "loaded %s units and %s outcomes as experiment %s\n",
            table_thousands(loaded->exposures, a), table_thousands(loaded->outcomes, b),
            m->request->experiment);
    say_rounded(m);
    say_names(loaded);
    rc = import_db_wait(p, m, loaded->spool, e);
    free(loaded->metrics);
    return rc;
}

/* The results by SQL: an import has the database at hand, perhaps no server's key. */
static int print_results(struct pg *p, const char *key, struct error *e)
{
    PGresult *res = NULL;
    struct pg_error why;
    if (pg_exec(p, "select cohort.results_json($1)", 1, &key, &res, &why) < 0)
        return error_set(e, why.error.code, why.error.place, "%s", why.error.text);
    json_t *doc = json_loads(PQgetvalue(res, 0, 0), 0, NULL);
    int rc = report_results(doc, false, stdout, e);
    json_decref(doc);
    PQclear(res);
    return rc;
}

static int import(struct ctl *c, const struct import_request *r, struct error *e)
{
    struct import m;
    struct import_loaded loaded = {0};
    struct pg *p = NULL;
    struct pg_error why;
    char *conninfo = NULL;
    int rc = import_init(&m, r, e);
    if (rc == 0)
        rc = discover_database(c, &conninfo, e);
    if (rc == 0 && (rc = pg_open(&p, conninfo, "cohortctl import", 0, &why)) < 0)
        error_set(e, rc, why.error.place, "%s", why.error.text);
    if (rc == 0)
        rc = load(p, &m, &loaded, e);
    if (rc == 0)
        rc = print_results(p, r->experiment, e);
    pg_close(p);
    free(conninfo);
    import_fini(&m);
    return rc;
}

int command_import(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct import_request r = {.experiment = NULL};
    const struct cli_option options[] = {
        {"--experiment", CLI_TEXT, &r.experiment, "KEY", "the experiment to make; it must not exist"},
        {"--variant", CLI_TEXT, &r.variant, "COL", "the column that says which variant a row got"},
        {"--control", CLI_TEXT, &r.control, "NAME", "the variant the others are compared to, as in the file"},
        {"--binary", CLI_LIST, &r.binary, "COL", "a column of 0/1, true/false or yes/no; may be repeated"},
        {"--mean", CLI_LIST, &r.mean, "COL", "a column of numbers; may be repeated"},
        {"--unit", CLI_TEXT, &r.unit, "COL", "the column that names the unit (default: the row's number)"},
        {"--unit-type", CLI_TEXT, &r.unit_type, "TYPE", "what a unit is (default user; row without --unit)"},
    };
    const struct cli_usage usage = {
        "import FILE.csv… --experiment KEY --variant COL --control NAME (--binary COL | --mean COL)…",
        "Loads an experiment that was run elsewhere: one row a unit, with its variant and what it did. The "
        "file is\n"
        "CSV with a line of column names, plain or gzip'ed; - is standard input. Everything is loaded in "
        "one\n"
        "transaction, or nothing: bad rows are reported with their line. Raw unit ids are hashed here and "
        "never\n"
        "leave this process. Numbers keep six decimals (more are rounded half to even, and counted).",
        options,
        sizeof options / sizeof *options,
        1,
        1000};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    if (!r.unit_type)
        r.unit_type = r.unit ? "user" : "row";
    r.files = (const char *const *)argv;
    r.n_files = (size_t)n;
    return import(c, &r, e);
}
