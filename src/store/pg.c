#include "store/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define PREPARE_MS 5000 /* for a session's settings */
#define LOOK_US 250000

struct pg {
    PGconn *conn;
    int fd; /* our own descriptor of libpq's socket: libpq may close its number any time */
    _Atomic(PGcancel *) cancel; /* taken by the first pg_interrupt */
    atomic_bool interrupted;
};

/* What an SQLSTATE means to the caller; the longest prefix counts, the rest is ERR_INVALID: a rule of ours.
 */
static const struct {
    const char *prefix;
    int code;
} meanings[] = {
    {"08", ERR_UNAVAILABLE},    /* connection */
    {"40", ERR_UNAVAILABLE},    /* serialisation, deadlock: the same again can succeed */
    {"53", ERR_UNAVAILABLE},    /* out of connections, memory, disk */
    {"57P", ERR_UNAVAILABLE},   /* shutting down, starting up, database dropped */
    {"57014", ERR_UNAVAILABLE}, /* cancelled, or the statement's time is up */
    {"55P03", ERR_UNAVAILABLE}, /* a lock was not to be had in time */
    {"25006", ERR_UNAVAILABLE}, /* read only: a standby, until it is promoted */
    {"25", ERR_STATE},          /* the state of the transaction */
    {"55", ERR_STATE},          /* an object's state */
    {"28", ERR_STATE},          /* not let in */
    {"42501", ERR_STATE},       /* no privilege */
    {"42", ERR_IO},             /* no such table or function: not the schema we know */
    {"0A", ERR_IO},             /* the server can't do that */
    {"26", ERR_IO},             /* no such prepared statement */
    {"3", ERR_IO},              /* no such database, schema, cursor */
    {"58", ERR_IO},             /* the server's disk */
    {"F0", ERR_IO},             /* the server's configuration */
    {"XX", ERR_IO},             /* the server's insides */
    {"23", ERR_INVALID},
    {"22", ERR_INVALID},
};

static int meaning_of(const char *sqlstate)
{
    int code = ERR_INVALID;
    size_t longest = 0;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        size_t n = strlen(meanings[i].prefix);
        if (n > longest && strncmp(sqlstate, meanings[i].prefix, n) == 0) {
            longest = n;
            code = meanings[i].code;
        }
    }
    return code;
}

static const char *field_of(const PGresult *res, int field)
{
    const char *s = res ? PQresultErrorField(res, field) : NULL;
    return s ? s : "";
}

/* error_set cuts at a character, not inside one: the text may end up in JSON. */
static void copy_text(char *to, size_t cap, const char *s)
{
    struct error whole;
    error_set(&whole, ERR_OK, NULL, "%s", s);
    memcpy(to, whole.text, cap < sizeof whole.text ? cap : sizeof whole.text);
    to[cap - 1] = '\0';
}

/* libpq's own messages end with a line feed and may have several lines; a sentence has none. */
static void set_message(struct pg_error *e, int code, const char *message)
{
    char line[sizeof e->error.text];
    size_t n = 0;
    for (const char *p = message; *p && n < sizeof line - 3; p++) {
        if (*p == '\n' && p[1] != '\0') {
            line[n++] = ';';
            line[n++] = ' ';
        } else if (*p != '\n' && *p != '\t') { /* a tab only indents a further line */
            line[n++] = *p;
        }
    }
    line[n] = '\0';
    error_set(&e->error, code, e->constraint, "%s", n ? line : "the database gave no message");
}

int pg_error_from(struct pg_error *e, PGconn *conn, const PGresult *res)
{
    struct pg_error ignored;
    if (!e)
        e = &ignored;
    memset(e, 0, sizeof *e);
    snprintf(e->sqlstate, sizeof e->sqlstate, "%s", field_of(res, PG_DIAG_SQLSTATE));
    snprintf(e->constraint, sizeof e->constraint, "%s", field_of(res, PG_DIAG_CONSTRAINT_NAME));
    copy_text(e->detail, sizeof e->detail, field_of(res, PG_DIAG_MESSAGE_DETAIL));
    copy_text(e->hint, sizeof e->hint, field_of(res, PG_DIAG_MESSAGE_HINT));
    const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    int code;
    if (!conn)
        code = ERR_NOMEM;
    else if (PQstatus(conn) == CONNECTION_BAD)
        code = ERR_UNAVAILABLE;
    else
        code = e->sqlstate[0] ? meaning_of(e->sqlstate) : ERR_IO;
    set_message(e, code, primary ? primary : conn ? PQerrorMessage(conn) : "out of memory");
    return code;
}

static void on_notice(void *arg, const PGresult *res)
{
    (void)arg;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    log_debug("postgres", "%s: %s", severity ? severity : "NOTICE", text ? text : "");
}

/* Ours that the user's conninfo may override come before dbname, those it may not come after it. */
static PGconn *connect_to(const char *conninfo, const char *application)
{
    const char *const names[] = {
        "connect_timeout",  "keepalives", "keepalives_idle",  "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "dbname",     "application_name", "client_encoding",     NULL};
    const char *const values[] = {"2", "1", "10", "5", "3", "30000", conninfo, application, "UTF8", NULL};
    return PQconnectdbParams(names, values, 1);
}

static int prepare_session(struct pg *p, int statement_ms, struct pg_error *e)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set search_path = cohort, public;"
             "set client_min_messages = warning; set standard_conforming_strings = on;"
             "set statement_timeout = %d; set lock_timeout = %d",
             statement_ms, statement_ms);
    return pg_exec_within(p, PREPARE_MS, sql, NULL, e);
}

