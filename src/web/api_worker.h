/* Shared by the API files of src/web: the worker and one request's context. */
#ifndef COHORT_WEB_API_WORKER_H
#define COHORT_WEB_API_WORKER_H

#include "base/buffer.h"
#include "base/clock.h"
#include "core/arena.h"
#include "web/api.h"
#include "web/auth.h"

struct decision_memory;
struct records;
struct refetches;
struct route;
struct streams;

struct api_worker {
    struct event_base *base;
    struct api_services services;
    struct api_options options;        /* cors_origins is the worker's own */
    const struct plan_set *plans;      /* one reference; NULL until the first arrives */
    struct records *records;           /* decisions' records on their way to the spool */
    struct streams *streams;           /* who listens for changes */
    struct refetches *refetches;       /* requests that wait for newer plans */
    struct arena *arena;               /* memory of the request at hand */
    struct buffer out;                 /* the answer being written */
    struct random_stock random;        /* for decisions' ids */
    struct auth_memory keys;           /* of plans */
    struct decision_memory *decisions; /* what was written of them, of plans too */
    int64_t plan_age_s;                /* what plan_age says */
    char plan_age[24];
};

/* What a route's handler sees. Lives on the stack: what an answer given later needs is copied. */
struct api_context {
    struct api_worker *w;
    struct http_request *r;
    const struct route *route;
    const struct plan_api_key *key; /* NULL on open routes */
    const struct plan *plan;        /* of the key's environment; NULL on open routes */
    const char *name;               /* the path's {key}, percent-decoded; "" when the route has none */
    size_t name_len;
};

#endif
