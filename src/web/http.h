/* The request layer: strict HTTP/1.x on libevent's bufferevents, one server per worker thread. */
#ifndef COHORT_WEB_HTTP_H
#define COHORT_WEB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counters.h"
#include "core/error.h"

struct event_base;
struct http_server;
struct http_shared;
struct http_request;
struct http_stream;
struct http_tls;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

/* Asked when a client waits for "100 Continue" before it sends its body. True: it may send it. False: the
 * request has been answered (http_reply) without; the connection is closed then. */
typedef bool http_expect(struct http_request *r, void *arg);

/* Times are absolute (from a moment, however much arrives since) but for write_s; 0: no limit. */
struct http_options {
    size_t max_head;                      /* bytes of request line and headers: 16 KiB; at most 65,535 */
    size_t max_body;                      /* bytes of a body: 4 MiB (handlers may ask for less) */
    unsigned header_s;                    /* from a request's first byte to the end of its head: 10 */
    unsigned body_s;                      /* from then to the end of its body: 30 */
    unsigned idle_s;                      /* between requests: 75 */
    unsigned write_s;                     /* a peer that takes no output for this long is dropped: 30 */
    unsigned max_connections;             /* of this server, when it shares nothing */
    unsigned max_connections_per_address; /* the same; an IPv6 /64 counts as one address */
    size_t max_unread;                    /* reading stops while more output than this is unread: 64 KiB (the
                                             kernel has up to 32 KiB more, and what is on its way) */
    unsigned max_wait_ms;                 /* see http_overloaded: 50 */
    http_expect *expect;                  /* NULL: every body is welcome that is not too large */
    struct http_shared *shared;           /* of several servers; outlives them. NULL: one of its own */
};
void http_options_default(struct http_options *o);

/* Called once for each request with its whole body. Must end in exactly one http_reply, now or later, on the
 * base's thread; later also when the peer has gone meanwhile. */
typedef void http_handler(struct http_request *r, void *arg);

/* Says how large a body the path may have, before it is read; 0: the server's maximum. May be NULL. */
typedef size_t http_body_limit(enum http_method m, const char *path, size_t path_len, void *arg);

/* fd: a listening socket (see http_listen), owned by the server from now on, also when this fails; -1: none
 * yet. c may be NULL. Makes the process ignore SIGPIPE unless it has a handler for it. */
int http_server_new(struct http_server **out, struct event_base *base, int fd, const struct http_options *o,
                    http_handler *handler, http_body_limit *limit, void *arg, struct counters *c,
                    struct error *e);

/* One more listening socket, non-blocking, the server's from now on, also when this fails. TCP or unix; a
 * unix socket never speaks TLS, and its peers are one address, which no cap per address holds. */
#define HTTP_SHARED 1u /* other servers take from its queue too */
#define HTTP_KEPT                                                                                            \
    2u /* somebody keeps the socket: what waits in its queue when we drain is left to the next */
int http_server_listen(struct http_server *s, int fd, unsigned flags, struct error *e);

/* New connections over TCP speak TLS from now on, with this certificate; those that are there go on as they
 * are. Takes a reference of its own. On the base's thread. */
void http_server_set_tls(struct http_server *s, struct http_tls *tls);

/* Other limits from now on; those of times begin anew for what is waited for. On the base's thread. */
void http_server_set_options(struct http_server *s, const struct http_options *o);

/* The server will drain soon: each connection is closed after its next answer ("Connection: close"), new ones
 * are still taken. */
void http_server_announce(struct http_server *s);
/* No new connections; idle ones are closed, streams ended, others closed after their answer ("Connection:
 * close"). */
void http_server_drain(struct http_server *s);
unsigned http_server_connections(const struct http_server *s);
/* Closes everything. Requests still unanswered stay valid until their http_reply, which then does nothing
 * else. */
void http_server_free(struct http_server *s);

/* A non-blocking listening socket on "127.0.0.1:8440", "[::1]:8440" or "localhost:8440". probe: bind without
 * SO_REUSEPORT first, so that a port in use by another program is an error; then every socket has
 * SO_REUSEPORT. Port 0 takes a free one; bound_port says which. */
int http_listen(const char *address, bool probe, int *fd, uint16_t *bound_port, struct error *e);

