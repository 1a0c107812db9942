/* How many connections each address has. */
#ifndef COHORT_WEB_HTTP_PEERS_H
#define COHORT_WEB_HTTP_PEERS_H

#include <stdint.h>

struct sockaddr;
struct http_peers;
struct http_peer;

/* expected: connections at most; sizes the table. NULL when out of memory. */
struct http_peers *http_peers_new(unsigned expected);
void http_peers_free(struct http_peers *t);

/* Counts one more connection from the address: an IPv4 address, the /64 network of an IPv6 one (that is what
 * one subscriber has), or everything else together. NULL when it has max already, or out of memory. */
struct http_peer *http_peers_add(struct http_peers *t, const struct sockaddr *address, unsigned max);
void http_peers_remove(struct http_peers *t, struct http_peer *p);

#endif
