/* The inside of struct snapshots, shared by the files of this module only. */
#ifndef COHORT_SPOOL_SNAPSHOT_PRIVATE_H
#define COHORT_SPOOL_SNAPSHOT_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "spool/snapshot.h"
#include "spool/snapshot_file.h"

enum { SNAPSHOTS_KEPT = 3 };

struct snapshots {
    char *dir;
    uint8_t key[SNAPSHOT_KEY];
    pthread_mutex_t lock; /* held for everything below, the files too */
    uint64_t newest;      /* the highest number a file has; 0: none */
    bool known;           /* what follows: of the newest whole one */
    struct snapshot_info info;
    struct snapshot_stop *stops;
    size_t n_stops, stops_cap;
};

/* With the lock held, or before anybody else knows it. Reads both copies of the stops. */
int snapshot_stops_read(struct snapshots *s, struct error *e);

#endif
