/* cohortctl replay: the decisions of a period, computed again from the log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/json_text.h"
#include "cohortctl/replay.h"
#include "store/pg.h"

#define FETCH "fetch 2000 from decisions"

/* What was found. */
struct tally {
    int64_t decisions, same;
    json_t *not_drawn;   /* by reason */
    json_t *differences; /* one after the other */
    bool as_json;
};

enum column {
    UNIT_ID,
    DECISION_ID,
    US,
    REASON,
    VARIANT,
    COUNTERFACTUAL,
    PHASE,
    PROPENSITY,
    VERSION,
    INPUTS,
    ELIGIBLE,
    MODEL,
    TS
};

static int run(struct pg *p, const char *sql, int n, const char *const *params, PGresult **out,
               struct error *e)
{
    struct pg_error why;
    int rc = pg_exec(p, sql, n, params, out, &why);
    return rc < 0 ? error_set(e, rc, why.error.place, "%s", why.error.text) : 0;
}

static const char *text_at(const PGresult *r, int row, enum column c)
{
    return PQgetisnull(r, row, (int)c) ? NULL : PQgetvalue(r, row, (int)c);
}

static int32_t id_at(const PGresult *r, int row, enum column c, int32_t otherwise)
{
    const char *text = text_at(r, row, c);
    return text ? (int32_t)strtol(text, NULL, 10) : otherwise;
}

static struct replay_row row_at(const PGresult *r, int row)
{
    return (struct replay_row){.decision_id = text_at(r, row, DECISION_ID),
                               .unit_id = text_at(r, row, UNIT_ID),
                               .reason = text_at(r, row, REASON),
                               .inputs = text_at(r, row, INPUTS),
                               .eligible = text_at(r, row, ELIGIBLE),
                               .us = strtoll(text_at(r, row, US), NULL, 10),
                               .plan_version = strtoll(text_at(r, row, VERSION), NULL, 10),
                               .variant_id = id_at(r, row, VARIANT, 0),
                               .counterfactual_id = id_at(r, row, COUNTERFACTUAL, 0),
                               .phase_id = id_at(r, row, PHASE, 0),
                               .model_id = id_at(r, row, MODEL, 0),
                               .propensity = id_at(r, row, PROPENSITY, -1)};
}

static void differs(struct tally *t, const struct replay_row *row, const char *ts, const char *why)
{
    json_array_append_new(t->differences, json_pack("{s:s, s:s, s:s, s:s}", "decision", row->decision_id,
                                                    "unit", row->unit_id, "ts", ts, "what", why));
    if (!t->as_json)
        printf("decision %s of %s: %s\n", row->decision_id, ts, why);
}

static int one_row(struct replay *r, const PGresult *rows, int i, struct tally *t, struct error *e)
{
    char why[256];
    enum replay_answer answer;
    struct replay_row row = row_at(rows, i);
    int rc = replay_decide(r, &row, &answer, why, sizeof why, e);
    if (rc < 0)
        return rc;
    t->decisions++;
    if (answer == REPLAY_SAME)
        t->same++;
    else if (answer == REPLAY_DIFFERS)
        differs(t, &row, text_at(rows, i, TS), why);
    else
        json_object_set_new(t->not_drawn, row.reason,
                            json_integer(json_integer_value(json_object_get(t->not_drawn, row.reason)) + 1));
    return 0;
}

static int all_rows(struct pg *p, struct replay *r, struct tally *t, struct error *e)
{
    int rc = 0, n = 1;
    while (rc == 0 && n > 0) {
        PGresult *rows = NULL;
        rc = run(p, FETCH, 0, NULL, &rows, e);
        n = rc == 0 ? PQntuples(rows) : 0;
        for (int i = 0; i < n && rc == 0; i++)
            rc = one_row(r, rows, i, t, e);
        PQclear(rows);
    }
    return rc;
}

static int know_phases(struct pg *p, const char *key, struct replay *r, struct error *e)
{
    PGresult *rows = NULL;
    int rc = run(p, "select number, version from cohort.replay_phases($1)", 1, &key, &rows, e);
    for (int i = 0; rc == 0 && i < PQntuples(rows); i++)
        rc = replay_know(r, (int)strtol(PQgetvalue(rows, i, 0), NULL, 10),
                         strtoll(PQgetvalue(rows, i, 1), NULL, 10), e);
    PQclear(rows);
    return rc;
}

