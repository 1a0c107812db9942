/* Small files of the data directory: read whole, written whole or not at all. */
#ifndef COHORT_COHORTD_FILES_H
#define COHORT_COHORTD_FILES_H

#include <stddef.h>
#include <sys/types.h>

#include "core/error.h"

/* dir/name, to be freed; NULL when out of memory. */
char *file_path(const char *dir, const char *name);

/* Writes path.new, syncs it, and leaves it to file_commit to make it path; a crash leaves the old file or the
 * new one. mode: permissions, whatever the umask. */
int file_prepare(const char *path, mode_t mode, const void *bytes, size_t len, struct error *e);
int file_commit(const char *path, struct error *e);
void file_abandon(const char *path);
/* Both at once. */
int file_write(const char *path, mode_t mode, const void *bytes, size_t len, struct error *e);

/* The content with a NUL behind it, to be freed. ERR_NOT_FOUND when there is no such file, ERR_LIMIT when it
 * is longer than max bytes. */
int file_read(const char *path, size_t max, char **out, struct error *e);

#endif
