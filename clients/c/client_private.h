/* The inside of a client, shared by its files. */
#ifndef COHORT_CLIENT_PRIVATE_H
#define COHORT_CLIENT_PRIVATE_H

#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>

#include "clients/c/backoff.h"
#include "clients/c/http.h"
#include "clients/c/queue.h"
#include "clients/c/say.h"
#include "core/plan.h"

#define CALLS_IDLE_MAX 64 /* connections kept for evaluations */
#define SEEN_SIZE 65536   /* exposures remembered */

struct cohort_client {
    char *url, *ca_file;
    unsigned timeout_ms, poll_ms, batch_max, flush_ms, backoff_min_ms, backoff_max_ms;
    bool local, no_exposures;
    locale_t plain; /* numbers as JSON has them, whatever the program's locale is */
    struct say say;
    struct queue *queue;
    atomic_llong end_at_us;    /* of requests under way, on the monotonic clock */
    atomic_llong clock_off_us; /* the server's clock minus this machine's, when that is more than a minute */

    pthread_mutex_t key_lock;
    char *key;

    pthread_t sender, poller;
    atomic_ulong requests, failures, evaluations, defaults;

    /* Evaluations by request. */
    pthread_mutex_t calls_lock;
    struct http *idle[CALLS_IDLE_MAX];
    size_t n_idle;
    struct backoff away; /* under calls_lock */
    atomic_llong not_before_us;

    /* Decisions here. */
    pthread_mutex_t plan_lock; /* of plan and the poller's wishes */
    pthread_cond_t plan_news;
    const struct plan *plan;       /* one reference, or NULL */
    atomic_ulong plan_generation;  /* counts plans, from a number of chance on */
    atomic_llong monitor_heard_us; /* on the monotonic clock; INT64_MIN: never */
    atomic_llong confirmed_us;     /* INT64_MIN: never */
    bool refresh, ending;
    atomic_ullong *seen; /* exposures reported lately, SEEN_SIZE hashes */
};

/* A copy of the key, to be freed; NULL: out of memory. */
char *client_key(struct cohort_client *c);

/* What every answer tells: the server's clock, and trouble that is common to all requests or is over. ours: a
 * 2xx has what cohortd would have said. what: "events can't be sent". */
void client_heard(struct cohort_client *c, const struct http_answer *a, bool ours, const char *what);

/* Now, by the server's clock where this machine's is wrong. */
int64_t client_now_us(const struct cohort_client *c);

uint32_t client_random(void);

/* The threads. */
void *sender_run(void *client);
void *poller_run(void *client);

#endif
