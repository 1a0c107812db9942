/* The inside of struct spool, shared by the files of this module only. */
#ifndef COHORT_SPOOL_SPOOL_INTERNAL_H
#define COHORT_SPOOL_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "spool/spool.h"
#include "spool/spool_file.h"
#include "spool/spool_mark.h"

/* What one push left for the writer. */
struct spool_push {
    struct spool_push *next;
    spool_done_fn *done;
    void *arg;
    unsigned n_records;
    size_t len;
    uint8_t bytes[];
};

/* A group in the making: pushes taken off the queue. */
struct spool_batch {
    struct spool_push *first;
    size_t len;
    unsigned n_records;
};

struct spool {
    struct spool_options options;
    char *path;
    int lock_fd;              /* holds the file for this process */
    struct spool_file writer; /* the writer thread's */
    struct spool_file reader; /* the consumer's */

    /* Held while the reader's connection is used. Taken before the locks below. */
    pthread_mutex_t reader_lock;

    /* Held around every transaction that writes: two connections that waited for each other inside SQLite
     * would sleep in steps. Taken before `lock`, never after it. */
    pthread_mutex_t file_lock;
    struct spool_mark mark; /* with file_lock */

    /* Changed with both locks held, read with either. */
    uint8_t id[16];
    struct spool_facts facts;
    uint64_t accepted; /* records in all groups up to the last, since the file began */

    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t work;    /* for the writer: pushes, closing */
    pthread_cond_t arrived; /* for the consumer: a group, a wake */
    struct spool_push *first, **last;
    size_t waiting;    /* bytes pushed and not yet committed */
    int64_t oldest_us; /* when the first of them came */
    atomic_bool closing;
    bool woken;
    bool failing;                /* the last commit did */
    bool completing;             /* the writer calls completions */
    bool abandoned;              /* closed without the writer, which hangs on the disk */
    bool finished;               /* the writer has ended */
    struct spool_batch batch;    /* being committed */
    _Atomic uint64_t last_group; /* the highest number given */
    atomic_int level;
    _Atomic int64_t writing_us; /* since when the writer is at a commit; 0: it is not */
    uint64_t shipped;           /* the highest number given to spool_delete */
    uint64_t unshipped_bytes;   /* of committed groups above it */
    struct spool_stats stats;

    uint64_t read_last, read_accepted; /* consumer: the last group it was given, to notice gaps */
    uint8_t *group;                    /* writer: the group being made */
    size_t group_cap;
    bool started;
    pthread_t thread;
};

/* A commit's attempts while it fails come this often. */
enum { SPOOL_PROBE_MS = 500 };

/* A commit that takes longer hangs. */
enum { SPOOL_HANGS_US = 5000000 };

/* With lock held: says anew how full the spool is. */
void spool_update_level(struct spool *s);

/* With file_lock held: writes down how far it went. */
void spool_put_mark(struct spool *s);

/* With file_lock held and the lock not: a new identity for what is in the file. */
int spool_new_id(struct spool *s, struct error *e);

/* What was known of a file before it was damaged. exact: how many records there were, too. */
struct spool_known {
    bool exact;
    uint64_t last, accepted;
};

/* Makes the closed file anew; e says what was wrong with it. id may be NULL: it gets a new one when it is
 * opened. *facts: in, as known; out, with the losses. */
int spool_rebuild(struct spool *s, const struct spool_known *k, const uint8_t *id, struct spool_facts *facts,
                  struct error *e);

/* The same while it is open, with reader_lock held and file_lock not. The identity stays: no number was
 * given twice. */
int spool_repair(struct spool *s, struct error *e);
int spool_keep_place(struct spool *s, struct error *e);
int spool_sync_directory(struct spool *s, struct error *e);

/* Completes what waits in the queue with this code, on the caller's thread. */
void spool_fail_waiting(struct spool *s, int code, const struct error *e);

/* The writer thread; arg is the spool. */
void *spool_writer_main(void *arg);

/* Waits until a time of the monotonic clock. True when the time is up. Its condition was made by
 * spool_cond_init. */
bool spool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us);

#endif