int pg_open(struct pg **out, const char *conninfo, const char *application, int statement_ms,
            struct pg_error *e)
{
    struct pg *p = calloc(1, sizeof *p);
    if (!p)
        return pg_error_from(e, NULL, NULL);
    p->fd = -1;
    p->conn = connect_to(conninfo, application);
    int code = ERR_OK;
    if (!p->conn || PQstatus(p->conn) != CONNECTION_OK) {
        code = pg_error_from(e, p->conn, NULL);
    } else {
        PQsetNoticeReceiver(p->conn, on_notice, NULL);
        p->cancel = PQgetCancel(p->conn);
        p->fd = fcntl(PQsocket(p->conn), F_DUPFD_CLOEXEC, 0);
        code = prepare_session(p, statement_ms, e);
    }
    if (code != ERR_OK) {
        pg_close(p);
        return code;
    }
    *out = p;
    return ERR_OK;
}

void pg_close(struct pg *p)
{
    if (!p)
        return;
    PQfreeCancel(atomic_exchange(&p->cancel, NULL));
    PQfinish(p->conn);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

PGconn *pg_conn(struct pg *p)
{
    return p->conn;
}

bool pg_alive(struct pg *p)
{
    return PQstatus(p->conn) == CONNECTION_OK && !atomic_load(&p->interrupted);
}

bool pg_alive_idle(struct pg *p)
{
    struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
    if (fd.fd >= 0 && poll(&fd, 1, 0) > 0)
        PQconsumeInput(p->conn); /* its farewell first, the end with the next look */
    return pg_alive(p);
}

static bool succeeded(const PGresult *res)
{
    switch (PQresultStatus(res)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
        return true;
    default:
        return false;
    }
}

int pg_exec(struct pg *p, const char *sql, int n_params, const char *const *params, PGresult **out,
            struct pg_error *e)
{
    if (out)
        *out = NULL;
    /* The simple protocol takes several statements at once, the other takes parameters. */
    PGresult *res = n_params == 0 ? PQexec(p->conn, sql)
                                  : PQexecParams(p->conn, sql, n_params, NULL, params, NULL, NULL, 0);
    if (!succeeded(res)) {
        int code = pg_error_from(e, p->conn, res);
        PQclear(res);
        return code;
    }
    if (out)
        *out = res;
    else
        PQclear(res);
    return ERR_OK;
}

/* Until the whole answer is there, so that PQgetResult does not wait. A look counts for as long as it was
 * asked to last, however long it lasted: a machine that halts for seconds halts the database with it, and
 * that is not gone. */
static bool answered_within(struct pg *p, int wait_ms)
{
    int64_t left_us = (int64_t)wait_ms * 1000;
    while (PQisBusy(p->conn)) {
        struct pollfd fd = {PQsocket(p->conn), POLLIN, 0};
        int64_t look_us = left_us < LOOK_US ? left_us : LOOK_US, began = clock_monotonic_us();
        if (look_us <= 0)
            return false;
        int n = poll(&fd, 1, (int)((look_us + 999) / 1000));
        int64_t took_us = clock_monotonic_us() - began;
        left_us -= took_us < look_us ? took_us : look_us;
        if ((n < 0 && errno != EINTR) || (n > 0 && !PQconsumeInput(p->conn)))
            return true; /* the connection is lost, and the result says so */
    }
    return true;
}

int pg_exec_within(struct pg *p, int wait_ms, const char *sql, PGresult **out, struct pg_error *e)
{
    PGresult *res = NULL, *next;
    if (out)
        *out = NULL;
    if (!PQsendQuery(p->conn, sql))
        return pg_error_from(e, p->conn, NULL);
    for (;;) {
        if (!answered_within(p, wait_ms)) {
            PQclear(res);
            atomic_store(&p->interrupted, true);
            memset(e, 0, sizeof *e);
            return error_set(&e->error, ERR_UNAVAILABLE, NULL,
                             "the database did not answer within %d seconds", wait_ms / 1000);
        }
        if (!(next = PQgetResult(p->conn)))
            break;
        if (!res || succeeded(res)) { /* the first error is the one to tell */
            PQclear(res);
            res = next;
        } else {
            PQclear(next);
        }
    }
    if (!succeeded(res)) {
        int code = pg_error_from(e, p->conn, res);
        PQclear(res);
        return code;
    }
    if (out)
        *out = res;
    else
        PQclear(res);
    return ERR_OK;
}

/* PQcancel opens a connection without a time-out: a stopped server would block the one who interrupts. */
static void *cancel_thread(void *arg)
{
    char why[256];
    if (!PQcancel(arg, why, sizeof why))
        log_debug("postgres", "cancel request: %s", why);
    PQfreeCancel(arg);
    return NULL;
}

void pg_interrupt(struct pg *p)
{
    atomic_store(&p->interrupted, true);
    PGcancel *cancel = atomic_exchange(&p->cancel, NULL);
    pthread_t thread;
    if (cancel && pthread_create(&thread, NULL, cancel_thread, cancel) == 0)
        pthread_detach(thread);
    else
        PQfreeCancel(cancel);
    /* Ends every wait on the socket at once, and the server's next read too. */
    if (p->fd >= 0)
        shutdown(p->fd, SHUT_RDWR);
}
