/* The listening sockets: one a worker, all on the same address. */
#ifndef COHORT_COHORTD_LISTEN_H
#define COHORT_COHORTD_LISTEN_H

#include <stddef.h>

#include "core/error.h"

/* Says early that a port is in use. Nothing stays open. A port of 0 is always free. */
int listen_probe(const char *address, struct error *e);

/* n sockets into fds; none on an error. url: where a client on this machine finds us
 * ("http://127.0.0.1:8440"). */
int listen_all(const char *address, int *fds, size_t n, char *url, size_t cap, struct error *e);

#endif
