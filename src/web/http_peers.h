/* How many connections each address has. Not for several threads at once: http_shared.h locks it. */
#ifndef COHORT_WEB_HTTP_PEERS_H
#define COHORT_WEB_HTTP_PEERS_H

#include <stdint.h>

struct http_address;
struct http_peers;
struct http_peer;

/* expected: connections at most; sizes the table. NULL when out of memory. */
struct http_peers *http_peers_new(unsigned expected);
void http_peers_free(struct http_peers *t);

/* Counts one more connection from the address (what is one: http_address_key). NULL when it has max already,
 * or out of memory. */
struct http_peer *http_peers_add(struct http_peers *t, const struct http_address *address, unsigned max);
void http_peers_remove(struct http_peers *t, struct http_peer *p);

#endif
