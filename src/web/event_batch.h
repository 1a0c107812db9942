/* The events of a request's body. One that can't be read costs only itself, as long as it can be told where
 * it ends. */
#ifndef COHORT_WEB_EVENT_BATCH_H
#define COHORT_WEB_EVENT_BATCH_H

#include <jansson.h>
#include <stddef.h>

#include "core/error.h"

#define EVENTS_MAX 1000

/* An event as it was sent, when it is no JSON. */
struct event_unread {
    const char *text; /* into the body; NULL: this one could be read */
    size_t len;
    struct error error;
};

/* Reads a body; *doc is owned by the caller. When only some events of a batch can't be read, *doc is the
 * array with null in their places, and *unread, to be freed, says for each event what it was; else *unread is
 * NULL. ERR_INVALID or ERR_LIMIT with *e about the whole body; ERR_NOMEM. */
int event_batch_parse(const char *body, size_t len, size_t max_body, json_t **doc,
                      struct event_unread **unread, struct error *e);

#endif
