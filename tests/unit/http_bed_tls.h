/* The test bed over TLS: what http_bed.c's clients do differently then. */
#ifndef COHORT_TESTS_HTTP_BED_TLS_H
#define COHORT_TESTS_HTTP_BED_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct http_tls;

/* A key and a certificate of localhost, both in this new file, which the caller removes. days: until it
 * expires. */
void bed_make_certificate(char path[64], int days);
/* The server's side of one. */
struct http_tls *bed_tls(void);

struct bed_secure;

/* A client's side, on a socket that is connected and does not block. It begins its handshake. protocols: of
 * ALPN, each behind its length; or NULL. */
struct bed_secure *bed_secure_new(int fd, const char *protocols);
void bed_secure_free(struct bed_secure *s);
/* Goes on with the handshake; true once it is done. */
bool bed_secure_open(struct bed_secure *s);
/* As send and recv: -1 with EAGAIN when it must wait, -1 with EPROTO for an end that TLS did not announce. */
ssize_t bed_secure_send(struct bed_secure *s, const void *p, size_t n);
ssize_t bed_secure_receive(struct bed_secure *s, void *to, size_t n);
/* Says that nothing more comes. */
void bed_secure_end(struct bed_secure *s);
/* Only this version, only these ciphers (OpenSSL's list; for TLS 1.2 and before). */
struct bed_secure *bed_secure_version(int fd, int version, const char *ciphers);
/* Asks the peer for new keys (TLS 1.3); a new handshake (before). Sent with the next bytes. */
void bed_secure_update_keys(struct bed_secure *s);
void bed_secure_renegotiate(struct bed_secure *s);
/* Whether the peer gave what a session could be resumed with. */
bool bed_secure_resumable(const struct bed_secure *s);
/* The public key of the peer's certificate, for OPENSSL_free; its length. */
int bed_secure_peer_key(const struct bed_secure *s, unsigned char **out);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519 http/1.1" */
void bed_secure_describe(const struct bed_secure *s, char *out, size_t cap);

#endif
