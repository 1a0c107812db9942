/* The data directory: one cohortd at a time, with a lock; the node's name; what tells cohortctl where we are.
 */
#ifndef COHORT_COHORTD_DATADIR_H
#define COHORT_COHORTD_DATADIR_H

#include <stdint.h>

#include "core/error.h"

struct datadir;

/* Makes the directory when absent and locks it. node_name: "" for the name in DIR/node, which is made up from
 * the host's at the first start. ERR_STATE: another cohortd has it, named by its process id. */
int datadir_open(struct datadir **out, const char *path, const char *node_name, struct error *e);
/* Removes server.json if it was written, and unlocks. */
void datadir_close(struct datadir *d);

const char *datadir_path(const struct datadir *d); /* absolute, without symbolic links */
const char *datadir_node(const struct datadir *d);

/* DIR/server.json, 0600: where this server listens and which database it uses. socket: the path of a unix
 * socket, or NULL. */
int datadir_write_server(struct datadir *d, const char *url, const char *socket, const char *database,
                         struct error *e);

#endif
