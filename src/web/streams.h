/* The event streams of one worker: who listens to which environment, and how they are told that what they
 * hold is no longer what would be decided.
 *
 * A change is told to all of them within a second, but not at once, since each of them asks again when it is
 * told: the sending is spread over a window, and changes within it become one message. A guardrail's stop has
 * a shorter window. One timer serves all streams. */
#ifndef COHORT_WEB_STREAMS_H
#define COHORT_WEB_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "core/plan_set.h"
#include "web/http.h"

struct event_base;
struct streams;

/* What an environment would decide now, as a text: "VERSION-STOP-STATE", the two versions of the definitions
 * and what plan_state says, in hex. The id of events, so what Last-Event-ID comes back with; the etag of
 * refetchEvaluation, so what flagConfigEtag comes back with. */
#define STREAM_MARK_TEXT 57

/* True when both are well formed and say the same state; the versions are not compared. */
bool stream_mark_same(const char *a, const char *b);
/* True when the mark is well formed and of later definitions, or of a later stop, than the plan. */
bool stream_mark_ahead(const char *mark, const struct plan *p);

/* counters must outlive it. NULL: out of memory. */
struct streams *streams_new(struct event_base *base, struct counters *counters);
/* After the request layer is gone. */
void streams_free(struct streams *s);

/* The worker's plans are these from now on; they live until the next call. Streams of revoked keys and of
 * environments that are no more are ended. */
void streams_set_plans(struct streams *s, const struct plan_set *plans);

/* The environment's mark now, or NULL for a plan that is not one of the set's. Valid until the next call. */
const char *streams_mark(struct streams *s, const struct plan *p);

/* True for some seconds after a change: clients who were told of it, here or elsewhere, ask again. */
bool streams_expect(const struct streams *s);

/* True when all workers together have max, by the counter they share, or this one drains. */
bool streams_full(const struct streams *s, unsigned max);

/* Answers r with a stream of the plan's environment, opened with an API key. has: the mark of what the client
 * holds, or NULL; when it is not the environment's, the client is told at once. */
void streams_open(struct streams *s, struct http_request *r, const struct plan *p, int32_t key_id,
                  const char *has);

/* Ends all of them; each client is told another pause before it comes back. No more are opened. */
void streams_drain(struct streams *s);

#endif
