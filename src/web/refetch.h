/* Requests that a stream asked for, at a server that has not heard yet of what the stream's server knew. */
#ifndef COHORT_WEB_REFETCH_H
#define COHORT_WEB_REFETCH_H

#include <stdbool.h>

struct api_context;
struct api_worker;
struct event_base;
struct refetches;

struct refetches *refetches_new(struct event_base *base, struct api_worker *w); /* NULL: out of memory */
/* Answers those that wait. After the request layer is gone. */
void refetches_free(struct refetches *f);

/* True when the request names, as flagConfigEtag, definitions that are newer than the worker's, and is put
 * aside: an old answer now would be believed until the next change. It comes back to api_handle with newer
 * plans, or after a second, and is then answered with what there is, and with "Cohort-Plan-Behind: true" when
 * that is still too old. */
bool refetch_waits(struct api_context *c);

/* True when the request was asked for by a stream, as far as that can be said: to be answered even where
 * others are refused, since whoever was told once is not told again. */
bool refetch_expected(const struct api_context *c);

/* The worker has new plans. */
void refetches_run(struct refetches *f);

#endif
