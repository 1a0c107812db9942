/* Records of decisions and of the exposures they are. They leave in one push a millisecond, so that an answer
 * never waits for a lock; or, where answers wait for their records, with each request. An exposure is
 * remembered once it is durable, and not sent again by this worker. */
#ifndef COHORT_WEB_RECORDS_H
#define COHORT_WEB_RECORDS_H

#include "codec/record.h"
#include "web/api.h"

struct event_base;
struct records;

/* services must outlive it. wait: records leave by records_wait alone. */
struct records *records_new(struct event_base *base, const struct api_services *services, bool wait);
/* Flushes first. No push may be outstanding. */
void records_free(struct records *r);

void records_decision(struct records *r, const struct record_decision *d);
/* Sent unless this worker knows it is stored already. */
void records_exposure(struct records *r, const struct record_exposure *x);

void records_flush(struct records *r);

enum records_wait {
    RECORDS_NONE,   /* there was nothing to keep */
    RECORDS_COMING, /* done will be called, on this thread, once, later */
    RECORDS_LOST    /* some can't be kept */
};
typedef void records_done_fn(void *arg, bool kept);

/* Pushes the records made since the last call, at once, and tells when all of them are durable, or that they
 * are lost. */
enum records_wait records_wait(struct records *r, records_done_fn *done, void *arg);

#endif
