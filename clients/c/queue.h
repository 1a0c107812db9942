/* Events that wait to be sent: bounded, in memory and, if wanted, in a file. Any thread. */
#ifndef COHORT_CLIENT_QUEUE_H
#define COHORT_CLIENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "clients/c/say.h"

#define EVENT_OUTCOME 'o'
#define EVENT_EXPOSURE 'x'
#define QUEUE_BATCH_MAX 1000

struct queue;
struct queue_event;

struct queue_counts {
    uint64_t kept, accepted, refused, dropped, waiting;
};

/* file: NULL, or the queue file. say: of a full queue, and a file that can't be written; outlives the queue.
 */
int queue_open(struct queue **out, size_t max, const char *file, struct say *say, struct cohort_error *e);
void queue_close(struct queue *q); /* NULL is fine; nobody else may be at it */

/* Keeps an event: its members as JSON text without braces, but for "id" and "ts". COHORT_OK or COHORT_NOMEM.
 * The oldest that is not on its way makes room. */
int queue_push(struct queue *q, char kind, const char *id, int64_t ts_us, const char *text);

void queue_counts(struct queue *q, struct queue_counts *out);

/* --- for the sender --- */

/* Waits until there is something to send: n events, or one that has waited flush_us, or somebody hurries; not
 * before not_before_us of the monotonic clock. True: take a batch; false: queue_end was called. */
struct queue_wait {
    size_t n;
    int64_t flush_us, not_before_us;
};
bool queue_wait(struct queue *q, const struct queue_wait *w);
/* While somebody hurries, events don't wait for company. */
void queue_hurry(struct queue *q, bool on);
/* Ends queue_wait for good. */
void queue_end(struct queue *q);

/* Events of one kind on their way, and the body that carries them. */
struct queue_batch {
    char kind;
    size_t n;
    struct queue_event *events[QUEUE_BATCH_MAX];
    struct buffer body;
};
/* Takes the oldest, at most max. False: nothing waits, or there is no memory. */
bool queue_take(struct queue *q, size_t max, struct queue_batch *b);

const char *queue_event_id(const struct queue_event *v);
/* What became of an event of the batch: each is settled once. */
void queue_accepted(struct queue *q, struct queue_event *v);
void queue_refused(struct queue *q, struct queue_event *v);
void queue_again(struct queue *q, struct queue_event *v);
/* Its time was wrong by that much: again with another. False: it was stamped anew before. */
bool queue_restamp(struct queue *q, struct queue_event *v, int64_t shift_us);
/* The whole batch again, in halves that are not mixed with others. */
void queue_split(struct queue *q, struct queue_batch *b);

/* Waits until nothing waits. False: not until then. */
bool queue_drained(struct queue *q, int64_t until_us);

#endif
