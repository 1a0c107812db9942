/* One SQLite connection to the spool's file. Each is used by one thread at a time. */
#ifndef COHORT_SPOOL_SPOOL_FILE_H
#define COHORT_SPOOL_SPOOL_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct spool_file {
    sqlite3 *db;
    const char *path; /* borrowed */
    sqlite3_stmt *insert, *read, *expired, *remove, *aside, *sizes;
    bool upgraded; /* it was written by an older cohortd */
    int wal_pages; /* pages in the write-ahead log after this connection's last commit */
};

enum spool_file_role {
    SPOOL_FILE_WRITER, /* makes the file and its tables; its commits are synced */
    SPOOL_FILE_READER, /* reads and deletes; a delete that a crash undoes is simply done again */
};

/* Its members are borrowed names and handles: zeroed, it is closed. */
int spool_file_open(struct spool_file *f, const char *path, enum spool_file_role role, struct error *e);
void spool_file_close(struct spool_file *f);

/* Closes without moving the log's pages into the file: both stay as they are. */
void spool_file_drop(struct spool_file *f);

/* Closes a file that is complete, so that no log is left: ERR_OK when it is. code: of what went before; when
 * that failed, it is returned. */
int spool_file_seal(struct spool_file *f, int code, struct error *e);

/* Fills e from SQLite's words, the system's and the path; returns its code. */
int spool_file_error(struct spool_file *f, const char *doing, struct error *e);

/* Runs statements without results. */
int spool_file_run(struct spool_file *f, const char *sql, const char *doing, struct error *e);

/* A value of the table meta, sealed with a checksum of its own. ERR_NOT_FOUND when it is not there,
 * ERR_DAMAGED when it is not what was written. */
int spool_file_get_meta(struct spool_file *f, const char *key, void *out, size_t n, struct error *e);
int spool_file_put_meta(struct spool_file *f, const char *key, const void *value, size_t n, struct error *e);

/* What the rows alone can't say. Accepted counts start with the file, not with its identity. */
struct spool_facts {
    uint64_t gone, gone_accepted; /* the highest group deleted as shipped, and the records up to it */
    uint64_t base;                /* records accepted before the identity began */
    uint64_t lost, lost_records;  /* groups that went missing, and the records in them */
    uint64_t lost_to;             /* losses up to this group are counted */
};
int spool_file_facts(struct spool_file *f, struct spool_facts *out, struct error *e);
int spool_file_put_facts(struct spool_file *f, const struct spool_facts *facts, struct error *e);

/* What lies in the file. */
struct spool_totals {
    uint64_t last; /* the highest number ever given */
    uint64_t groups, bytes, records;
    uint64_t aside;    /* groups in the table `damaged` */
    uint64_t accepted; /* records in all groups up to the last whole one */
};
int spool_file_totals(struct spool_file *f, struct spool_totals *out, struct error *e);

/* The records of all groups up to and with this one, from its header; ERR_NOT_FOUND when it is not there or
 * not whole. */
int spool_file_accepted(struct spool_file *f, uint64_t number, uint64_t *out, struct error *e);

/* The same of a group that was read. */
struct group_content;
int spool_file_accepted_of(struct spool_file *f, uint64_t number, const struct group_content *g,
                           uint64_t *out, struct error *e);

/* The records accepted before the oldest whole group that is there; ERR_NOT_FOUND: none is. */
int spool_file_before_first(struct spool_file *f, uint64_t *out, struct error *e);

/* Groups between the two numbers that were set aside. */
int spool_file_count_aside(struct spool_file *f, uint64_t above, uint64_t below, uint64_t *out,
                           struct error *e);

/* Stores one sealed group in a transaction of its own: on ERR_OK it is on disk. */
int spool_file_append(struct spool_file *f, uint64_t number, unsigned n_records, int64_t now_us,
                      const uint8_t *stored, size_t n, struct error *e);

/* Moves the log's pages into the file when there are many. After a commit, never between it and its
 * acknowledgement. */
void spool_file_checkpoint(struct spool_file *f);

/* Moves a damaged group to the table `damaged`. */
int spool_file_set_aside(struct spool_file *f, uint64_t number, const char *why, int64_t now_us,
                         struct error *e);

/* What a deletion took away. */
struct spool_gone {
    uint64_t last; /* 0: nothing */
    uint64_t groups, bytes, records;
};

/* Deletes some of the oldest groups up to `last` that were committed at or before before_us, and keeps in the
 * facts what the counts need. */
int spool_file_delete(struct spool_file *f, uint64_t last, int64_t before_us, int64_t now_us,
                      struct spool_facts *facts, struct spool_gone *gone, struct error *e);

/* Bytes of records in groups after `after`, up to `last`. */
int spool_file_sizes(struct spool_file *f, uint64_t after, uint64_t last, uint64_t *bytes, struct error *e);

/* Ends a statement and takes SQLite's error before the reset clears it. rc: its last step's answer. */
int spool_file_finish(struct spool_file *f, sqlite3_stmt *st, int rc, const char *doing, struct error *e);

int spool_file_prepare(struct spool_file *f, const char *sql, sqlite3_stmt **out, struct error *e);

/* Writes and takes back as much as a usual group needs, synced: ERR_OK when the disk takes commits. */
int spool_file_probe(struct spool_file *f, struct error *e);

/* Gives free pages back to the file system when most of a large file is free. Copies what is left of it, so
 * only when that is little. */
void spool_file_shrink(struct spool_file *f);

#endif
