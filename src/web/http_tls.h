/* The certificate, its key, and the rules of TLS. Any number of servers may share one. */
#ifndef COHORT_WEB_HTTP_TLS_H
#define COHORT_WEB_HTTP_TLS_H

#include <stdint.h>

#include "core/error.h"

struct http_tls;

/* cert: a file with the server's certificate and then those that lead to its root, PEM. key: a file with its
 * private key without a passphrase, PEM; "": it is in the same file. What is no error but looks like one (a
 * key that others can read, a certificate that has expired) is said in the log. ERR_INVALID: a whole
 * sentence. */
int http_tls_new(struct http_tls **out, const char *cert, const char *key, struct error *e);
/* Any thread. */
struct http_tls *http_tls_ref(struct http_tls *t);
void http_tls_unref(struct http_tls *t); /* t may be NULL */

/* When the certificate ends: seconds since 1970. */
int64_t http_tls_expires(const struct http_tls *t);

/* For http_*.c: the SSL_CTX. */
struct ssl_ctx_st;
struct ssl_ctx_st *http_tls_context(const struct http_tls *t);

#endif
