/* HTTP requests to a cohortd, one at a time, over a connection that is kept. */
#ifndef COHORT_COHORTCTL_CLIENT_H
#define COHORT_COHORTCTL_CLIENT_H

#include <jansson.h>

#include "cohortctl/cli.h"
#include "cohortctl/discover.h"
#include "core/error.h"

struct client;

/* A client of the server the options or the data directory name, with the key of that role. */
int client_open(struct client **out, const struct ctl *c, enum role role, struct error *e);
void client_close(struct client *c);
const char *client_url(const struct client *c);

/* One request. body: JSON text, or NULL. An answer of 2xx is parsed into *out (NULL for an empty one; out
 * may be NULL). Any other is an error made of the server's own sentence and hint: ERR_NOT_FOUND for 404,
 * ERR_UNAVAILABLE for 503 or when nobody answers, ERR_STATE for 409, else ERR_INVALID. */
int client_json(struct client *c, const char *method, const char *path, const char *body, json_t **out,
                struct error *e);

/* GET of a text; *out is malloc'ed. Any status is taken, and written to *status. */
int client_text(struct client *c, const char *path, char **out, long *status, struct error *e);

#endif
