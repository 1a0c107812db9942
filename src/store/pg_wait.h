/* Statements and COPY that give up: for a connection whose server may hang (a stopped process, a host that is
 * gone) for longer than its statement time-out, which only a living server keeps. */
#ifndef COHORT_STORE_PG_WAIT_H
#define COHORT_STORE_PG_WAIT_H

#include <stddef.h>

#include "store/pg.h"

/* As pg_exec, but ERR_UNAVAILABLE after wait_ms without an answer; the connection is then lost. */
int pg_ask_within(struct pg *p, const char *sql, int n_params, const char *const *params, int wait_ms,
                  PGresult **out, struct pg_error *e);

/* Runs "copy … from stdin" with these bytes. At most about 256 KB are in libpq's memory at any time, however
 * slow the server is. Gives up like pg_ask_within after wait_ms in which no piece of it got through. */
int pg_copy_within(struct pg *p, const char *sql, const void *bytes, size_t len, int wait_ms,
                   struct pg_error *e);

#endif
