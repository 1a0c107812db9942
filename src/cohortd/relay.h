/* What a worker's APIs ask of other threads, and the way back of the answers: api_services of web/api.h on
 * top of the spool and the caller, with each completion run on the worker's thread. */
#ifndef COHORT_COHORTD_RELAY_H
#define COHORT_COHORTD_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "spool/spool.h"
#include "store/caller.h"
#include "web/api.h"

struct relay;

/* The mailbox is the worker's; all three outlive the relay's last completion. */
struct relay *relay_new(struct mailbox *m, struct spool *s, struct caller *c); /* NULL: out of memory */
void relay_free(struct relay *r);

/* Completions still to come. On the worker's thread. */
size_t relay_outstanding(const struct relay *r);

/* As in struct api_services; relay is its arg. On the worker's thread. */
enum api_queue relay_level(void *relay);
int relay_push(void *relay, const uint8_t *bytes, size_t len, unsigned n_records, api_pushed_fn *done,
               void *done_arg);
int relay_call(void *relay, const struct call_request *q, call_done_fn *done, void *done_arg);

#endif
