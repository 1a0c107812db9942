/* One batch of records on its way to PostgreSQL: decoded, with the records that had to be replaced. */
#ifndef COHORT_STORE_SHIP_BATCH_H
#define COHORT_STORE_SHIP_BATCH_H

#include "codec/record.h"
#include "core/error.h"

struct ship_entry {
    struct record record;
    char *replaced; /* memory of the dead letter that took its place, or NULL */
};

/* Zero-initialised is empty. */
struct ship_batch {
    uint64_t first, last; /* groups */
    uint64_t accepted;    /* records the queue's file was ever given, up to the last group */
    struct ship_entry *entries;
    size_t n, cap;
};

void ship_batch_free(struct ship_batch *b);

/* Reads the records of groups first to last; the bytes must outlive the batch. ERR_DAMAGED: what came before
 * the damage is in the batch, *lost says how many bytes were not read. */
int ship_batch_decode(struct ship_batch *b, uint64_t first, uint64_t last, const uint8_t *bytes, size_t len,
                      size_t *lost);

/* Puts a dead letter in the place of a record the database refused: its words, and the record's bytes as hex.
 * ERR_STATE: it is such a dead letter already. */
int ship_batch_refuse(struct ship_batch *b, size_t i, const char *words, int64_t now_us);

/* Adds n dead letters for a group's records that can't be read, the bytes with the first of them: each record
 * that was accepted is accounted for. */
int ship_batch_add_damage(struct ship_batch *b, const uint8_t *bytes, size_t len, size_t n, int64_t now_us);

/* Adds n dead letters for records that were accepted into groups before this batch, and are in no group now.
 */
int ship_batch_add_lost(struct ship_batch *b, uint64_t after, size_t n, int64_t now_us);

#endif
