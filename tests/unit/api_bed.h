/* A test bed of the whole API without a network, a spool or a database: the real request layer and the real
 * handlers, reached through a unix socket in one thread; what cohortd would give them is played here. */
#ifndef COHORT_TESTS_API_BED_H
#define COHORT_TESTS_API_BED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "web/api.h"

#define BED_WAITING 64

/* The keys of api_bed_plans: of the environment "production", one for each role, and a client's of "staging".
 */
enum bed_key { BED_ADMIN, BED_PRODUCT, BED_ANALYST, BED_EVENTS, BED_CLIENT, BED_LOW, BED_STAGING, BED_KEYS };
const char *api_bed_key(enum bed_key key);

/* Plans with one experiment of each kind, and these keys; NULL: out of memory. */
struct plan_set *api_bed_plans(void);
/* The document they are made of. To be freed. */
char *api_bed_document(void);

/* What the database answers next. */
struct bed_answer {
    int status;
    const char *body, *etag;
};

struct bed_pushed {
    api_pushed_fn *done;
    void *arg;
};
struct bed_called {
    call_done_fn *done;
    void *arg;
};

struct api_bed {
    struct event_base *base;
    struct http_server *server;
    struct api_worker *worker;
    struct counters counters;
    int listen_fd; /* the server's */

    /* Played: may be changed at any time. */
    enum api_queue level;
    int push_answer, call_answer; /* what push and call return */
    int push_code;                /* what done is told */
    struct bed_answer answer;

    /* Seen. */
    struct buffer pushed; /* records of all pushes */
    unsigned n_records;   /* as push was told */
    unsigned n_kept;      /* of those, whose done was told ERR_OK */
    unsigned n_calls;
    struct bed_pushed waiting_pushes[BED_WAITING];
    struct bed_called waiting_calls[BED_WAITING];
    unsigned n_pushes, n_waiting_calls;
};

/* sync_records, client_tokens: as of struct api_options. 0 or an error code. */
int api_bed_open(struct api_bed *b, bool sync_records, bool client_tokens);
/* Completes what waits first. */
void api_bed_close(struct api_bed *b);

/* A connection to the server; -1 when there is none to be had. Non-blocking. */
int api_bed_connect(struct api_bed *b);
/* Lets the server do what it can do now. */
void api_bed_turn(struct api_bed *b);
/* Completes every push and call that waits. */
void api_bed_complete(struct api_bed *b);
/* Appends what has arrived at fd; false: the server has closed the connection. */
bool api_bed_read(int fd, struct buffer *in);
/* Sends one or more requests on a connection of its own, completes what they wait for, and reads what comes
 * until the server closes. False when it does not. */
bool api_bed_ask(struct api_bed *b, const void *request, size_t len, struct buffer *in);

/* The next answer in `in` from *at on, which moves behind it: its status; 0: there is none; -1: what is there
 * is no answer. *body is the first byte behind its head. no_body: to HEAD. */
int api_bed_answer(const struct buffer *in, size_t *at, bool no_body, const char **body, size_t *len);

#endif
