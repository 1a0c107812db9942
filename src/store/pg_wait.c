#include "store/pg_wait.h"

#include <errno.h>
#include <poll.h>

#include "base/clock.h"

enum {
    CHUNK = 64 << 10
}; /* bytes given to libpq at a time: what a socket takes at once, or libpq moves the rest */

/* The cancel request goes with it: the server may only be slow, and would go on with what nobody waits for.
 */
static int give_up(struct pg *p, int wait_ms, struct pg_error *e)
{
    pg_interrupt(p);
    *e = (struct pg_error){0};
    return error_set(&e->error, ERR_UNAVAILABLE, NULL, "the database did not answer for %d s",
                     wait_ms / 1000);
}

/* Waits until the socket can be read, or written too when asked; takes in what has come. */
static int wait_socket(struct pg *p, bool writing, int wait_ms, int64_t until, struct pg_error *e)
{
    PGconn *conn = pg_conn(p);
    struct pollfd fd = {.fd = PQsocket(conn), .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
    int64_t left = (until - clock_monotonic_us()) / 1000;
    int n = left > 0 ? poll(&fd, 1, (int)left) : 0;
    if (n == 0)
        return give_up(p, wait_ms, e);
    if (n < 0 && errno != EINTR)
        return pg_error_from(e, conn, NULL);
    if (n > 0 && (fd.revents & ~POLLOUT) && !PQconsumeInput(conn))
        return pg_error_from(e, conn, NULL);
    return ERR_OK;
}

static int flush(struct pg *p, int wait_ms, struct pg_error *e)
{
    int64_t until = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    int left, code = ERR_OK;
    while (code == ERR_OK && (left = PQflush(pg_conn(p))) != 0)
        code = left < 0 ? pg_error_from(e, pg_conn(p), NULL) : wait_socket(p, true, wait_ms, until, e);
    return code;
}

/* The next result; NULL when there is none left. */
static int next_result(struct pg *p, int wait_ms, PGresult **out, struct pg_error *e)
{
    int64_t until = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    int code = flush(p, wait_ms, e);
    *out = NULL;
    while (code == ERR_OK && PQisBusy(pg_conn(p)))
        code = wait_socket(p, false, wait_ms, until, e);
    if (code == ERR_OK)
        *out = PQgetResult(pg_conn(p));
    return code;
}

static bool is_copy(const PGresult *res)
{
    return PQresultStatus(res) == PGRES_COPY_IN;
}

/* Reads to the end of the statement, or to where it takes data. The first result that failed counts, else the
 * last one. */
static int take_results(struct pg *p, int wait_ms, PGresult **out, struct pg_error *e)
{
    PGresult *res, *kept = NULL;
    int code = ERR_OK, waited;
    while ((waited = next_result(p, wait_ms, &res, e)) == ERR_OK && res) {
        ExecStatusType status = PQresultStatus(res);
        bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN ||
                    status == PGRES_EMPTY_QUERY;
        if (code == ERR_OK) {
            PQclear(kept);
            kept = res;
            if (!good)
                code = pg_error_from(e, pg_conn(p), res);
        } else {
            PQclear(res);
        }
        if (status == PGRES_COPY_IN)
            break;
    }
    if (waited != ERR_OK)
        code = waited;
    if (code == ERR_OK && !kept)
        code = pg_error_from(e, pg_conn(p), NULL);
    if (code == ERR_OK && out)
        *out = kept;
    else
        PQclear(kept);
    return code;
}

static int exec_now(struct pg *p, const char *sql, int n_params, const char *const *params, int wait_ms,
                    PGresult **out, struct pg_error *e)
{
    PGconn *conn = pg_conn(p);
    int sent = n_params == 0 ? PQsendQuery(conn, sql)
                             : PQsendQueryParams(conn, sql, n_params, NULL, params, NULL, NULL, 0);
    return sent ? take_results(p, wait_ms, out, e) : pg_error_from(e, conn, NULL);
}

/* Others use the connection in libpq's blocking way. */
static int begin(struct pg *p, struct pg_error *e)
{
    return PQsetnonblocking(pg_conn(p), 1) == 0 ? ERR_OK : pg_error_from(e, pg_conn(p), NULL);
}

static void end(struct pg *p)
{
    if (pg_alive(p))
        PQsetnonblocking(pg_conn(p), 0);
}

int pg_ask_within(struct pg *p, const char *sql, int n_params, const char *const *params, int wait_ms,
                  PGresult **out, struct pg_error *e)
{
    if (out)
        *out = NULL;
    int code = begin(p, e);
    if (code == ERR_OK)
        code = exec_now(p, sql, n_params, params, wait_ms, out, e);
    end(p);
    return code;
}

/* libpq says yes to any amount and keeps it: each piece is sent before the next is given. */
static int put_data(struct pg *p, const char *bytes, size_t len, int wait_ms, struct pg_error *e)
{
    int code = ERR_OK;
    for (size_t at = 0; code == ERR_OK && at < len; at += CHUNK) {
        size_t n = len - at < CHUNK ? len - at : CHUNK;
        if (PQputCopyData(pg_conn(p), bytes + at, (int)n) != 1)
            return pg_error_from(e, pg_conn(p), NULL);
        code = flush(p, wait_ms, e);
    }
    if (code == ERR_OK && PQputCopyEnd(pg_conn(p), NULL) != 1)
        code = pg_error_from(e, pg_conn(p), NULL);
    return code;
}

static int copy_now(struct pg *p, const char *sql, const void *bytes, size_t len, int wait_ms,
                    struct pg_error *e)
{
    PGresult *res;
    int code = exec_now(p, sql, 0, NULL, wait_ms, &res, e);
    if (code != ERR_OK)
        return code;
    bool copying = is_copy(res);
    PQclear(res);
    if (!copying)
        return error_set(&e->error, ERR_STATE, NULL, "not a COPY: %s", sql);
    code = put_data(p, bytes, len, wait_ms, e);
    if (code == ERR_OK)
        code = take_results(p, wait_ms, &res, e);
    if (code != ERR_OK)
        return code;
    copying = is_copy(res); /* the end of the data never got through */
    PQclear(res);
    return copying ? pg_error_from(e, pg_conn(p), NULL) : ERR_OK;
}

int pg_copy_within(struct pg *p, const char *sql, const void *bytes, size_t len, int wait_ms,
                   struct pg_error *e)
{
    int code = begin(p, e);
    if (code == ERR_OK)
        code = copy_now(p, sql, bytes, len, wait_ms, e);
    end(p);
    return code;
}
