/* Messages to the thread that runs an event base. Sent from any thread, run in order on the base's thread. */
#ifndef COHORT_BASE_MAILBOX_H
#define COHORT_BASE_MAILBOX_H

struct event_base;
struct mailbox;

typedef void mailbox_fn(void *arg);

struct mailbox *mailbox_new(struct event_base *base); /* NULL when out of memory or descriptors */
/* Runs what is still in it, then frees. On the base's thread. */
void mailbox_free(struct mailbox *m);

/* Any thread. fn(arg) runs on the base's thread soon. 0, or ERR_NOMEM. */
int mailbox_send(struct mailbox *m, mailbox_fn *fn, void *arg);

#endif
