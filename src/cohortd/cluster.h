/* The files of the embedded PostgreSQL: made, checked, and the directory of its socket. */
#ifndef COHORT_COHORTD_CLUSTER_H
#define COHORT_COHORTD_CLUSTER_H

#include "cohortd/process.h"
#include "core/error.h"

#define CLUSTER_USER "cohort" /* its superuser */

/* Makes dir/pg with initdb when absent, whole or not at all; else checks that it is of the binaries' version
 * and of the right owner. stopping: ends the making early. */
int cluster_prepare(const char *dir, const char *bindir, const struct os_user *u, bool (*stopping)(void),
                    struct error *e);

/* Megabytes that dir's disk has left; a large number when nobody can say. */
unsigned long long cluster_free_mb(const char *dir);

/* Waits for a server that still runs on dir/pg to end, as one does whose cohortd was killed, and removes what
 * a dead one left. ERR_STATE: it goes on running. stopping: ends the wait early. */
int cluster_wait_free(const char *dir, bool (*stopping)(void), struct error *e);

/* A private directory for the socket, 0700: dir/run, or where that name is too long for a socket or has
 * characters a list of directories can't hold, one with a hash of dir in its name. To be freed. */
int cluster_socket_dir(const char *dir, const struct os_user *u, char **out, struct error *e);

#endif
