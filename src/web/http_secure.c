/* Connections that speak TLS. An OpenSSL bufferevent makes the handshake and holds what was decrypted until
 * it is taken; what goes out is encrypted and sent at once, and waits there when the kernel takes no more.
 * The socket belongs to the bufferevent, which closes it when it is freed for good. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "web/http_conn.h"
#include "web/http_tls.h"
#include "web/openssl.h"

#define RECORD 16384 /* bytes of plain text in a record of TLS */

/* OpenSSL works on a handshake: most of it before this layer hears of anything. */
static void on_handshake(const SSL *ssl, int where, int ignored)
{
    (void)ignored;
    struct http_server *s = SSL_get_app_data(ssl);
    if (where & (SSL_CB_HANDSHAKE_START | SSL_CB_LOOP))
        pace_handshake(s, true);
    else if (where & SSL_CB_EXIT)
        pace_handshake(s, false);
}

struct bufferevent *secure_new(struct http_server *s, int fd)
{
    SSL *ssl = SSL_new(http_tls_context(s->tls));
    if (!ssl)
        return NULL;
    SSL_set_app_data(ssl, s);
    SSL_set_info_callback(ssl, on_handshake);
    return bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

/* Input. */

static struct evbuffer *input_of(const struct http_conn *c)
{
    return bufferevent_get_input(c->bev);
}

static bool has_input(const struct http_conn *c)
{
    return evbuffer_get_length(input_of(c)) > 0 || (c->peer_ended && !c->eof);
}

int secure_watch(struct http_conn *c)
{
    if (c->reading)
        return 0;
    if (!c->peer_ended && bufferevent_enable(c->bev, EV_READ) != 0)
        return ERR_NOMEM;
    c->reading = true;
    return 0;
}

void secure_unwatch(struct http_conn *c)
{
    if (c->reading && c->state != CONN_HANDSHAKE)
        bufferevent_disable(c->bev, EV_READ);
    c->reading = false;
}

static void remind(struct http_conn *c)
{
    bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void secure_remind(struct http_conn *c)
{
    if (c->reading && !c->waits_turn && has_input(c))
        remind(c);
}

size_t secure_take(struct http_conn *c, void *to, size_t n, bool peek)
{
    ev_ssize_t got = peek ? evbuffer_copyout(input_of(c), to, n) : evbuffer_remove(input_of(c), to, n);
    if (got <= 0 && c->peer_ended)
        c->eof = true;
    c->readable = has_input(c);
    return got > 0 ? (size_t)got : 0;
}

/* Output. */

/* One record after the other. A record that the kernel takes in part only must be offered again from the same
 * byte: the bufferevent does, as what it is given next begins there. */
ssize_t secure_send(struct http_conn *c, const void *bytes, size_t n)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
    size_t sent = 0;
    while (sent < n) {
        size_t piece = n - sent < RECORD ? n - sent : RECORD;
        ERR_clear_error();
        int r = SSL_write(ssl, (const char *)bytes + sent, (int)piece);
        if (r <= 0) {
            c->broken = SSL_get_error(ssl, r) != SSL_ERROR_WANT_WRITE;
            ERR_clear_error();
            return c->broken ? -1 : (ssize_t)sent;
        }
        sent += (size_t)r;
    }
    return (ssize_t)sent;
}

/* A full socket keeps it from being said; then the end of the connection says it. The buffer of 16 KiB in
 * which it was said is not given back by itself, and when a server drains thousands wait for their peer. */
void secure_end(struct http_conn *c)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
    if (c->broken || !SSL_is_init_finished(ssl))
        return;
    SSL_shutdown(ssl);
    SSL_free_buffers(ssl);
    ERR_clear_error();
}

/* Events. */

static void count_failed(const struct http_server *s)
{
    if (s->counters)
        counter_add(s->counters, tls_failed, 1);
}

/* Why the handshake failed, of up to three errors that OpenSSL gave. */
static unsigned long reason_of(struct http_conn *c)
{
    unsigned long code, found = 0;
    while ((code = bufferevent_get_openssl_error(c->bev)) != 0) {
        if (ERR_GET_LIB(code) == ERR_LIB_SSL)
            found = code;
    }
    return found;
}

/* Who asked in plain HTTP is told so in plain HTTP. */
static void answer_plain(struct http_conn *c)
{
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || conn_make_plain(c, fd) != 0) {
        if (fd >= 0)
            close(fd);
        conn_close(c);
        return;
    }
    c->request.head.method = HTTP_OTHER;
    conn_refuse(c, 400, "This port speaks TLS: the address begins with https://.");
}

static void on_failed_handshake(struct http_conn *c)
{
    unsigned long why = reason_of(c);
    count_failed(c->server);
    log_debug("http", "a TLS handshake failed: %s", why ? ERR_reason_error_string(why) : "the peer ended it");
    if (why && ERR_GET_REASON(why) == SSL_R_HTTP_REQUEST)
        answer_plain(c);
    else
        conn_close(c);
}

/* While the server drains, a connection without a request does not wait for one as long as usual. */
static void on_open(struct http_conn *c)
{
    conn_set_state(c, c->server->draining ? CONN_HEAD : CONN_IDLE);
}

/* What came before the end has not reached the input yet: it is looked at in the next turn of the loop. The
 * end stopped our writing too, which may have more to say. */
static void on_end(struct http_conn *c)
{
    c->peer_ended = true;
    bufferevent_enable(c->bev, EV_WRITE);
    remind(c);
}

void secure_event(struct http_conn *c, short what)
{
    if (what & BEV_EVENT_CONNECTED) {
        on_open(c);
    } else if (c->state == CONN_HANDSHAKE) {
        on_failed_handshake(c);
    } else if (what == (BEV_EVENT_READING | BEV_EVENT_EOF)) {
        on_end(c);
    } else {
        c->stream.slow = c->stream.slow || errno == ETIMEDOUT;
        c->broken = true;
        conn_close(c);
    }
}
