#include "http_bed_tls.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "web/http_tls.h"
#include "web/openssl.h"

struct bed_secure {
    SSL_CTX *context;
    SSL *ssl;
};

static X509 *certificate_of(EVP_PKEY *key, int days)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400L * 400);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    return x;
}

void bed_make_certificate(char path[64], int days)
{
    strcpy(path, "/tmp/cohort-bed-XXXXXX");
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    ck_assert(f && key);
    X509 *x = certificate_of(key, days);
    ck_assert_int_eq(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    ck_assert_int_eq(PEM_write_X509(f, x), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

struct http_tls *bed_tls(void)
{
    char path[64];
    struct error e;
    struct http_tls *t;
    bed_make_certificate(path, 30);
    ck_assert_msg(http_tls_new(&t, path, "", &e) == 0, "%s", e.text);
    unlink(path);
    return t;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)session;
    SSL_set_app_data(ssl, "resumable");
    return 0;
}

static SSL_CTX *client_context(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(c, on_session);
    return c;
}

struct bed_secure *bed_secure_version(int fd, int version, const char *ciphers)
{
    struct bed_secure *s = calloc(1, sizeof *s);
    s->context = client_context();
    ck_assert_int_eq(SSL_CTX_set_cipher_list(s->context, ciphers), 1);
    SSL_CTX_set_min_proto_version(s->context, version);
    SSL_CTX_set_max_proto_version(s->context, version);
    s->ssl = SSL_new(s->context);
    SSL_set_fd(s->ssl, fd);
    SSL_set_connect_state(s->ssl);
    bed_secure_open(s);
    return s;
}

void bed_secure_update_keys(struct bed_secure *s)
{
    SSL_key_update(s->ssl, SSL_KEY_UPDATE_REQUESTED);
}

void bed_secure_renegotiate(struct bed_secure *s)
{
    if (SSL_renegotiate(s->ssl) == 1)
        SSL_do_handshake(s->ssl);
}

bool bed_secure_resumable(const struct bed_secure *s)
{
    return SSL_get_app_data(s->ssl) != NULL;
}

int bed_secure_peer_key(const struct bed_secure *s, unsigned char **out)
{
    X509 *x = SSL_get1_peer_certificate(s->ssl);
    *out = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), out);
    X509_free(x);
    return n;
}

struct bed_secure *bed_secure_new(int fd, const char *protocols)
{
    struct bed_secure *s = calloc(1, sizeof *s);
    s->context = client_context();
    s->ssl = SSL_new(s->context);
    if (protocols)
        SSL_set_alpn_protos(s->ssl, (const unsigned char *)protocols, (unsigned)strlen(protocols));
    SSL_set_fd(s->ssl, fd);
    SSL_set_connect_state(s->ssl);
    bed_secure_open(s);
    return s;
}

void bed_secure_free(struct bed_secure *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    free(s);
}

bool bed_secure_open(struct bed_secure *s)
{
    ERR_clear_error();
    return SSL_is_init_finished(s->ssl) || SSL_do_handshake(s->ssl) == 1;
}

static ssize_t result(struct bed_secure *s, int r)
{
    if (r > 0)
        return r;
    int why = SSL_get_error(s->ssl, r);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t bed_secure_send(struct bed_secure *s, const void *p, size_t n)
{
    ERR_clear_error();
    return result(s, SSL_write(s->ssl, p, (int)n));
}

ssize_t bed_secure_receive(struct bed_secure *s, void *to, size_t n)
{
    ERR_clear_error();
    return result(s, SSL_read(s->ssl, to, (int)n));
}

void bed_secure_end(struct bed_secure *s)
{
    SSL_shutdown(s->ssl);
}

void bed_secure_describe(const struct bed_secure *s, char *out, size_t cap)
{
    const unsigned char *protocol;
    unsigned len;
    SSL_get0_alpn_selected(s->ssl, &protocol, &len);
    snprintf(out, cap, "%s %s %s %.*s", SSL_get_version(s->ssl), SSL_get_cipher_name(s->ssl),
             SSL_group_to_name(s->ssl, (int)SSL_get_negotiated_group(s->ssl)), (int)len,
             len ? (const char *)protocol : "");
}
