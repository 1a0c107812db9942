/* Decisions as one record: each says only what differs from the one before it. Those of a bulk share their
 * unit, time, inputs and most of the rest, and those of one moment the time and much of their flags. */
#ifndef COHORT_CODEC_RECORD_LIST_H
#define COHORT_CODEC_RECORD_LIST_H

#include "codec/record.h"

enum { RECORD_KIND_LIST = 5 }; /* as it is written; what is read from it is of kind RECORD_DECISION */

/* Where the newest decision lies among the bytes that were written. Zeroed: nowhere. */
struct record_list {
    size_t begin, end; /* of its record; end 0: there is none */
    struct record_decision last;
    size_t reason, inputs, eligible; /* where its texts are, whatever `last` says */
};

/* Bytes that d never takes more of. */
size_t record_list_most(const struct record_decision *d);

/* Writes d behind the len bytes that are there: into the record that the list knows, where that is the last
 * one, and into a new one otherwise. Returns the new length; or 0, with nothing written, when cap could be
 * too small: record_list_most more than len never are. Zero the list when the bytes are no more what they
 * were. */
size_t record_list_add(struct record_list *l, const struct record_decision *d, uint8_t *bytes, size_t len,
                       size_t cap);

/* For record.c. A decision alone in its list; without `to` it is only counted. Returns its size. */
size_t record_list_of_one(const struct record_decision *d, uint8_t *to);

/* For record.c. Reads the decision at *p, which differs from *last, over it. ERR_OK or ERR_DAMAGED. */
int record_list_next(const uint8_t **p, const uint8_t *end, struct record_decision *last);

#endif
