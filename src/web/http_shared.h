/* What the servers of one process share: how many connections there are, whose word is taken for an address,
 * how requests are logged. Any thread. */
#ifndef COHORT_WEB_HTTP_SHARED_H
#define COHORT_WEB_HTTP_SHARED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

struct http_address;
struct http_peer;
struct http_shared;
struct http_trust;

/* Which answers are logged. */
enum http_log {
    HTTP_LOG_OFF,
    HTTP_LOG_ERRORS, /* from status 500 on, some lines a second at most */
    HTTP_LOG_ALL
};

/* max_connections: in all; per_address: of one client address (see http_address_key). NULL when out of
 * memory. */
struct http_shared *http_shared_new(unsigned max_connections, unsigned per_address);
void http_shared_free(struct http_shared *s);

/* Other caps; connections that are there stay. */
void http_shared_set_caps(struct http_shared *s, unsigned max_connections, unsigned per_address);
/* Default HTTP_LOG_ERRORS. */
void http_shared_set_log(struct http_shared *s, enum http_log log);
/* "off", "errors", "all"; 0, or -1 for another word. */
int http_log_parse(const char *word, enum http_log *out);
/* Takes trust over; for connections from now on. It lives as long as s, since a worker may be reading it. */
int http_shared_set_trust(struct http_shared *s, struct http_trust *trust, struct error *e);

/* For http_*.c. */

/* Counts one more connection. A proxy that is trusted and a local peer are counted in all only: then *peer is
 * NULL. False when there are as many as there may be, or there is no memory. */
bool http_shared_admit(struct http_shared *s, const struct http_address *a, struct http_peer **peer);
void http_shared_leave(struct http_shared *s, struct http_peer *peer);
unsigned http_shared_connections(const struct http_shared *s);

/* A keyed hash of what counts as one address, never 0. */
uint64_t http_shared_tag(const struct http_shared *s, const struct http_address *a);
/* Is it a proxy whose word is taken for a client's address? */
bool http_shared_trusts(struct http_shared *s, const struct http_address *a);
/* Replaces a trusted proxy's address by the client's; field: X-Forwarded-For, or NULL. */
void http_shared_forwarded(struct http_shared *s, struct http_address *a, const char *field);

enum http_log http_shared_log(const struct http_shared *s);
/* May one more line about an error be written now? Then *left_out is how many were not since the last one. */
bool http_shared_may_log(struct http_shared *s, int *left_out);

#endif
