/* The route table: the only place that says which paths there are, who may use them and how they speak of
 * errors. */
#ifndef COHORT_WEB_ROUTER_H
#define COHORT_WEB_ROUTER_H

#include "web/api_worker.h"

enum error_style { ERRORS_PROBLEM, ERRORS_OFREP };

typedef void route_fn(struct api_context *c);

/* pattern: literal, with at most one "{key}" segment; "{key...}" takes the rest of the path. */
struct route {
    enum http_method method;
    const char *pattern;
    route_fn *handler;
    unsigned may; /* roles, see auth.h */
    enum error_style errors;
    bool cors;
    size_t max_body;        /* 0: the option max_body_bytes */
    bool key_in_body;       /* a client key may stand there: a beacon of a browser has no headers */
    const char *op, *thing; /* of a definition: base/call.h; else NULL */
    bool unlimited;         /* no rate limit: a balancer that is refused takes the server out of service */
};

/* Before a 401: may this address fail once more? False after it was answered 429 instead. */
bool router_may_fail(const struct api_context *c);

/* All routes; *n: how many. For tests and documents that must cover each. */
const struct route *router_routes(size_t *n);

#endif
