#include "cohortd/relay.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct relay {
    struct mailbox *mailbox;
    struct spool *spool;
    struct caller *caller;
    size_t outstanding; /* only the worker's thread touches it */
};

struct relay *relay_new(struct mailbox *m, struct spool *s, struct caller *c)
{
    struct relay *r = calloc(1, sizeof *r);
    if (r)
        *r = (struct relay){m, s, c, 0};
    return r;
}

void relay_free(struct relay *r)
{
    free(r);
}

size_t relay_outstanding(const struct relay *r)
{
    return r->outstanding;
}

/* A completion must arrive: somebody's request waits for it. Memory comes back or the kernel ends us. */
static void send_surely(struct mailbox *m, mailbox_fn *fn, void *arg)
{
    while (mailbox_send(m, fn, arg) != ERR_OK)
        poll(NULL, 0, 1);
}

/* Pushes. */

struct push {
    struct relay *relay;
    api_pushed_fn *done;
    void *done_arg;
    int code;
    struct error error;
};

static void deliver_push(void *arg)
{
    struct push *p = arg;
    p->relay->outstanding--;
    p->done(p->done_arg, p->code, &p->error);
    free(p);
}

/* On the spool's writer thread. */
static void pushed(void *arg, int code, const struct error *e)
{
    struct push *p = arg;
    p->code = code;
    if (code != ERR_OK && e)
        p->error = *e;
    else
        error_clear(&p->error);
    send_surely(p->relay->mailbox, deliver_push, p);
}

int relay_push(void *relay, const uint8_t *bytes, size_t len, unsigned n_records, api_pushed_fn *done,
               void *done_arg)
{
    struct relay *r = relay;
    if (!done)
        return spool_push(r->spool, bytes, len, n_records, NULL, NULL);
    struct push *p = malloc(sizeof *p);
    if (!p)
        return ERR_NOMEM;
    p->relay = r;
    p->done = done;
    p->done_arg = done_arg;
    r->outstanding++;
    int code = spool_push(r->spool, bytes, len, n_records, pushed, p);
    if (code != ERR_OK) {
        r->outstanding--;
        free(p);
    }
    return code;
}

enum api_queue relay_level(void *relay)
{
    const struct relay *r = relay;
    switch (spool_level(r->spool)) {
    case SPOOL_OK:
        return QUEUE_OK;
    case SPOOL_HIGH:
        return QUEUE_HIGH;
    case SPOOL_FULL:
        return QUEUE_FULL;
    case SPOOL_FAILING:
        break;
    }
    return QUEUE_FAILING;
}

/* Calls. */

struct call {
    struct relay *relay;
    call_done_fn *done;
    void *done_arg;
    struct call_result result;
    char *texts; /* what the result points into */
};

static void deliver_call(void *arg)
{
    struct call *c = arg;
    c->relay->outstanding--;
    c->done(c->done_arg, &c->result);
    free(c->texts);
    free(c);
}

/* Copies the result, which is only valid now. */
static int keep(struct call *c, const struct call_result *r)
{
    const char *const from[] = {r->body, r->etag,       r->title,   r->detail,
                                r->hint, r->constraint, r->pointer, r->code};
    const char **const to[] = {&c->result.body, &c->result.etag,       &c->result.title,   &c->result.detail,
                               &c->result.hint, &c->result.constraint, &c->result.pointer, &c->result.code};
    size_t len = 0, n = sizeof from / sizeof *from;
    for (size_t i = 0; i < n; i++)
        len += from[i] ? strlen(from[i]) + 1 : 0;
    char *p = c->texts = malloc(len + 1);
    if (!p)
        return ERR_NOMEM;
    c->result.status = r->status;
    for (size_t i = 0; i < n; i++) {
        *to[i] = from[i] ? p : NULL;
        if (from[i])
            p = stpcpy(p, from[i]) + 1;
    }
    return ERR_OK;
}

/* On the caller's thread. */
static void called(void *arg, const struct call_result *r)
{
    struct call *c = arg;
    if (keep(c, r) != ERR_OK)
        c->result = (struct call_result){
            .status = 503, .code = "unavailable", .title = "Out of memory", .detail = "The answer was lost."};
    send_surely(c->relay->mailbox, deliver_call, c);
}

int relay_call(void *relay, const struct call_request *q, call_done_fn *done, void *done_arg)
{
    struct relay *r = relay;
    struct call *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NOMEM;
    *c = (struct call){.relay = r, .done = done, .done_arg = done_arg};
    r->outstanding++;
    int code = caller_submit(r->caller, q, called, c);
    if (code != ERR_OK) {
        r->outstanding--;
        free(c);
    }
    return code;
}
