#include "store/definitions.h"

#include <errno.h>
#include <libpq-events.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

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

static int read_versions(struct pg *p, int64_t *version, int64_t *stop_version, struct pg_error *e)
{
    PGresult *res = NULL;
    int code = pg_exec(p, "select version, stop_version from cohort.plan_versions()", 0, NULL, &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) != 1) {
        PQclear(res);
        return error_set(&e->error, ERR_DAMAGED, "config_version",
                         "cohort.plan_versions() must return one row: the table config_version is damaged");
    }
    *version = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    *stop_version = strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    PQclear(res);
    return ERR_OK;
}

static int read_document(struct pg *p, char **document, struct pg_error *e)
{
    PGresult *res = NULL;
    int code = pg_exec(p, "select cohort.plan_documents()", 0, NULL, &res, e);
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
static int read_plan(struct pg *p, int64_t *version, int64_t *stop_version, char **document,
                     struct pg_error *e)
{
    struct pg_error ignored;
    int64_t v = 0, stop = 0;
    int code = pg_exec(p, "begin isolation level repeatable read read only", 0, NULL, NULL, e);
    if (code == ERR_OK)
        code = read_versions(p, &v, &stop, e);
    if (code == ERR_OK)
        code = read_document(p, document, e);
    if (code == ERR_OK)
        code = pg_exec(p, "commit", 0, NULL, NULL, e);
    if (code == ERR_OK) {
        *version = v;
        *stop_version = stop;
        return ERR_OK;
    }
    free(*document);
    *document = NULL;
    pg_exec(p, "rollback", 0, NULL, NULL, &ignored);
    return code;
}

int definitions_wait(struct pg *p, unsigned wait_ms, int64_t *version, int64_t *stop_version, char **document,
                     struct pg_error *e)
{
    int64_t v = 0, stop = 0;
    *document = NULL;
    memset(e, 0, sizeof *e);
    /* LISTEN commits before the versions are read, so that no change falls between the two. */
    int code = first_round(pg_conn(p)) ? pg_exec(p, "listen cohort_config", 0, NULL, NULL, e)
                                       : wait_notified(pg_conn(p), wait_ms, e);
    if (code == ERR_OK)
        code = read_versions(p, &v, &stop, e);
    if (code != ERR_OK || (v == *version && stop == *stop_version))
        return code;
    return read_plan(p, version, stop_version, document, e);
}
