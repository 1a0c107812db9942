/* The shipper's source of groups, on top of the spool, and the file that keeps its books over a restart. */
#ifndef COHORT_COHORTD_SOURCE_H
#define COHORT_COHORTD_SOURCE_H

#include "spool/spool.h"
#include "store/shipper.h"

struct kept_marks; /* the file's two places, in shared memory */

struct source {
    struct spool *spool;
    unsigned grace_ms; /* how long shipped groups stay */
    struct kept_marks *kept;
};

/* path: where the last mark is kept; not being able to keep it is logged and no reason not to ship (the books
 * then begin when the database answers). The spool stays the caller's. */
void source_open(struct source *s, struct spool *spool, unsigned grace_ms, const char *path);
void source_close(struct source *s);

/* The source must outlive the shipper. */
struct group_source source_for_shipper(struct source *s);

#endif
