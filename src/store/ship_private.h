/* The inside of struct shipper, shared by shipper.c and ship_connect.c only. */
#ifndef COHORT_STORE_SHIP_PRIVATE_H
#define COHORT_STORE_SHIP_PRIVATE_H

#include <pthread.h>

#include "store/ship_books.h"

enum {
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 1000, /* the longest a database that is back waits for us */
    STATEMENT_MS = 60000,  /* longer than any honest batch; what takes longer is sent in smaller ones */
};

struct shipper {
    struct shipper_options options;
    uint8_t id[16]; /* the source's, and as text */
    char spool[37];
    pthread_t thread;
    struct ship_books books;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stopping, finished;
    int64_t drain_until_us;
    struct pg *pg; /* set and cleared by the thread, interrupted by shipper_stop */

    /* The thread's own. */
    struct ship_rows *rows;
    struct ship_batch batch;
    bool asked;            /* the watermark was asked for since this id is used */
    uint64_t sent_until;   /* no group above it was ever sent by this process: nor can it be stored */
    uint64_t single_until; /* groups up to here go one at a time: a batch with them was refused or damaged */
    size_t batch_bytes;    /* how much is read at once now */
    int statement_ms;
    unsigned backoff_ms;
    bool failing, forget_failing;
    char failing_state[6]; /* the SQLSTATE that was logged */
    int64_t failing_since_us, ticked_us;
    uint64_t forgotten, reported;
};

/* Waits, but not past the end of draining, and not beyond the moment somebody asks to stop. */
void shipper_wait(struct shipper *s, unsigned ms);
bool shipper_is_stopping(struct shipper *s, bool *time_is_up);

/* Closes the old connection; pg may be NULL. */
void shipper_set_connection(struct shipper *s, struct pg *pg);

/* Makes sure of a connection and of the watermark under the present id. */
int shipper_ready(struct shipper *s, struct pg_error *e);

/* Takes a new id, because the watermark of the old one can't be true. The connection stays. */
int shipper_renew(struct shipper *s, const char *why, struct pg_error *e);

/* Says what went wrong, once a kind; drops the connection and waits a little longer each time. */
void shipper_failed(struct shipper *s, const struct pg_error *e);
void shipper_succeeded(struct shipper *s);

/* How long an answer may take. */
int shipper_wait_of(const struct shipper *s);

#endif
