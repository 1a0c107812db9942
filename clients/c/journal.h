/* The queue file: what waits to be sent, so that it survives the end of the program. Lines are appended: "+"
 * for an event that came (or was stamped anew), "-" for one that left. It is written by write(), not synced:
 * a crash of the program loses nothing, one of the machine may. */
#ifndef COHORT_CLIENT_JOURNAL_H
#define COHORT_CLIENT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/c/cohort_client.h"

#define JOURNAL_ID 36

struct journal;

/* kind: 'o' or 'x'; text: JSON members, without a line end. */
typedef int journal_found_fn(void *arg, char kind, const char *id, int64_t ts_us, const char *text);

/* Opens or makes it, locks it, and hands out the events in it, the oldest first. COHORT_IO: another client
 * has it, or the system refuses it; COHORT_NOMEM. */
int journal_open(struct journal **out, const char *path, journal_found_fn *found, void *arg,
                 struct cohort_error *e);
void journal_close(struct journal *j); /* NULL is fine, here and below */

/* False: the disk did not take it. */
bool journal_add(struct journal *j, char kind, const char *id, int64_t ts_us, const char *text);
bool journal_remove(struct journal *j, const char *id);

/* Nothing waits any more: the file is emptied. */
void journal_empty(struct journal *j);

/* The file is written anew, without what left: begin (false: not now), add what waits, commit. whole: all of
 * it was taken; else the old file stays. */
size_t journal_bytes(const struct journal *j); /* of the file */
bool journal_begin(struct journal *j);
void journal_commit(struct journal *j, bool whole);

#endif
