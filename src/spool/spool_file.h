/* One SQLite connection to the spool's file. Each is used by one thread at a time. */
#ifndef COHORT_SPOOL_SPOOL_FILE_H
#define COHORT_SPOOL_SPOOL_FILE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct spool_file {
    sqlite3 *db;
    const char *path; /* borrowed */
    sqlite3_stmt *insert, *read, *remove, *aside, *sizes;
    int wal_pages; /* pages in the write-ahead log after this connection's last commit */
};

enum spool_file_role {
    SPOOL_FILE_WRITER, /* makes the file and its tables; its commits are synced */
    SPOOL_FILE_READER, /* reads and deletes; a delete that a crash undoes is simply done again */
};

int spool_file_open(struct spool_file *f, const char *path, enum spool_file_role role, struct error *e);
void spool_file_close(struct spool_file *f);

/* Fills e from SQLite's words, the system's and the path; returns its code. */
int spool_file_error(struct spool_file *f, const char *doing, struct error *e);

/* Runs statements without results. */
int spool_file_run(struct spool_file *f, const char *sql, const char *doing, struct error *e);

/* A value of the table meta; ERR_NOT_FOUND when it is not there or does not have n bytes. */
int spool_file_get_meta(struct spool_file *f, const char *key, void *out, size_t n, struct error *e);
int spool_file_put_meta(struct spool_file *f, const char *key, const void *value, size_t n, struct error *e);

/* What lies in the file. */
struct spool_totals {
    uint64_t last; /* the highest number ever given */
    uint64_t groups, bytes, records, damaged;
};
int spool_file_totals(struct spool_file *f, struct spool_totals *out, struct error *e);

/* Stores one sealed group in a transaction of its own: on ERR_OK it is on disk. */
int spool_file_append(struct spool_file *f, uint64_t number, unsigned n_records, int64_t now_us,
                      const uint8_t *stored, size_t n, struct error *e);

/* Moves the log's pages into the file when there are many. After a commit, never between it and its
 * acknowledgement. */
void spool_file_checkpoint(struct spool_file *f);

/* Moves a damaged group to the table `damaged`. */
int spool_file_set_aside(struct spool_file *f, uint64_t number, const char *why, int64_t now_us,
                         struct error *e);

/* Deletes groups up to `last` committed at or before before_us; adds what went to *gone. */
int spool_file_delete(struct spool_file *f, uint64_t last, int64_t before_us, struct spool_totals *gone,
                      struct error *e);

/* Bytes of records in groups after `after`, up to `last`. */
int spool_file_sizes(struct spool_file *f, uint64_t after, uint64_t last, uint64_t *bytes, struct error *e);

#endif
