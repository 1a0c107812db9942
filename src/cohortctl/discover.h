/* Finds the server and its keys: what the options say, else what a running cohortd left in its data
 * directory (server.json, keys.json). */
#ifndef COHORT_COHORTCTL_DISCOVER_H
#define COHORT_COHORTCTL_DISCOVER_H

#include "cohortctl/cli.h"
#include "core/error.h"

/* Whose key a request needs. */
enum role { ROLE_ADMIN, ROLE_ANALYST, ROLE_EVENTS, ROLE_CLIENT };

/* Each returns a malloc'ed string in *out, or an error whose text says what to start or to pass. */

/* "http://127.0.0.1:8440", without a slash at the end. */
int discover_url(const struct ctl *c, char **out, struct error *e);
/* The same or "unix:/PATH": of a server of this machine its socket, where this user may write to it. No
 * certificate, which may be for another name, stands between them. */
int discover_server(const struct ctl *c, char **out, struct error *e);
/* The key of that role: --key, else keys.json. */
int discover_key(const struct ctl *c, enum role role, char **out, struct error *e);
/* The connection string: --database, else server.json. */
int discover_database(const struct ctl *c, char **out, struct error *e);

#endif
