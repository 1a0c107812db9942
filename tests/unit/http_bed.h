/* A test bed: a real server on a loopback port, and raw clients, all in one thread on one event base. Nothing
 * sleeps: bed_turn runs the loop until something happened, and fails the test when a bound is passed. */
#ifndef COHORT_TESTS_HTTP_BED_H
#define COHORT_TESTS_HTTP_BED_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/counters.h"
#include "web/http.h"

#define BED_BOUND_US 60000000 /* a busy machine halts for seconds */

/* What a path under /stream was given. */
struct bed_stream {
    struct http_stream *s; /* NULL: there is none */
    unsigned gone;         /* how often it was told */
    bool slow;
};

struct bed {
    struct event_base *base;
    struct http_server *server;
    struct counters counters;
    uint16_t port;
    int64_t started_us;
    unsigned handled, smuggled, freed;
    size_t body_limit;                /* for paths under /small; 0: the server's */
    struct http_request *waiting[64]; /* of paths under /later, in order */
    unsigned n_waiting;
    size_t reply_len;           /* of paths under /large */
    int64_t busy_us, refuse_us; /* processor time that /busy takes, and to refuse it in overload; it says as
                                 * which request it was handled */
    struct bed_stream streams[16]; /* of paths under /stream, in order */
    unsigned n_streams;
};

/* Set before a bed is started: it speaks TLS, and so do its clients. */
extern bool bed_over_tls;
/* The same: how much the kernel takes of what a peer does not read, on the server's side; 0: what it likes.
 */
extern int bed_send_bytes;

struct client {
    struct bed *bed;
    int fd;
    struct bed_secure *secure; /* or NULL: plain */
    struct event *readable;
    struct buffer in;
    bool eof, reset; /* reset: by TCP, or an end that TLS does not know of */
    bool paused;     /* does not read */
};

/* o NULL: the defaults. */
void bed_start(struct bed *b, const struct http_options *o);
void bed_stop(struct bed *b);
void bed_turn(struct bed *b);
/* Runs what is ready, without waiting. */
void bed_settle(struct bed *b);
#define BED_UNTIL(b, condition)                                                                              \
    while (!(condition))                                                                                     \
    bed_turn(b)

void client_open(struct client *c, struct bed *b);
/* With a receive buffer of this many bytes. */
void client_open_small(struct client *c, struct bed *b, int receive_bytes);
void client_send(struct client *c, const char *p, size_t n);
/* Waits until TLS is ready to send; nothing to wait for in plain. */
void client_ready(struct client *c);
/* Sends what the kernel takes now: how much, or -1. */
ssize_t client_try(struct client *c, const char *p, size_t n);
/* The end of its sending side. */
void client_end(struct client *c);
void client_say(struct client *c, const char *text);
void client_pause(struct client *c, bool paused);
void client_close(struct client *c); /* with a reset, which leaves no TIME_WAIT behind */

/* One answer in what a client has read. */
struct answer {
    int status;
    const char *head, *body;
    size_t head_len, body_len;
};
/* The answer at *at, which moves behind it; false when it is not whole. no_body: to HEAD. */
bool answer_next(const struct client *c, size_t *at, bool no_body, struct answer *a);
/* Whole answers so far (none of them to HEAD). */
unsigned answers(const struct client *c);
/* Waits for answer number `index` (from 0) and returns it. */
struct answer answer_wait(struct client *c, unsigned index);
bool answer_has(const struct answer *a, const char *header_line);
/* Waits for the server's end of the connection. */
void client_wait_eof(struct client *c);

#endif
