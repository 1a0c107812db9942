/* The durable local queue. Groups of records in a SQLite file (WAL, synchronous=FULL), numbered by
 * AUTOINCREMENT. Knows nothing of what the bytes mean. */
#ifndef COHORT_SPOOL_SPOOL_H
#define COHORT_SPOOL_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct spool;

struct spool_options {
    const char *path;   /* the file; made when absent */
    uint64_t max_bytes; /* unshipped bytes over which pushes fail with ERR_LIMIT */
    unsigned group_us;  /* a group waits at most this long for company (2000) */
    size_t group_bytes; /* and is committed at once when this large (65536) */
};

/* Opens or makes the file and starts the writer thread. */
int spool_open(struct spool **out, const struct spool_options *o, struct error *e);

/* Commits what was pushed, stops the writer, closes. Waits for a disk that does not answer for at most five
 * seconds: what is not committed then is completed with ERR_IO, and the thread that hangs is left behind with
 * its memory. No completion is called after it returns. */
void spool_close(struct spool *s);

/* code: ERR_OK once the group is on disk, else why it is not (then nothing of this push is kept). Called on
 * the writer thread; must be quick. */
typedef void spool_done_fn(void *arg, int code, const struct error *e);

/* Any thread. Copies the bytes (whole records). done may be NULL; it is called exactly once for every push
 * that returned ERR_OK, and never for one that did not (ERR_LIMIT: full, ERR_STATE: closing, ERR_NOMEM). */
int spool_push(struct spool *s, const uint8_t *bytes, size_t len, unsigned n_records, spool_done_fn *done,
               void *arg);

/* The file's random identity, renewed whenever it is made, restored, or found to have lost groups. The
 * watermark in PostgreSQL belongs to it. Under one identity no group number is ever given twice. */
void spool_id(const struct spool *s, uint8_t out[16]);

/* The consumer's thread. A new identity, on disk before it returns: for when the watermark of the old one
 * can't be true. `accepted` starts again with the groups that are still in the file, so that they can be
 * shipped anew. */
int spool_renew_id(struct spool *s, struct error *e);

/* Any thread. The highest group number ever given in this file; 0: none. */
uint64_t spool_last(const struct spool *s);

enum spool_level {
    SPOOL_OK,
    SPOOL_HIGH,    /* over 80 % of max_bytes */
    SPOOL_FULL,    /* pushes fail, or the next large one would (over 98 %) */
    SPOOL_FAILING, /* the last commit failed, or one takes longer than five seconds: the disk is full, broken
                    * or hangs. The writer keeps trying by itself */
};

/* Any thread, without a lock. */
enum spool_level spool_level(const struct spool *s);

struct spool_groups {
    uint64_t first, last; /* group numbers; 0, 0: nothing there */
    uint8_t *bytes;       /* the groups' records, one after the other; freed by spool_groups_free */
    size_t len;
    size_t weight; /* what max_bytes bounds: their bytes, and no less than SPOOL_RECORD for each record */
    unsigned n_records;
    uint64_t accepted; /* records in all groups up to and with `last` since the identity began, deleted and
                        * damaged ones included */
};

/* However few bytes a record takes here, it is work for who reads it. */
enum { SPOOL_RECORD = 128 };

/* One consumer thread. Groups after number `after`, in order, up to a weight of about max_bytes (at least one
 * group). Waits at most wait_ms for something to come. */
int spool_read(struct spool *s, uint64_t after, size_t max_bytes, unsigned wait_ms, struct spool_groups *out,
               struct error *e);
void spool_groups_free(struct spool_groups *g);

/* Same thread. Deletes groups up to and with `last` that were committed more than grace_ms ago. */
int spool_delete(struct spool *s, uint64_t last, unsigned grace_ms, struct error *e);

/* Wakes a waiting spool_read. */
void spool_wake(struct spool *s);

struct spool_stats {
    uint64_t groups, bytes, records; /* not yet deleted */
    uint64_t unshipped_bytes;        /* of those, what max_bytes limits */
    uint64_t pushed_records, failed_records, commits;
    uint64_t damaged; /* groups that were committed and are lost or set aside, because the file's bytes were
                       * not what was written; kept over restarts */
    uint64_t damaged_records;  /* records in them, as far as is known */
    uint64_t accepted_records; /* all that was committed since the identity began; kept over restarts */
    uint64_t deleted_records;  /* of those, what was in the groups up to the last one deleted as shipped */
    uint64_t max_bytes;
    enum spool_level level;
};
void spool_stats(const struct spool *s, struct spool_stats *out);

#endif
