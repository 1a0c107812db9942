/* Inside of the request layer: servers, connections, requests. Only http_*.c include this. */
#ifndef COHORT_WEB_HTTP_CONN_H
#define COHORT_WEB_HTTP_CONN_H

#include <event2/event_struct.h>
#include <sys/queue.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "web/http.h"
#include "web/http_address.h"
#include "web/http_chunk.h"
#include "web/http_head.h"
#include "web/http_shared.h"

struct bufferevent;
struct http_peer;
struct http_tls;

/* What a connection waits for. conn_set_state is the only place that changes it. */
enum conn_state {
    CONN_HANDSHAKE, /* for the end of TLS's handshake */
    CONN_IDLE,      /* for the first byte of a request */
    CONN_HEAD,      /* for the rest of its head */
    CONN_BODY,      /* for the rest of its body */
    CONN_HANDLER,   /* for http_reply */
    CONN_STREAM,    /* for nothing: the answer goes on until somebody ends it */
    CONN_FLUSH,     /* for the peer to take the last output; then our side is shut down */
    CONN_LINGER,    /* for the peer's end, so that it reads our answer before a reset; input is dropped */
    CONN_CLOSED,
    CONN_STATES
};

struct http_kept; /* memory that goes with the request */

struct http_request {
    struct http_head head;
    const char *body;
    size_t body_len;
    struct buffer extra; /* header lines of the answer */
    struct http_kept *kept;
    void *data;
    void (*free_data)(void *);
    const char *id, *route, *reason; /* or NULL */
    int64_t began_ns;
    bool unanswered;
};

struct http_stream {
    http_stream_gone *gone; /* NULL: nobody is to be told */
    void *arg;
    bool chunked, slow;
    uint32_t ignored; /* bytes of input thrown away */
};

struct http_conn {
    struct http_request request;
    struct http_stream stream;
    struct http_server *server; /* both are NULL when closed */
    struct bufferevent *bev;    /* for output only: what the kernel did not take at once */
    struct event readable_event;
    int fd;
    enum conn_state state;
    unsigned depth;  /* functions of this layer that are at work on it; it is freed when the last leaves */
    bool reading;    /* readable_event is set */
    bool readable;   /* the kernel may hold input */
    bool tls;        /* it speaks TLS: http_secure.c */
    bool peer_ended; /* TLS: the peer's end has come, perhaps with input before it that is still here */
    bool broken;     /* TLS: nothing can be sent any more */
    bool blocked;    /* the peer left too much output unread: no further request is looked at */
    bool eof;        /* the peer will send no more */
    bool last;       /* close after the answer that is due */
    int64_t deadline;
    TAILQ_ENTRY(http_conn) all, queue, turn;
    bool waits_turn; /* in http_server.waiting */
    bool no_room;    /* in line, when its request began to come */
    struct http_peer *peer;
    struct http_address address;
    uint64_t tag; /* of the address, once asked for; 0 before */

    struct buffer in;   /* bytes from the current request's head on; not touched while a handler has it */
    size_t start, next; /* where in `in` the current request starts, and the next one */
    struct http_scan scan;
    struct buffer body; /* of a request that did not come in one piece */
    size_t body_max;
    uint64_t body_left; /* with a Content-Length */
    struct http_chunk chunk;
};

TAILQ_HEAD(http_conn_list, http_conn);

