/* One outcome of a batch: from JSON to a record for each unit it names. */
#ifndef COHORT_WEB_EVENT_OUTCOME_H
#define COHORT_WEB_EVENT_OUTCOME_H

#include "web/event_item.h"

#define OUTCOME_VALUE_MAX 9.2e12 /* times a million still fits 64 bits */

/* Appends an event's records and counts them in *n_records. 0; ERR_INVALID with *why, and with *out and
 * *n_records to be taken back by the caller; ERR_NOMEM. */
int outcome_accept(const json_t *v, const struct event_rules *rules, struct buffer *out, unsigned *n_records,
                   struct event_refusal *why);

/* The steps of it, for a reader of another kind. The attributes that metrics of this event count by, as JSON
 * that is the caller's; NULL: none. attributes: NULL, or what was sent. */
int outcome_attributes(const json_t *attributes, const struct event_rules *rules, struct record_text name,
                       char **out, struct event_refusal *why);
/* o has the fields that are no common ones; the common ones and the units are taken from the item. */
int outcome_append(const struct event_item *item, const struct event_rules *rules, struct record_outcome *o,
                   struct buffer *out, unsigned *n_records);

#endif
