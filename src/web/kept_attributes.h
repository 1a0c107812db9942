/* The attributes that are kept of a context or an event, and no others: what an experiment declares as its
 * segments, and what metrics' conditions name. */
#ifndef COHORT_WEB_KEPT_ATTRIBUTES_H
#define COHORT_WEB_KEPT_ATTRIBUTES_H

#include "core/attr.h"
#include "web/event_item.h"

#define SEGMENT_VALUE_MAX 64    /* bytes of a segment's value; what is longer is cut at a character */
#define SEGMENTS_BYTES 8192     /* of the text below */
#define EVENT_ATTRIBUTES_MAX 50 /* of one event, those that are not kept too */
#define EVENT_TEXT_MAX 256      /* bytes of a text that is kept */
#define EVENT_KEPT_MAX 4096     /* bytes of all that is kept of one event, as JSON */

/* A JSON object of the experiment's declared attributes in `text`: strings, numbers and booleans as texts,
 * anything else and what is absent as null. Empty when it declares none. attributes: an object, or NULL. */
struct record_text segments_of_context(const struct plan_experiment *x, const struct attr *attributes,
                                       char text[SEGMENTS_BYTES]);
/* The same of the "attributes" of a reported exposure, an object or NULL. */
struct record_text segments_of_event(const struct plan_experiment *x, const json_t *attributes,
                                     char text[SEGMENTS_BYTES]);

/* Checks an event's "attributes" (NULL: it has none). ERR_INVALID with *why. */
int event_attributes_check(const json_t *attributes, struct event_refusal *why);

/* What is kept of an outcome's "attributes", with their types; *out is NULL when that is nothing, else a new
 * JSON object. Checks them too. */
int event_attributes_keep(const struct plan *p, const char *event, size_t len, const json_t *attributes,
                          json_t **out, struct event_refusal *why);

#endif
