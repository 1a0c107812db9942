/* One request at a time to the server, by libcurl. */
#ifndef COHORT_CLIENT_HTTP_H
#define COHORT_CLIENT_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define HTTP_NOT_SAID (-2)
#define HTTP_NEVER (-1)

struct http;

struct http_request {
    const char *url;
    const char *key;
    const char *body; /* JSON to POST; NULL: GET */
    size_t len;
    const char *etag; /* for If-None-Match, or NULL */
    const char *ca_file;
    unsigned timeout_ms;
    /* The call ends, without an answer, when the monotonic clock (microseconds) is there; NULL: never. */
    const atomic_llong *end_at_us;
};

struct http_answer {
    long status; /* 0: none came, and why says why */
    bool tls;    /* … because of the certificate */
    char why[256];
    struct buffer body;    /* kept from call to call for its memory */
    long retry_after_s;    /* backoff_told_s, or HTTP_NOT_SAID */
    int64_t date_s;        /* of the server's clock, since 1970; 0: not said */
    int64_t monitor_age_s; /* HTTP_NEVER, HTTP_NOT_SAID */
    char etag[80];         /* "" not said */
    bool page;             /* the body is HTML: not cohortd's */
};

struct http *http_new(void); /* NULL: out of memory */
void http_free(struct http *h);
void http_call(struct http *h, const struct http_request *r, struct http_answer *a);

#endif
