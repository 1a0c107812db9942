/* How many requests a second an API key and a client's address may send, over all workers together. */
#ifndef COHORT_WEB_RATE_LIMITS_H
#define COHORT_WEB_RATE_LIMITS_H

#include <stdint.h>

#include "base/counters.h"

struct http_request;
struct plan_api_key;
struct rate_limits;

enum rate_kind {
    RATE_KEY,     /* requests of one API key; one that has a limit of its own has that */
    RATE_ADDRESS, /* requests of one address without a server's key: what a browser sends, and strangers */
    RATE_FAILED,  /* requests of one address without a good key, where one is needed */
    RATE_KINDS
};

struct rate_option {
    unsigned per_second; /* 0: no limit */
    unsigned burst;      /* 0: per_second */
};

/* Without limits. NULL when out of memory. c is shown at /metrics. */
struct rate_limits *rate_limits_new(struct counters *c);
void rate_limits_free(struct rate_limits *l);
/* Any time, any thread. */
void rate_limits_set(struct rate_limits *l, enum rate_kind kind, struct rate_option o);

/* 0, or in how many whole seconds to come again; then it is counted, and logged at most once a second. Any
 * thread; costs nothing where there is no limit. l may be NULL. */
unsigned rate_check_key(struct rate_limits *l, struct http_request *r, const struct plan_api_key *key);
unsigned rate_check_address(struct rate_limits *l, enum rate_kind kind, struct http_request *r);

#endif