/* What is known of whether a server keeps up; see http_pace.c. Times in microseconds. */
struct http_pace {
    struct timeval turn;       /* the one at work, by libevent's clock */
    int64_t from;              /* when it began, by the monotonic clock */
    int64_t worked_at;         /* when last a connection went on to wait for something */
    int64_t share;             /* of a core, that its thread gets while it is busy; in 1024 parts */
    int64_t cost;              /* processor time of a request in nanoseconds, while many wait */
    int64_t for_refusals;      /* processor time they may take by now; below 0 is owed */
    bool queued;               /* decisions wait in line: whoever comes waits behind them, or is refused */
    bool measured;             /* this turn may become long: */
    int64_t most;              /* processor time after which what is not short is refused */
    int64_t slice;             /* processor time after which decisions wait for the next turn */
    int64_t cpu_from;          /* processor time at the turn's begin */
    unsigned looks;            /* requests in this turn */
    int64_t spent[HTTP_WORKS]; /* in this turn, until seen_at */
    int64_t seen_at;
    enum http_work work; /* since then */
    bool refusing;       /* since then a request was refused, not worked on */
    bool handshake;      /* since then it was none of them, but TLS's */
};

struct http_listener {
    struct http_server *server;
    int fd;
    struct event *event;
    unsigned flags; /* http_server_listen's */
    bool local;     /* a unix socket: never TLS, and all its peers are one address */
    SLIST_ENTRY(http_listener) next;
};
SLIST_HEAD(http_listener_list, http_listener);

struct http_server {
    struct event_base *base;
    struct http_options o;
    http_handler *handler;
    http_body_limit *limit;
    void *arg;
    struct counters *counters;

    struct http_listener_list listeners; /* none once it drains */
    struct http_tls *tls;                /* of new connections; or NULL */
    int reserve_fd;
    struct event *resume_event;
    bool draining; /* soon or already: connections are closed after their answer */
    unsigned n_connections;
    struct http_shared *shared;
    bool shared_own; /* nobody else has it */
    struct http_conn_list all;
    int64_t last_log_us; /* of "out of descriptors" */
    unsigned unlogged;

    struct event *timer;
    int64_t timer_at;                          /* 0: not set */
    struct http_conn_list queues[CONN_STATES]; /* each in order of its deadlines */

    struct http_pace pace;
    struct http_conn_list waiting; /* connections with more to do than one turn lets them */
    unsigned n_waiting;
    struct event *waiting_event;

    struct random_stock ids;  /* of requests */
    struct buffer out;        /* answers on their way to one connection */
    struct http_conn *out_of; /* that connection, or NULL */
    time_t date_second;
    char date[32];
};

/* The request is part of its connection, which lives until the answer. */
static inline struct http_conn *conn_of(const struct http_request *r)
{
    return (struct http_conn *)((uintptr_t)r - offsetof(struct http_conn, request));
}

/* http_conn.c */
/* 0; or ERR_NOMEM, and fd and peer stay the caller's. */
int conn_new(struct http_server *s, int fd, const struct http_address *address, struct http_peer *peer,
             bool tls);
/* A connection that turned out not to speak TLS goes on in plain on another descriptor of its socket. 0; or
 * ERR_NOMEM, and fd stays the caller's. */
int conn_make_plain(struct http_conn *c, int fd);
/* Every way into this layer is conn_enter … conn_leave. */
void conn_enter(struct http_conn *c);
void conn_leave(struct http_conn *c);
void conn_set_state(struct http_conn *c, enum conn_state state);
void conn_close(struct http_conn *c);
/* Answers with the layer's own problem and closes. */
void conn_refuse(struct http_conn *c, int status, const char *detail);
/* Refuses a body that is larger than c->body_max, with that number. */
void conn_refuse_body(struct http_conn *c);
/* Its deadline has passed. */
void conn_expired(struct http_conn *c);
/* Takes requests from what has arrived until there is no whole one, or a handler answers later. */
void conn_run(struct http_conn *c);
/* Its request has its answer: on to the next one, or to the end. */
void conn_answered(struct http_conn *c);
/* Its answer is a stream from now on: gives back what only requests need, and listens for the peer's end. */
void conn_stream(struct http_conn *c);
/* The server drains: an idle connection goes, a stream ends. */
void conn_drain(struct http_conn *c);

