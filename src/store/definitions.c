#include "store/definitions.h"

#include <errno.h>
#include <libpq-events.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ANSWER_MS 3000    /* a server that is stopped or gone is noticed by then */
#define DOCUMENT_MS 15000 /* for the document of thousands of experiments */

/* libpq keeps the fact that a connection LISTENs already: a registered procedure can't be registered twice.
 */
static int on_event(PGEventId id, void *info, void *arg)
{
    (void)id;
    (void)info;
    (void)arg;
    return 1;
}

static bool first_round(PGconn *conn)
{
    return PQregisterEventProc(conn, on_event, "cohortd definitions", NULL) != 0;
}

/* How many notifications came; they say no more than "look". */
static int drain(PGconn *conn)
{
    int n = 0;
    PGnotify *notify;
    while ((notify = PQnotifies(conn))) {
        PQfreemem(notify);
        n++;
    }
    return n;
}

static int wait_notified(PGconn *conn, unsigned wait_ms, struct pg_error *e)
{
    int64_t end = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    while (drain(conn) == 0) {
        int64_t left = (end - clock_monotonic_us() + 999) / 1000;
        struct pollfd fd = {PQsocket(conn), POLLIN, 0};
        if (left <= 0)
            return ERR_OK;
        int n = poll(&fd, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return error_set(&e->error, ERR_IO, NULL, "poll: %s", strerror(errno));
        if (n > 0 && !PQconsumeInput(conn))
            return pg_error_from(e, conn, NULL);
    }
    return ERR_OK;
}

/* "8-4-4-4-12" hexadecimal digits. */
static bool uuid_from(const char *text, uint8_t out[INCARNATION_BYTES])
{
    size_t n = 0;
    return sodium_hex2bin(out, INCARNATION_BYTES, text, strlen(text), "-", &n, NULL) == 0 &&
           n == INCARNATION_BYTES;
}

static int read_versions(struct pg *p, struct plan_versions *v, struct pg_error *e)
{
    PGresult *res = NULL;
    int code = pg_exec_within(p, ANSWER_MS,
                              "select version, stop_version, incarnation, cohort.micros(heartbeat),"
                              " cohort.micros(clock_timestamp()) from cohort.plan_versions()",
                              &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) != 1 || !uuid_from(PQgetvalue(res, 0, 2), v->incarnation)) {
        PQclear(res);
        return error_set(&e->error, ERR_DAMAGED, "config_version",
                         "cohort.plan_versions() must return one row: the table config_version is damaged");
    }
    v->version = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    v->stop_version = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    v->heartbeat_us = strtoll(PQgetvalue(res, 0, 3), NULL, 10);
    v->clock_us = strtoll(PQgetvalue(res, 0, 4), NULL, 10);
    PQclear(res);
    return ERR_OK;
}

static int read_document(struct pg *p, char **document, struct pg_error *e)
{
    PGresult *res = NULL;
    int code = pg_exec_within(p, DOCUMENT_MS, "select cohort.plan_documents()", &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) != 1 || PQgetisnull(res, 0, 0))
        code = error_set(&e->error, ERR_DAMAGED, NULL, "cohort.plan_documents() returned nothing");
    else if (!(*document = strdup(PQgetvalue(res, 0, 0))))
        code = error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    PQclear(res);
    return code;
}

/* Versions and document of one snapshot. */
static int read_plan(struct pg *p, struct plan_versions *v, char **document, struct pg_error *e)
{
    struct pg_error ignored;
    int code = pg_exec_within(p, ANSWER_MS, "begin isolation level repeatable read read only", NULL, e);
    if (code == ERR_OK)
        code = read_versions(p, v, e);
    if (code == ERR_OK)
        code = read_document(p, document, e);
    if (code == ERR_OK)
        code = pg_exec_within(p, ANSWER_MS, "commit", NULL, e);
    if (code == ERR_OK)
        return ERR_OK;
    free(*document);
    *document = NULL;
    if (pg_alive(p))
        pg_exec_within(p, ANSWER_MS, "rollback", NULL, &ignored);
    return code;
}

int definitions_wait(struct pg *p, unsigned wait_ms, struct plan_versions *known, char **document,
                     struct pg_error *e)
{
    struct plan_versions now = {0};
    *document = NULL;
    memset(e, 0, sizeof *e);
    /* LISTEN commits before the versions are read, so that no change falls between the two. */
    int code = first_round(pg_conn(p)) ? pg_exec_within(p, ANSWER_MS, "listen cohort_config", NULL, e)
                                       : wait_notified(pg_conn(p), wait_ms, e);
    if (code == ERR_OK)
        code = read_versions(p, &now, e);
    if (code == ERR_OK && (now.version != known->version || now.stop_version != known->stop_version))
        code = read_plan(p, &now, document, e);
    if (code == ERR_OK)
        *known = now;
    return code;
}
