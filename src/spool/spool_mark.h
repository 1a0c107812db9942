/* The high mark: a small file beside the spool that says how far it went. SQLite takes a damaged end of its
 * log for the end, and an older copy for the file; the mark knows better. Never synced: after a power cut it
 * may be behind, which only means that it can say less. Never ahead of the file, unless the file lost
 * something. */
#ifndef COHORT_SPOOL_SPOOL_MARK_H
#define COHORT_SPOOL_SPOOL_MARK_H

#include <stdint.h>

#include "core/error.h"

struct spool_mark {
    int fd; /* -1: closed */
    uint64_t sequence;
    int failed; /* a write failed: said once */
};

struct mark_content {
    uint8_t id[16];
    uint64_t last, accepted; /* the last group committed, and the records up to it */
    uint64_t gone, gone_accepted;
};

enum mark_state { MARK_ABSENT, MARK_WHOLE, MARK_DAMAGED };

/* Opens or makes PATH-mark and reads it. */
int spool_mark_open(struct spool_mark *m, const char *path, enum mark_state *state, struct mark_content *out,
                    struct error *e);
void spool_mark_close(struct spool_mark *m);

/* One writer at a time. */
void spool_mark_put(struct spool_mark *m, const struct mark_content *c);

#endif
