/* The shipper's source of groups, on top of the spool. */
#ifndef COHORT_COHORTD_SOURCE_H
#define COHORT_COHORTD_SOURCE_H

#include "spool/spool.h"
#include "store/shipper.h"

struct source {
    struct spool *spool;
    unsigned grace_ms; /* how long shipped groups stay */
};

/* The source must outlive the shipper. */
struct group_source source_for_shipper(struct source *s);

#endif