/* http_pace.c */
int pace_init(struct http_server *s); /* 0 or ERR_NOMEM */
void pace_fini(struct http_server *s);
/* A connection is about to be looked at; the first of a turn begins it. */
void pace_turn(struct http_server *s);
/* There is input. True: it is not looked at now, but when its turn comes. */
bool pace_hold(struct http_conn *c);
/* The connection has had a request, and there may be another. True: it has another turn at once, for there is
 * no room in line, so that one is refused if it is a decision. */
bool pace_again(struct http_conn *c);
void pace_unwait(struct http_conn *c);
/* A handshake begins, or goes on, or rests until the peer's next message. */
void pace_handshake(struct http_server *s, bool at_work);

/* http_stream.c */
/* Tells whoever sends on the connection's stream, if it has one, that it is no more. */
void stream_gone(struct http_conn *c);

/* http_reply.c */
/* Puts out the head of a stream: 200 without Content-Length. False when there is no memory. */
bool reply_head(struct http_conn *c, const char *content_type);

/* http_input.c */
/* Calls conn_readable while there is input; 0 or ERR_NOMEM. */
int in_watch(struct http_conn *c);
void in_unwatch(struct http_conn *c);
/* Moves up to n bytes of input to `to` and returns how many; 0 when there are none now. At the peer's end
 * c->eof is set; a broken connection is closed. */
size_t in_take(struct http_conn *c, void *to, size_t n);
/* The same bytes stay the next to be taken. */
size_t in_peek(struct http_conn *c, void *to, size_t n);
/* Throws some of it away and returns how much. */
size_t in_drop(struct http_conn *c);
/* There is input, or the peer's end. */
void conn_readable(struct http_conn *c);

/* http_secure.c: as the functions of http_input.c and http_output.c, for TLS */
/* NULL when there is no memory; then fd stays the caller's. Else the bufferevent closes it. */
struct bufferevent *secure_new(struct http_server *s, int fd);
int secure_watch(struct http_conn *c);
void secure_unwatch(struct http_conn *c);
size_t secure_take(struct http_conn *c, void *to, size_t n, bool peek);
/* Input left for later is told of again; a bufferevent says each thing only once. */
void secure_remind(struct http_conn *c);
/* How many bytes left; -1: the connection is broken. */
ssize_t secure_send(struct http_conn *c, const void *bytes, size_t n);
/* Says that we send no more. */
void secure_end(struct http_conn *c);
/* The bufferevent's event. */
void secure_event(struct http_conn *c, short what);

/* http_body.c */
/* Decides how the request's body arrives, and takes what is there. The verdict as for http_scan_head. */
enum http_progress body_begin(struct http_conn *c, size_t head_end, struct http_refusal *why);
/* The client waits to be told to send its body. False when its request has been answered without. */
bool body_invite(struct http_conn *c);
enum http_progress body_more(struct http_conn *c, struct http_refusal *why);

/* http_output.c */
/* n bytes of room at the end of the connection's output, for out_added; NULL when there is no memory. */
char *out_reserve(struct http_conn *c, size_t n);
void out_added(struct http_conn *c, size_t n);
/* Hands what was added to the kernel, and what it does not take to the bufferevent. */
void out_flush(struct http_conn *c);
/* Bytes that wait in the bufferevent. */
size_t out_pending(const struct http_conn *c);

/* http_trace.c */
/* Notes when the handling of its request begins. */
void trace_begin(struct http_conn *c);
/* Before the answer leaves: an error names its request, and the log says what it is to say. */
void trace_answer(struct http_conn *c, int status);

/* http_request.c */
/* n bytes that live as long as the request, or NULL. */
char *request_keep(struct http_request *r, size_t n);
/* Gives back what the request held. */
void request_clear(struct http_request *r);

/* http_deadline.c */
int deadlines_init(struct http_server *s); /* 0 or ERR_NOMEM */
void deadlines_fini(struct http_server *s);
void deadline_set(struct http_conn *c); /* for its state, when the state has one */
void deadline_clear(struct http_conn *c);

#endif
