/* Runs definition calls (REST) one after the other on a thread with its own connection: each in a
 * transaction, each through the same SQL functions that people call in psql. */
#ifndef COHORT_STORE_CALLER_H
#define COHORT_STORE_CALLER_H

#include <stdbool.h>

#include "base/call.h"
#include "core/error.h"

struct caller;

/* conninfo must outlive it. Connects when first needed, and again after a loss. */
int caller_start(struct caller **out, const char *conninfo, struct error *e);

/* Waiting calls are answered 503; a running one is interrupted. */
void caller_stop(struct caller *c);

/* Any thread: whether the database can be asked, as another connection found. While it can't, calls are
 * answered 503 at once, one that is under way too; why: for their answer, a constant. True at the start. */
void caller_set_available(struct caller *c, bool available, const char *why);

/* Any thread. ERR_OK: done(arg, result) is called once on the caller's thread. ERR_LIMIT: too many are
 * waiting, ERR_STATE: stopping; then done is never called. */
int caller_submit(struct caller *c, const struct call_request *q, call_done_fn *done, void *arg);

#endif
