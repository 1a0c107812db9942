/* Where a queue stands in PostgreSQL: its watermark and what became of its records up to there. Read in one
 * statement, moved in the transaction that stores the rows, so it is true at every moment of its own. */
#ifndef COHORT_STORE_SHIP_MARK_H
#define COHORT_STORE_SHIP_MARK_H

#include <stdint.h>

#include "store/pg.h"

/* No padding and no pointers: it is kept in a file as it is. */
struct ship_mark {
    uint8_t spool[16];       /* the queue's id */
    uint8_t incarnation[16]; /* of the database that said so */
    uint64_t watermark;      /* everything up to this group is stored */
    int64_t accepted;        /* records up to there: stored + duplicates + dead letters */
    int64_t stored, duplicates, dead_letters;
    int64_t conflicts; /* of dead_letters, the events that were there with another body */
    int64_t before;    /* records of the queue's file that are not this queue's: it had another id */
    int64_t has_before;
};

/* Makes the queue known to the database when it is not, and asks. id: the queue's id, spool: as text. */
int ship_mark_ask(struct pg *p, const uint8_t id[16], const char *spool, const char *node, int wait_ms,
                  struct ship_mark *out, struct pg_error *e);

/* Tells the database how many records the file was ever given. */
int ship_mark_report(struct pg *p, const char *spool, const char *node, uint64_t accepted, int wait_ms,
                     struct pg_error *e);

/* A uuid's 36 characters and an end. */
void ship_id_text(const uint8_t id[16], char out[37]);

#endif
