/* The definitions as they were last known, and every stop ever learned, kept for a start without PostgreSQL.
 * Files are whole or not there: written under a temporary name, synced, renamed, and their directory synced.
 * Each is sealed with a key of its own directory, so that neither damage nor a file from elsewhere is
 * believed. Knows nothing of what the document means. Any thread. */
#ifndef COHORT_SPOOL_SNAPSHOT_H
#define COHORT_SPOOL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct snapshots;

struct snapshot_info {
    int64_t version, stop_version; /* of the document, as the database counts them */
    uint8_t incarnation[16];       /* of the database that made it */
    int64_t saved_us;              /* wall time */
    int64_t heartbeat_us;          /* wall time of the monitor's last heartbeat known; 0: none */
};

/* Makes the directory (0700) and its key (0600) when absent; reads what is there. ERR_IO, ERR_NOMEM. Damage
 * is logged and is no error: what is whole is used. */
int snapshots_open(struct snapshots **out, const char *dir, struct error *e);
void snapshots_close(struct snapshots *s);

/* On disk before it returns; the last three are kept. ERR_STATE, and nothing is written, when it would go
 * back: the same incarnation as the newest, and a smaller stop_version. */
int snapshots_save(struct snapshots *s, const struct snapshot_info *info, const char *document, size_t len,
                   struct error *e);

/* The newest whole one; a damaged one is skipped with a log line. *document is NUL-terminated, freed with
 * free(). ERR_NOT_FOUND: there is none; the text says whether there were damaged ones. */
int snapshots_load(struct snapshots *s, struct snapshot_info *info, char **document, size_t *len,
                   struct error *e);

/* A stop that must never be unlearned. It is known by the salt of the experiment's iteration: a restored
 * database gives ids and numbers anew, but never a salt. */
struct snapshot_stop {
    char environment[101], experiment[101];
    uint8_t salt[16];
    int64_t at_us; /* wall time */
    char sentence[512];
};

/* On disk, twice, before it returns. One whose salt is known already is not written again. */
int snapshots_add_stop(struct snapshots *s, const struct snapshot_stop *stop, struct error *e);

/* Calls fn for each, oldest first, until it answers something else than ERR_OK, which is then the answer. fn
 * must not call this module. */
typedef int snapshot_stop_fn(void *arg, const struct snapshot_stop *stop);
int snapshots_each_stop(const struct snapshots *s, snapshot_stop_fn *fn, void *arg);

#endif
