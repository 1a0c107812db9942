#include "web/http_tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "web/openssl.h"

#define SOON_S (14 * INT64_C(86400)) /* a certificate that ends before is spoken of */

/* For TLS 1.2: only what has forward secrecy and authenticated encryption, as all of 1.3 has. */
static const char ciphers_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";

struct http_tls {
    SSL_CTX *context;
    int64_t expires;
    atomic_int references;
};

/* A client that offers protocols must offer ours; one that offers none is taken at its word. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    int found = SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Nobody is there to be asked. */
static int no_passphrase(char *to, int size, int writing, void *asked)
{
    (void)to;
    (void)size;
    (void)writing;
    *(int *)asked = 1;
    return -1;
}

/* No session is ever resumed. In TLS 1.3 a ticket saves no round trip, only a signature (25 µs with an
 * ECDSA key); in 1.2 the key that seals tickets would open every recorded session for as long as the process
 * lives; and a ticket lets whoever watches recognise a person's device again. */
static void forbid_resumption(SSL_CTX *c)
{
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(c, 0);
}

/* A peer that ends its connection without saying so (many do) cuts off nothing we would act on: a request has
 * its length, and one that is not whole is never handled. So that end is as good as any other. */
static bool set_rules(SSL_CTX *c)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
    forbid_resumption(c);
    SSL_CTX_set_security_level(c, 2);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(c, 0) == 1 && SSL_CTX_set_cipher_list(c, ciphers_12) == 1 &&
           SSL_CTX_set1_groups_list(c, groups) == 1;
}

/* The telling error is the first one. */
static int refuse(struct error *e, const char *option, const char *path, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return error_set(e, ERR_INVALID, option, "%s %s: %s%s%s%s", option, path, what, reason ? " (" : "",
                     reason ? reason : "", reason ? ")" : "");
}

static int check_readable(const char *option, const char *path, struct error *e)
{
    struct stat st;
    if (access(path, R_OK) != 0 || stat(path, &st) != 0)
        return error_set(e, ERR_INVALID, option, "%s %s: %s", option, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(e, ERR_INVALID, option, "%s %s: this is not a file", option, path);
    return ERR_OK;
}

static int load_certificate(SSL_CTX *c, const char *path, struct error *e)
{
    int code = check_readable("tls_cert", path, e);
    if (code != ERR_OK)
        return code;
    if (SSL_CTX_use_certificate_chain_file(c, path) == 1)
        return ERR_OK;
    unsigned long first = ERR_peek_error();
    if (ERR_GET_LIB(first) == ERR_LIB_PEM)
        return refuse(e, "tls_cert", path, "there is no certificate in PEM form in it");
    return refuse(e, "tls_cert", path, "its certificates can't be used");
}

static int load_key(SSL_CTX *c, const char *option, const char *path, const char *cert, struct error *e)
{
    int asked = 0, code = check_readable(option, path, e);
    if (code != ERR_OK)
        return code;
    SSL_CTX_set_default_passwd_cb(c, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(c, &asked);
    int loaded = SSL_CTX_use_PrivateKey_file(c, path, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(c, NULL);
    if (loaded != 1 && asked)
        return refuse(e, option, path,
                      "the key in it has a passphrase, which cohortd can't ask for; store it without one");
    if (loaded == 1 && SSL_CTX_check_private_key(c) == 1)
        return ERR_OK;
    /* A key of another kind than the certificate's is loaded all the same. */
    int reason = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_X509 ? ERR_GET_REASON(ERR_peek_error()) : 0;
    if (loaded == 1 || reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
        ERR_clear_error();
        return error_set(e, ERR_INVALID, option, "%s %s: the key in it is not that of the certificate in %s",
                         option, path, cert);
    }
    return refuse(e, option, path, "there is no private key in PEM form in it");
}

static void warn_of_readers(const char *option, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH)))
        log_warn("tls", "%s %s can be %s by every user of this machine: chmod 600 %s", option, path,
                 st.st_mode & S_IWOTH ? "written" : "read", path);
}

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void print_day(int64_t seconds, char *out, size_t cap)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(out, cap, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(out, cap, "a day that can't be written");
}

/* The clock may be wrong, and an old certificate is better than none: so these are warnings. */
static void look_at_times(struct http_tls *t, const char *path)
{
    const X509 *cert = SSL_CTX_get0_certificate(t->context);
    int64_t now = (int64_t)time(NULL), begins = seconds_of(X509_get0_notBefore(cert));
    char day[32];
    t->expires = seconds_of(X509_get0_notAfter(cert));
    print_day(now < begins ? begins : t->expires, day, sizeof day);
    if (now < begins)
        log_warn("tls", "the certificate in %s is not valid before %s: clients will refuse it", path, day);
    else if (now >= t->expires)
        log_warn("tls", "the certificate in %s has expired on %s: clients will refuse it", path, day);
    else if (now >= t->expires - SOON_S)
        log_warn("tls", "the certificate in %s expires on %s", path, day);
    else
        log_info("tls", "the certificate in %s is valid until %s", path, day);
}

static int load(struct http_tls *t, const char *cert, const char *key, struct error *e)
{
    const char *option = key[0] ? "tls_key" : "tls_cert", *path = key[0] ? key : cert;
    ERR_clear_error();
    t->context = SSL_CTX_new(TLS_server_method());
    if (!t->context || !set_rules(t->context))
        return refuse(e, "tls_cert", cert, "TLS is not to be had from this machine's OpenSSL");
    int code = load_certificate(t->context, cert, e);
    if (code == ERR_OK)
        code = load_key(t->context, option, path, cert, e);
    if (code != ERR_OK)
        return code;
    warn_of_readers(option, path);
    look_at_times(t, cert);
    return ERR_OK;
}

int http_tls_new(struct http_tls **out, const char *cert, const char *key, struct error *e)
{
    *out = NULL;
    struct http_tls *t = calloc(1, sizeof *t);
    if (!t)
        return error_set(e, ERR_NOMEM, "tls_cert", "out of memory");
    atomic_init(&t->references, 1);
    int code = load(t, cert, key, e);
    if (code == ERR_OK)
        *out = t;
    else
        http_tls_unref(t);
    return code;
}

struct http_tls *http_tls_ref(struct http_tls *t)
{
    if (t)
        atomic_fetch_add(&t->references, 1);
    return t;
}

void http_tls_unref(struct http_tls *t)
{
    if (!t || atomic_fetch_sub(&t->references, 1) > 1)
        return;
    SSL_CTX_free(t->context);
    free(t);
}

int64_t http_tls_expires(const struct http_tls *t)
{
    return t->expires;
}

struct ssl_ctx_st *http_tls_context(const struct http_tls *t)
{
    return t->context;
}
