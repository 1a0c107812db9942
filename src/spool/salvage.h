/* Finds whole groups in a spool's file that SQLite can't read any more: page by page, in the file and in its
 * log, past the places that are damaged. A group's seal has its number, so nothing is taken for what it is
 * not. */
#ifndef COHORT_SPOOL_SALVAGE_H
#define COHORT_SPOOL_SALVAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct salvaged {
    uint64_t number;
    const uint8_t *stored; /* with its header; checked */
    size_t n;
};

/* Calls fn for each group with a number above `above`, in order, each number once; stops when it does not
 * answer ERR_OK. PATH and PATH-wal are only read. */
typedef int salvage_fn(void *arg, const struct salvaged *group, struct error *e);
int salvage(const char *path, uint64_t above, salvage_fn *fn, void *arg, struct error *e);

#endif
