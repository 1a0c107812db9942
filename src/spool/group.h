/* The bytes of one group as they lie in the file: a header with a checksum, then the records. */
#ifndef COHORT_SPOOL_GROUP_H
#define COHORT_SPOOL_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUP_HEADER 32 /* bytes before the records */
#define GROUP_FORMAT 3  /* what is sealed now; older ones are read */

/* Fills the header in front of the len bytes of records that follow it at header + GROUP_HEADER. accepted:
 * the records of all groups up to and with this one, below 2^48. The number is part of the checksum, so that
 * a group can't be taken for another. */
void group_seal(uint8_t *header, uint64_t number, uint64_t accepted, unsigned n_records, size_t len);

/* What a stored group holds; bytes point into what was checked. */
struct group_content {
    const uint8_t *bytes;
    size_t len;
    unsigned n_records;
    bool has_accepted; /* format 1 did not say it */
    uint64_t accepted;
};

/* ERR_OK, ERR_STATE: written by a newer cohortd, or ERR_DAMAGED; *why then says what is wrong. */
int group_check(const uint8_t *stored, size_t n, uint64_t number, struct group_content *out,
                const char **why);

#endif
