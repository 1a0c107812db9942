/* Records of decisions and of the exposures they are. They leave in one push a millisecond, so that an answer
 * never waits for a lock; an exposure is remembered once it is durable, and not sent again by this worker. */
#ifndef COHORT_WEB_RECORDS_H
#define COHORT_WEB_RECORDS_H

#include "codec/record.h"
#include "web/api.h"

struct event_base;
struct records;

/* services must outlive it. */
struct records *records_new(struct event_base *base, const struct api_services *services);
/* Flushes first. No push may be outstanding. */
void records_free(struct records *r);

void records_decision(struct records *r, const struct record_decision *d);
/* Sent unless this worker knows it is stored already. */
void records_exposure(struct records *r, const struct record_exposure *x);

void records_flush(struct records *r);

#endif
