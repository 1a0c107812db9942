/* The inside of struct spool, shared by the files of this module only. */
#ifndef COHORT_SPOOL_SPOOL_INTERNAL_H
#define COHORT_SPOOL_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>

#include "spool/spool.h"
#include "spool/spool_file.h"

/* What one push left for the writer. */
struct spool_push {
    struct spool_push *next;
    spool_done_fn *done;
    void *arg;
    unsigned n_records;
    size_t len;
    uint8_t bytes[];
};

struct spool {
    struct spool_options options;
    char *path;
    int lock_fd; /* holds the file for this process */
    uint8_t id[16];
    struct spool_file writer; /* the writer thread's */
    struct spool_file reader; /* the consumer's */

    /* Held around every transaction that writes: two connections that waited for each other inside SQLite
     * would sleep in steps. Taken before `lock`, never after it. */
    pthread_mutex_t file_lock;

    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t work;    /* for the writer: pushes, closing */
    pthread_cond_t arrived; /* for the consumer: a group, a wake */
    struct spool_push *first, **last;
    size_t waiting;    /* bytes pushed and not yet committed */
    int64_t oldest_us; /* when the first of them came */
    bool closing, woken;
    uint64_t last_group;      /* the highest number committed */
    uint64_t shipped;         /* the highest number given to spool_delete */
    uint64_t unshipped_bytes; /* of committed groups above it */
    struct spool_stats stats;

    uint64_t read_last; /* consumer: the last number it was given, to notice gaps */
    uint8_t *group;     /* writer: the group being made */
    size_t group_cap;
    bool started;
    pthread_t thread;
};

/* The writer thread; arg is the spool. */
void *spool_writer_main(void *arg);

/* Waits until a time of the monotonic clock. True when the time is up. Its condition was made by
 * spool_cond_init. */
bool spool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us);

#endif
