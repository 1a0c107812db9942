/* cohortctl verify-stop: a stop computed again from the database alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/json_text.h"
#include "cohortctl/verify.h"

/* The id of the stop that a word names: itself when it is all digits, else the experiment's last. */
static int find(struct pg *p, const char *word, char id[32], struct error *e)
{
    struct pg_error why;
    PGresult *res = NULL;
    if (strspn(word, "0123456789") == strlen(word) && strlen(word) < 19) {
        snprintf(id, 32, "%s", word);
        return 0;
    }
    int rc = pg_exec(p, "select cohort.stop_of($1)", 1, &word, &res, &why);
    if (rc < 0)
        return error_set(e, rc, why.error.place, "%s", why.error.text);
    if (PQntuples(res) == 0 || PQgetisnull(res, 0, 0))
        rc = error_set(e, ERR_NOT_FOUND, word, "nothing stopped an experiment of this key");
    else
        snprintf(id, 32, "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
    return rc;
}

static int report(const struct verify *v, bool as_json, struct error *e)
{
    static struct verify_line lines[VERIFY_LINES];
    const char *why;
    bool can = verify_can(v, &why), good = can;
    size_t n = can ? verify_judge(v, lines) : 0;
    if (!can) {
        n = 1;
        lines[0].good = false;
        snprintf(lines[0].text, sizeof lines[0].text, "can't be computed again: %s", why);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        good = good && lines[i].good;
        json_array_append_new(list, json_pack("{s:b, s:s}", "good", lines[i].good, "text", lines[i].text));
    }
    int rc = 0;
    if (as_json) {
        json_t *doc = json_pack("{s:O, s:O, s:b, s:O}", "stop", json_object_get(v->doc, "id"), "experiment",
                                json_object_get(v->doc, "experiment"), "verified", good, "lines", list);
        rc = json_text_print(doc, e);
        json_decref(doc);
    } else {
        printf("stop %lld of %s, iteration %lld, %s\n%s\n",
               (long long)json_integer_value(json_object_get(v->doc, "id")),
               json_text_of(v->doc, "experiment"),
               (long long)json_integer_value(json_object_get(v->doc, "iteration")),
               json_text_of(v->doc, "at"), json_text_of(v->doc, "sentence"));
        for (size_t i = 0; i < n; i++)
            printf("  %s  %s\n", lines[i].good ? "yes" : "NO ", lines[i].text);
        puts(good ? "Yes: this stop follows from the recorded units, their draws and its rule."
                  : "No: this stop does not follow from what is recorded now.");
    }
    json_decref(list);
    return rc < 0 ? rc : good ? 0 : CLI_DIFFERS;
}

static int verify(struct pg *p, const char *word, bool as_json, struct error *e)
{
    struct verify v = {0};
    const char *why;
    char id[32];
    int rc = find(p, word, id, e);
    if (rc == 0)
        rc = verify_load(&v, p, id, e);
    if (rc == 0 && verify_can(&v, &why))
        rc = verify_units(&v, p, id, e);
    if (rc == 0)
        rc = report(&v, as_json, e);
    verify_fini(&v);
    return rc;
}

int command_verify_stop(struct ctl *c, int argc, char **argv, struct error *e)
{
    bool as_json = false;
    const struct cli_option options[] = {
        {"--json", CLI_FLAG, &as_json, NULL, "print the lines as JSON"},
    };
    const struct cli_usage usage = {
        "verify-stop KEY|ID [--json]",
        "Computes a stop again, from the database alone: draws each counted unit anew from salts and slots,\n"
        "counts units and first events as they were known then, computes q, ln E and the threshold, and "
        "compares\n"
        "each with the evidence. KEY: the experiment's last stop, of an earlier iteration too; ID: that of a "
        "row\n"
        "of cohort.stop_event. Status 1 when anything parts.",
        options,
        1,
        1,
        1};
    struct pg_error why;
    struct pg *p = NULL;
    char *conninfo = NULL;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc == 0)
        rc = discover_database(c, &conninfo, e);
    if (rc == 0 && (rc = pg_open(&p, conninfo, "cohortctl verify-stop", 0, &why)) < 0)
        error_set(e, rc, why.error.place, "%s", why.error.text);
    if (rc == 0)
        rc = verify(p, argv[0], as_json, e);
    pg_close(p);
    free(conninfo);
    return rc;
}
