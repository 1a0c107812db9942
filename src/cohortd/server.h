/* The server: its parts, started in order and stopped in reverse. */
#ifndef COHORT_COHORTD_SERVER_H
#define COHORT_COHORTD_SERVER_H

#include <stdbool.h>

#include "cohortd/config.h"

struct activation;
struct notify;
struct server;

/* What the world around it gives; outlives it. */
struct server_host {
    struct notify *notify;
    const struct activation *passed; /* sockets; the server's from its start on */
};

/* All or nothing: on an error what was started is stopped. The configuration must outlive it and
 * changes only before server_apply. The calling
 * thread must live as long as the server. */
int server_start(struct server **out, const struct config *c, const struct server_host *host,
                 struct error *e);
/* What it does, in words. */
const char *server_status(const struct server *s);

/* As often as server_tick_ms says and after each SIGCHLD: gauges, an embedded database that ended is started
 * again, and a sign of life for a service manager that wants one: only while the loop of every worker turns.
 */
void server_tick(struct server *s);
int server_tick_ms(const struct server *s);

/* Before a reload: what must be read or made anew for it, such as the certificate. An error leaves everything
 * as it is. */
int server_prepare(struct server *s, const struct config *next, struct error *e);
/* Options of the configuration that can change at run time have changed: each worker is told, and given what
 * was prepared. */
void server_apply(struct server *s);

/* Before a stop: serves on for drain_notice_seconds while /readyz says 503. */
void server_give_notice(struct server *s);

/* Drains and stops. */
void server_stop(struct server *s);

#endif