/* All of it in one snapshot: what is decided meanwhile is left for the next time. */
static int replay(struct pg *p, const char *key, const char *from, const char *to, struct tally *t,
                  struct error *e)
{
    const char *const params[] = {key, from, to};
    struct replay *r = NULL;
    PGresult *rows = NULL;
    int rc = run(p, "begin isolation level repeatable read read only", 0, NULL, NULL, e);
    if (rc == 0)
        rc = run(p, "select cohort.replay_document($1)", 1, params, &rows, e);
    if (rc == 0)
        rc = replay_new(&r, PQgetvalue(rows, 0, 0), e);
    PQclear(rows);
    if (rc == 0)
        rc = know_phases(p, key, r, e);
    if (rc == 0)
        rc = run(p,
                 "declare decisions no scroll cursor for select unit_id, decision_id, us, reason, variant_id,"
                 " counterfactual_variant_id, phase_id, propensity, plan_version, inputs, eligible, model_id,"
                 " cohort.rfc3339('epoch'::timestamptz + us * interval '1 microsecond')"
                 " from cohort.replay_decisions($1, $2, $3)",
                 3, params, NULL, e);
    if (rc == 0)
        rc = all_rows(p, r, t, e);
    replay_free(r);
    return rc;
}

static void say_not_drawn(const struct tally *t, char *out, size_t size)
{
    const char *reason;
    json_t *n;
    size_t used = 0;
    out[0] = '\0';
    json_object_foreach(t->not_drawn, reason, n)
    {
        if (used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s %" JSON_INTEGER_FORMAT,
                                     used ? ", " : " (", reason, json_integer_value(n));
    }
    if (used && used < size)
        snprintf(out + used, size - used, ")");
}

static int report(const char *key, const struct tally *t, struct error *e)
{
    size_t n = json_array_size(t->differences);
    int64_t drawn = t->same + (int64_t)n;
    char others[512];
    if (t->as_json) {
        json_t *doc = json_pack("{s:s, s:I, s:I, s:O, s:O}", "experiment", key, "decisions",
                                (json_int_t)t->decisions, "drawn_again", (json_int_t)drawn, "not_drawn",
                                t->not_drawn, "differences", t->differences);
        int rc = json_text_print(doc, e);
        json_decref(doc);
        return rc < 0 ? rc : n > 0 ? CLI_DIFFERS : 0;
    }
    say_not_drawn(t, others, sizeof others);
    printf("%s: %" PRId64 " decisions, %" PRId64 " of them drawn again, %" PRId64
           " that draws didn't decide%s\n%zu difference%s\n",
           key, t->decisions, drawn, t->decisions - drawn, others, n, n == 1 ? "" : "s");
    return n > 0 ? CLI_DIFFERS : 0;
}

int command_replay(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *from = NULL, *to = NULL;
    struct tally t = {.not_drawn = json_object(), .differences = json_array()};
    const struct cli_option options[] = {
        {"--from", CLI_TEXT, &from, "TIME", "decisions from then on, such as 2026-11-28T00:00Z"},
        {"--to", CLI_TEXT, &to, "TIME", "decisions before then"},
        {"--json", CLI_FLAG, &t.as_json, NULL, "print what was found as JSON"},
    };
    const struct cli_usage usage = {
        "replay EXPERIMENT [--from TIME] [--to TIME] [--json]",
        "Computes the logged decisions of an experiment's current run again, from the database alone: the\n"
        "phase in force as the deciding server knew it, the draw by unit or by decision, its variant,\n"
        "propensity and, where a model decided, every probability, from the rows of cohort.decision, phase\n"
        "and model. Each difference is named; there should be none. Status 1 when there is one. Without\n"
        "times: all decisions that are kept.",
        options,
        3,
        1,
        1};
    struct pg_error why;
    struct pg *p = NULL;
    char *conninfo = NULL;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc == 0)
        rc = discover_database(c, &conninfo, e);
    if (rc == 0 && (rc = pg_open(&p, conninfo, "cohortctl replay", 0, &why)) < 0)
        error_set(e, rc, why.error.place, "%s", why.error.text);
    if (rc == 0)
        rc = replay(p, argv[0], from, to, &t, e);
    if (rc == 0)
        rc = report(argv[0], &t, e);
    json_decref(t.not_drawn);
    json_decref(t.differences);
    pg_close(p);
    free(conninfo);
    return rc;
}
