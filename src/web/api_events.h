/* Events in: what happened to people (outcomes) and what they really saw (exposures). */
#ifndef COHORT_WEB_API_EVENTS_H
#define COHORT_WEB_API_EVENTS_H

struct api_context;

/* POST /v1/outcomes and /v1/exposures: up to 1,000 events, as {"events": […]} or a bare array. Answered 202,
 * with an entry for each event, once all of them are durable: the accepted ones as records, the rejected ones
 * as dead letters. */
void events_outcomes(struct api_context *c);
void events_exposures(struct api_context *c);

#endif
