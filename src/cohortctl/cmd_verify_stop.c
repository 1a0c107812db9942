/* cohortctl verify-stop: a stop, or another verdict, computed again from the database alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/json_text.h"
#include "cohortctl/values.h"
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

static void report_text(const struct verify *v, const struct verify_id *id, const struct verify_report *r,
                        bool good, bool in_part)
{
    static const char *const words[] = {"NO  ", "yes ", "only"};
    printf("%s %s of %s, iteration %lld, %s\n%s\n", id->verdict ? "verdict" : "stop", id->text,
           json_text_of(v->doc, "experiment"), (long long)verify_whole(v->doc, "iteration"),
           json_text_of(v->doc, "at"), json_text_of(v->doc, "sentence"));
    for (size_t i = 0; i < r->n; i++)
        printf("  %s %s\n", words[r->lines[i].answer], r->lines[i].text);
    if (!good)
        printf("No: this %s does not follow from what is recorded now.\n", id->verdict ? "verdict" : "stop");
    else if (in_part)
        puts("Yes, as far as it can be computed again; what is marked \"only\" is taken from its evidence.");
    else
        printf("Yes: this %s follows from the recorded units, their draws and its rule.\n",
               id->verdict ? "verdict" : "stop");
}

static int report_json(const struct verify *v, const struct verify_id *id, const struct verify_report *r,
                       bool good, bool in_part, struct error *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(list, json_pack("{s:b, s:b, s:s}", "good", r->lines[i].answer != VERIFY_NO,
                                              "only_evidence", r->lines[i].answer == VERIFY_ONLY, "text",
                                              r->lines[i].text));
    json_t *doc =
        json_pack("{s:I, s:O, s:s, s:b, s:b, s:o}", id->verdict ? "verdict" : "stop",
                  (json_int_t)verify_whole(v->doc, "id"), "experiment", json_object_get(v->doc, "experiment"),
                  "kind", v->kind, "verified", good, "in_part", in_part, "lines", list);
    int rc = json_text_print(doc, e);
    json_decref(doc);
    return rc;
}

static int report(const struct verify *v, const struct verify_id *id, bool as_json, struct error *e)
{
    static struct verify_line lines[VERIFY_LINES];
    struct verify_report r = {lines, 0};
    const char *why;
    bool good = true, in_part = false;
    if (verify_can(v, &why))
        verify_judge(v, &r);
    else
        verify_say(&r, VERIFY_NO, "can't be computed again: %s", why);
    for (size_t i = 0; i < r.n; i++) {
        good = good && lines[i].answer != VERIFY_NO;
        in_part = in_part || lines[i].answer == VERIFY_ONLY;
    }
    int rc = 0;
    if (as_json)
        rc = report_json(v, id, &r, good, in_part, e);
    else
        report_text(v, id, &r, good, in_part);
    return rc < 0 ? rc : good ? 0 : CLI_DIFFERS;
}

/* The word is an experiment's key or the id of a stop; with `verdict`, an id, the experiment's key. */
static int choose(struct pg *p, const char *word, const char *verdict, struct verify_id *id, struct error *e)
{
    id->verdict = verdict != NULL;
    if (!verdict)
        return find(p, word, id->text, e);
    int64_t n;
    int rc = value_count("--verdict", verdict, 1, INT64_MAX, &n, e);
    if (rc == 0)
        snprintf(id->text, sizeof id->text, "%" PRId64, n);
    return rc;
}

static int verify(struct pg *p, const char *word, const char *verdict, bool as_json, struct error *e)
{
    struct verify v = {0};
    struct verify_id id = {0};
    const char *why;
    int rc = choose(p, word, verdict, &id, e);
    if (rc == 0)
        rc = verify_load(&v, p, &id, e);
    if (rc == 0 && verdict && strcmp(json_text_of(v.doc, "experiment"), word) != 0)
        rc = error_set(e, ERR_NOT_FOUND, verdict, "is a verdict on %s, not on %s",
                       json_text_of(v.doc, "experiment"), word);
    if (rc == 0 && verify_can(&v, &why))
        rc = verify_units(&v, p, &id, e);
    if (rc == 0)
        rc = report(&v, &id, as_json, e);
    verify_fini(&v);
    return rc;
}

int command_verify_stop(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *verdict = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        {"--verdict", CLI_TEXT, &verdict, "ID",
         "this row of cohort.verdict_event instead: pauses, alerts, too"},
        {"--json", CLI_FLAG, &as_json, NULL, "print the lines as JSON"},
    };
    const struct cli_usage usage = {
        "verify-stop KEY|ID [--verdict ID] [--json]",
        "Computes a stop again, from the database alone: draws each counted unit anew from salts and slots,\n"
        "counts units, first events and values as they were known then, computes ln E and the threshold, "
        "and\n"
        "compares each with the evidence; of a stop condition the inputs that the rows still tell, then its\n"
        "verdict. KEY: the experiment's last stop, of an earlier iteration too; ID: that of a row of\n"
        "cohort.stop_event. Lines marked \"only\" say what was taken from the evidence. Status 1 when "
        "anything\n"
        "parts.",
        options,
        2,
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
        rc = verify(p, argv[0], verdict, as_json, e);
    pg_close(p);
    free(conninfo);
    return rc;
}
