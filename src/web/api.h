/* The HTTP APIs of one worker: what cohortd gives them, and what it hangs on the request layer. */
#ifndef COHORT_WEB_API_H
#define COHORT_WEB_API_H

#include "base/call.h"
#include "base/counters.h"
#include "core/plan_set.h"
#include "web/http.h"

struct event_base;
struct api_worker;
struct rate_limits;

/* How the durable queue is. */
enum api_queue {
    QUEUE_OK,
    QUEUE_HIGH,   /* over 80 % full: events of low-priority keys give way */
    QUEUE_FULL,   /* takes no more until the database has taken some */
    QUEUE_FAILING /* its last commit failed: the disk is full or broken */
};

typedef void api_pushed_fn(void *arg, int code, const struct error *e);

/* Filled by cohortd, one for each worker. push and call answer ERR_OK and then call done exactly once on this
 * worker's thread (never from within the call), or answer an error and never call done. */
struct api_services {
    void *arg;
    struct counters *counters;
    /* Whole records to the durable queue (codec/record.h). done may be NULL. */
    int (*push)(void *arg, const uint8_t *bytes, size_t len, unsigned n_records, api_pushed_fn *done,
                void *done_arg);
    /* Any time; cheap. */
    enum api_queue (*queue_level)(void *arg);
    /* A definition call to the database. */
    int (*call)(void *arg, const struct call_request *q, call_done_fn *done, void *done_arg);
};

struct api_options {
    int64_t event_max_age_us;    /* older events are rejected as too old */
    int64_t event_max_future_us; /* events later than now plus this are rejected */
    const char *cors_origins;    /* "*", or a list with blanks, or "" for none; copied */
    size_t max_body;             /* bytes of an event batch */
    const char *public_url;      /* of this server as clients see it, without a '/' at its end; "": unknown */
    unsigned max_streams;        /* open event streams of all workers; 0: none are offered */
    bool client_tokens;          /* events of client keys need an event token */
    bool sync_records;           /* an answer waits until the records of its decisions are durable */
    struct rate_limits *limits;  /* of all workers; outlives them. NULL: none */
};

/* base: the worker's, for its timers. */
int api_worker_new(struct api_worker **out, struct event_base *base, const struct api_services *s,
                   const struct api_options *o, struct error *e);
/* After the request layer is gone and no completion is outstanding. Hands records still held to push first.
 */
void api_worker_free(struct api_worker *w);

/* Other options from the next request on, all but sync_records. On the worker's thread. ERR_NOMEM: the old
 * ones stay. */
int api_worker_set_options(struct api_worker *w, const struct api_options *o);

/* Swaps the plans; takes over the caller's reference. On the worker's thread. */
void api_worker_set_plans(struct api_worker *w, struct plan_set *plans);

/* Streams are ended, and no more opened. On the worker's thread; before the request layer drains. */
void api_worker_drain(struct api_worker *w);

/* Pushes records that are still waiting for company. On the worker's thread; before the spool closes. */
void api_worker_flush(struct api_worker *w);

/* For http_server_new, with the worker as arg. */
void api_handle(struct http_request *r, void *worker);
/* For http_options.expect: a body is welcome when the path takes one from this key. */
bool api_expect(struct http_request *r, void *worker);
size_t api_body_limit(enum http_method m, const char *path, size_t path_len, void *worker);

#endif
