/* Open files: each client takes one, and the rest of the server must never lack one. */
#ifndef COHORT_COHORTD_DESCRIPTORS_H
#define COHORT_COHORTD_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* As many as the system allows this process. ERR_LIMIT when they are too few for a server with this many
 * workers: libevent would end the process. */
int descriptors_raise(size_t workers, struct error *e);

/* How many connections there may be so that database, spool and workers keep theirs: wanted or fewer, which
 * is logged. */
unsigned descriptors_for_clients(size_t workers, int64_t wanted);

#endif
