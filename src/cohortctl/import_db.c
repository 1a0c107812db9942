#include "cohortctl/import_db.h"

#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define SECOND_US INT64_C(1000000)
#define PATIENCE_US (20 * SECOND_US) /* without a leader */

/* A database's error as one text: sentence and hint. */
static int told(const struct pg_error *from, struct error *e)
{
    return error_set(e, from->error.code, from->error.place, "%s%s%s", from->error.text,
                     from->hint[0] ? "\n  hint: " : "", from->hint);
}

static int run(struct pg *p, const char *sql, int n, const char *const *params, PGresult **out,
               struct error *e)
{
    struct pg_error why;
    return pg_exec(p, sql, n, params, out, &why) < 0 ? told(&why, e) : 0;
}

static int open_copy(struct pg *p, struct error *e)
{
    struct pg_error why;
    PGresult *res = PQexec(pg_conn(p), "copy import_row from stdin");
    int rc = 0;
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        pg_error_from(&why, pg_conn(p), res);
        rc = told(&why, e);
    }
    PQclear(res);
    return rc;
}

int import_db_begin(struct pg *p, const struct import_request *r, struct unit_key *key, struct error *e)
{
    PGresult *res = NULL;
    uint8_t bytes[64];
    size_t len = 0;
    int rc = run(p, "begin", 0, NULL, NULL, e);
    if (rc == 0)
        rc = run(p, "select cohort.import_begin($1)", 1, &r->experiment, &res, e);
    if (rc < 0)
        return rc;
    const char *hex = PQgetvalue(res, 0, 0);
    if (sodium_hex2bin(bytes, sizeof bytes, hex, strlen(hex), NULL, &len, NULL) != 0 || len == 0)
        rc = error_set(e, ERR_DAMAGED, "", "the environment's unit key is not hexadecimal");
    else
        unit_key_init(key, bytes, len);
    sodium_memzero(bytes, sizeof bytes);
    PQclear(res);
    return rc < 0 ? rc : open_copy(p, e);
}

int import_db_row(void *arg, const char *text, size_t len, struct error *e)
{
    struct pg *p = arg;
    if (PQputCopyData(pg_conn(p), text, (int)len) == 1)
        return 0;
    return error_set(e, ERR_UNAVAILABLE, "", "the database went away: %s", PQerrorMessage(pg_conn(p)));
}

static int end_copy(struct pg *p, struct error *e)
{
    struct pg_error why;
    int rc = 0;
    PGresult *res = NULL;
    if (PQputCopyEnd(pg_conn(p), NULL) == 1)
        res = PQgetResult(pg_conn(p));
    if (PQresultStatus(res) != PGRES_COMMAND_OK) {
        pg_error_from(&why, pg_conn(p), res);
        rc = told(&why, e);
    }
    do {
        PQclear(res);
        res = PQgetResult(pg_conn(p));
    } while (res);
    return rc;
}

/* What cohort.import_finish() is told: malloc'ed JSON, or NULL when out of memory. */
static char *describe(const struct import *m)
{
    const struct import_request *r = m->request;
    json_t *variants = json_array(), *metrics = json_array();
    for (size_t i = 0; i < m->n_variants; i++)
        json_array_append_new(variants, json_pack("{s:s, s:s, s:b}", "key", m->variants[i].key, "name",
                                                  m->variants[i].name, "control",
                                                  strcmp(m->variants[i].name, r->control) == 0));
    for (size_t i = 0; i < m->n_metrics; i++)
        json_array_append_new(metrics, json_pack("{s:s, s:s, s:s}", "column", m->metrics[i].column, "key",
                                                 m->metrics[i].key, "kind",
                                                 m->metrics[i].is_mean ? "mean" : "binary"));
    json_t *doc = json_pack("{s:s, s:s, s:s, s:o, s:o}", "experiment", r->experiment, "unit_type",
                            r->unit_type, "file", r->files[0], "variants", variants, "metrics", metrics);
    char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    return text;
}

int import_db_finish(struct pg *p, const struct import *m, struct import_loaded *out, struct error *e)
{
    PGresult *res = NULL;
    int rc = end_copy(p, e);
    if (rc < 0)
        return rc;
    char *doc = describe(m);
    if (!doc)
        return error_set(e, ERR_INVALID, "", "a name is not valid UTF-8, or there is no memory left");
    const char *params[] = {doc};
    rc = run(p, "select spool, exposures, outcomes, metrics from cohort.import_finish($1::jsonb)", 1, params,
             &res, e);
    free(doc);
    if (rc < 0)
        return rc;
    snprintf(out->spool, sizeof out->spool, "%s", PQgetvalue(res, 0, 0));
    out->exposures = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    out->outcomes = strtoll(PQgetvalue(res, 0, 2), NULL, 10);
    out->metrics = strdup(PQgetvalue(res, 0, 3));
    PQclear(res);
    rc = out->metrics ? run(p, "commit", 0, NULL, NULL, e) : error_set(e, ERR_NOMEM, "", "out of memory");
    if (rc < 0)
        free(out->metrics);
    return rc;
}

/* How far the leader is. */
struct progress {
    int64_t counted, batches;
    bool leader; /* somebody counts */
};

static int look(struct pg *p, const char *spool, struct progress *out, struct error *e)
{
    PGresult *res = NULL;
    int rc = run(p, "select counted, batches, leader from cohort.import_counted($1)", 1, &spool, &res, e);
    if (rc < 0)
        return rc;
    out->counted = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    out->batches = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    out->leader = *PQgetvalue(res, 0, 2) == 't';
    PQclear(res);
    return 0;
}

int import_db_wait(struct pg *p, const struct import *m, const char *spool, struct error *e)
{
    int64_t start = clock_monotonic_us(), sign = start, told_at = start;
    struct progress at;
    int rc;
    while ((rc = look(p, spool, &at, e)) == 0 && at.counted < at.batches) {
        int64_t now = clock_monotonic_us();
        sign = at.leader ? now : sign;
        if (now - sign > PATIENCE_US)
            return error_set(
                e, ERR_UNAVAILABLE, "",
                "everything is loaded, but no cohortd is counting; start one, then: cohortctl results %s",
                m->request->experiment);
        if (m->terminal || now - told_at >= 5 * SECOND_US) {
            import_progress(m, "the server has counted %" PRId64 " of %" PRId64 " batches, %" PRId64 " s",
                            at.counted, at.batches, (now - start) / SECOND_US);
            told_at = now;
        }
        usleep(50000);
    }
    import_progress_end(m);
    return rc;
}
