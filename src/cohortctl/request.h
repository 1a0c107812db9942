/* One request of a command, and what it does about the answer. */
#ifndef COHORT_COHORTCTL_REQUEST_H
#define COHORT_COHORTCTL_REQUEST_H

#include <jansson.h>

#include "cohortctl/client.h"

/* client_json with a body that is JSON (NULL: none), which it takes over. */
int request_json(struct client *client, const char *method, const char *path, json_t *body, json_t **out,
                 struct error *e);

/* The same over a connection of its own, with the key of that role. `named`: what a 404 is about when the
 * server doesn't say, or NULL. */
int request_once(struct ctl *c, enum role role, const char *method, const char *path, const char *named,
                 json_t *body, json_t **out, struct error *e);

/* Every item of a paged list, page after page. member: the list's name in an answer ("items"). */
int request_all(struct client *client, const char *path, const char *member, json_t **out, struct error *e);

/* {"reason": reason}, or {} without one. NULL when out of memory or the reason is not UTF-8. */
json_t *request_reason(const char *reason);

#endif
