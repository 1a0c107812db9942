/* Addresses of clients, and which of them are proxies whose word is taken. Pure. */
#ifndef COHORT_WEB_HTTP_ADDRESS_H
#define COHORT_WEB_HTTP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct sockaddr;

#define HTTP_ADDRESS_TEXT INET6_ADDRSTRLEN

/* An IPv4 address stands in its IPv6 form (::ffff:a.b.c.d). */
struct http_address {
    bool local; /* a unix socket, or nothing that is known: bytes are 0 */
    uint8_t bytes[16];
};

void http_address_of(struct http_address *out, const struct sockaddr *address);
/* Exactly an address, as in "192.0.2.1" or "2001:db8::1"; false for anything else. */
bool http_address_parse(struct http_address *out, const char *text, size_t len);
/* "local" for a local one. */
void http_address_text(const struct http_address *a, char out[HTTP_ADDRESS_TEXT]);

/* What is counted as one: an IPv4 address, the /64 network of an IPv6 one (that is what one subscriber has),
 * or everything local together. */
#define HTTP_ADDRESS_KEY 9
void http_address_key(const struct http_address *a, uint8_t key[HTTP_ADDRESS_KEY]);

/* A list of proxies. */
struct http_trust;

/* list: addresses and networks ("10.0.0.0/8", "2001:db8::/32"), and "unix" for peers on a unix socket,
 * separated by blanks. ERR_INVALID with a sentence without the place; ERR_NOMEM. */
int http_trust_new(struct http_trust **out, const char *list, struct error *e);
void http_trust_free(struct http_trust *t);
/* t NULL: nobody is trusted. */
bool http_trusts(const struct http_trust *t, const struct http_address *a);

/* Who asked a proxy that is trusted: of the addresses in X-Forwarded-For the last one that is not trusted
 * itself. A client may write what it likes there, but only before what the proxies add behind it. Where a
 * proxy added something else than an address, or nothing, it is the one before it on the way: that proxy. */
void http_forwarded_for(struct http_address *client, const struct http_trust *t, const char *field);

#endif
