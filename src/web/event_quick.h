/* Plain batches of outcomes, read without a tree of values: a fifth of the cost of the usual way. */
#ifndef COHORT_WEB_EVENT_QUICK_H
#define COHORT_WEB_EVENT_QUICK_H

#include "web/event_item.h"

/* Appends to `records` the records of a batch in which every event is accepted, and to `answer` the whole
 * answer. False: some event is not plain (an escape in a text, an unusual number), needs a token or would be
 * refused, or memory is short: nothing is appended, and event_batch_parse and outcome_accept are to say what
 * it is. What this accepts they accept too, with the same records and the same answer. */
bool event_quick_outcomes(const char *body, size_t len, const struct event_rules *rules,
                          struct buffer *records, struct buffer *answer, unsigned *n_events,
                          unsigned *n_records);

#endif