/* The same on a unix socket, at this path, with these permissions. One that a dead server left is replaced;
 * one that somebody serves is refused, and so is a path where something else is. With fd NULL it is only seen
 * whether it would do. */
int http_listen_unix(const char *path, unsigned mode, int *fd, struct error *e);

/* The request. Valid until http_reply. */
enum http_method http_method(const struct http_request *r);
const char *http_method_name(const struct http_request *r); /* as sent */
const char *
http_path(const struct http_request *r); /* raw, before '?', not percent-decoded, NUL-terminated */
const char *http_query(const struct http_request *r); /* after '?', or "" */
/* The header's value without outer blanks, or NULL; several of one name are joined by ", ". name in lower
 * case. */
const char *http_header(const struct http_request *r, const char *name);
const char *http_body(const struct http_request *r, size_t *len);
/* The address of the peer as text; "local" for a unix socket. Lives as long as the request. */
const char *http_peer(struct http_request *r);
/* That of the client: the peer, or behind a trusted proxy the one whom that names. */
const char *http_client(struct http_request *r);
/* Stands for what counts as one client address: a keyed hash, never 0. */
uint64_t http_client_tag(struct http_request *r);
/* What names this request to its sender and in the log: the X-Request-Id it came with, if that is a token of
 * at most 64 characters, or one made at the first call. Lives as long as the request. "" when out of memory.
 */
const char *http_request_id(struct http_request *r);
/* When its handling began, by the machine's monotonic clock; exact to some milliseconds. */
int64_t http_began_ns(const struct http_request *r);
/* The path's pattern in the router's table, for the log, which never shows a path itself. Borrowed. */
void http_set_route(struct http_request *r, const char *pattern);
/* Why it is refused, as a stable word, for the log. Borrowed until http_reply. */
void http_set_reason(struct http_request *r, const char *code);
/* What requests are about, as far as the server's time is shared out. */
enum http_work { HTTP_WORK_SHORT, HTTP_WORK_LONG, HTTP_WORKS };

/* Asked before a request is worked on. True: refuse it at once. The server can't keep up; those who wait
 * already are as many as are answered within max_wait_ms; and it is work of the kind that takes most of the
 * time. */
bool http_overloaded(struct http_request *r, enum http_work work);
/* 0 for a fresh request; a handler may hang data on it, freed with free_fn at the reply. */
void http_set_data(struct http_request *r, void *data, void (*free_fn)(void *));
void *http_data(const struct http_request *r);

/* Adds a header to the answer; name and value are copied and must hold no control characters. */
void http_add_header(struct http_request *r, const char *name, const char *value);
/* Headers added so far are not sent: the request is handled anew. */
void http_forget_headers(struct http_request *r);
/* Answers. content_type NULL: no body (204, 304). HEAD gets the headers only. The body is copied. Date,
 * Content-Length and Connection are the layer's. r is gone afterwards. */
void http_reply(struct http_request *r, int status, const char *content_type, const void *body, size_t len);

/* A stream: an answer (200) without Content-Length that goes on until it is ended. It is chunked for
 * HTTP/1.1, ended by the connection's end for 1.0, and the last answer of its connection either way: whatever
 * the peer sends after its request is thrown away, and more than 64 KB of it close the connection. It has no
 * idle deadline. It counts as a connection like any other. All on the base's thread. */

/* A stream is no more: the peer has gone (or ended its sending side: browsers and proxies do not half-close),
 * or the server drains or is freed; slow: the peer took nothing for write_s, or left more than max_unread
 * bytes unread. Called once, perhaps from within http_stream_send; the stream must not be used from then on.
 * Not called after http_stream_end. */
typedef void http_stream_gone(void *arg, bool slow);

/* Answers in place of http_reply, which r's headers and data go with; r is gone afterwards. NULL: there is no
 * stream (the peer has gone, or asked with HEAD and has its head), and gone is never called. */
struct http_stream *http_stream_begin(struct http_request *r, const char *content_type,
                                      http_stream_gone *gone, void *arg);
/* Sends len bytes at once, as one chunk; they are copied. False: the stream is over, and gone was called. A
 * peer that has more than max_unread bytes waiting for it is dropped rather than waited for. */
bool http_stream_send(struct http_stream *s, const void *bytes, size_t len);
/* Ends it politely: the peer gets what was sent, and sees that it is whole. s is gone afterwards. */
void http_stream_end(struct http_stream *s);

#endif
