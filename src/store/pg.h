/* A PostgreSQL connection used by one thread, blocking. Server threads own one each; workers have none. */
#ifndef COHORT_STORE_PG_H
#define COHORT_STORE_PG_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "core/error.h"

/* What the database said, beyond struct error's text (the primary message). Empty strings where it said
 * nothing. */
struct pg_error {
    struct error
        error; /* ERR_UNAVAILABLE when the connection is gone, ERR_INVALID for what the user sent, … */
    char sqlstate[6];
    char constraint[64]; /* PG_DIAG_CONSTRAINT_NAME */
    char detail[768];
    char hint[768];
};

struct pg;

/* conninfo: a URI or keywords. application: shown in pg_stat_activity ("cohortd shipper"). Sets time zone
 * UTC, search_path cohort, public, statement and lock time-outs of statement_ms (0: none),
 * client_min_messages warning, TCP keep-alives and a connect time-out of 2 s. *out is only set on success. */
int pg_open(struct pg **out, const char *conninfo, const char *application, int statement_ms,
            struct pg_error *e);
void pg_close(struct pg *p);

PGconn *pg_conn(struct pg *p);
/* False once the connection is lost; close it and open another. */
bool pg_alive(struct pg *p);
/* The same of one that nothing is asked on: looks whether its server has closed it. */
bool pg_alive_idle(struct pg *p);

/* One statement with text parameters (NULL: SQL null). *out may be NULL; otherwise PQclear it. */
int pg_exec(struct pg *p, const char *sql, int n_params, const char *const *params, PGresult **out,
            struct pg_error *e);

/* The same, but the answer must begin to come within wait_ms: a server that is stopped, or a host that went
 * away without a word, would make pg_exec wait for minutes. ERR_UNAVAILABLE when it does not; then the
 * connection is of no more use. */
int pg_exec_within(struct pg *p, int wait_ms, const char *sql, PGresult **out, struct pg_error *e);

/* From any thread: makes a blocked call return with an error soon (cancel request, then socket shutdown). */
void pg_interrupt(struct pg *p);

/* Fills e from a failed result (res may be NULL: then from the connection). Returns e->error.code. */
int pg_error_from(struct pg_error *e, PGconn *conn, const PGresult *res);

#endif
