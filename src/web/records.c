#include "web/records.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "codec/record_list.h"

#define FLUSH_US 1000
#define FLUSH_BYTES 65536
#define LEAST_KEYS 64
#define SEEN_SLOTS 8192 /* a power of two; 224 KiB a worker */

/* Which assignment of whom: what makes an exposure a repeat. */
struct seen_key {
    struct unit unit;
    int32_t experiment_id, variant_id, phase_id;
};

struct records {
    struct event *timer;
    const struct api_services *services;
    struct buffer decisions, exposures; /* apart, so that decisions are neighbours; pushed in this order */
    struct record_list list;            /* of the decisions */
    struct buffer keys;                 /* one seen_key for each exposure */
    unsigned n;                         /* records in both */
    bool wait;                          /* no timer: records_wait pushes */
    bool lost;                          /* one of those since the last push found no memory */
    bool scheduled;
    struct in_flight *spare; /* the last push's memory, for the next */
    struct seen_key seen[SEEN_SLOTS];
};

/* What to remember when a push is durable, and whom to tell. */
struct in_flight {
    struct records *owner;
    records_done_fn *done;
    void *done_arg;
    unsigned n_records;
    size_t n_keys, cap; /* keys, and room for them */
    struct seen_key keys[];
};

static struct seen_key *seen_place(struct records *r, const struct seen_key *k)
{
    uint32_t h;
    memcpy(&h, k->unit.bytes, sizeof h); /* a unit is a hash already */
    h ^= (uint32_t)k->experiment_id * 2654435761u;
    return &r->seen[h & (SEEN_SLOTS - 1)];
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    records_flush(arg);
}

struct records *records_new(struct event_base *base, const struct api_services *services, bool wait)
{
    struct records *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->services = services;
    r->wait = wait;
    r->timer = evtimer_new(base, on_timer, r);
    if (!r->timer) {
        free(r);
        return NULL;
    }
    return r;
}

void records_free(struct records *r)
{
    if (!r)
        return;
    records_flush(r);
    event_free(r->timer);
    free(r->spare);
    buffer_free(&r->decisions);
    buffer_free(&r->exposures);
    buffer_free(&r->keys);
    free(r);
}

static void give_back(struct in_flight *f)
{
    struct records *r = f->owner;
    if (r->spare && r->spare->cap >= f->cap) {
        free(f);
        return;
    }
    free(r->spare);
    r->spare = f;
}

/* With room for n keys; NULL when there is no memory. */
static struct in_flight *take_spare(struct records *r, size_t n)
{
    struct in_flight *f = r->spare;
    r->spare = NULL;
    if (f && f->cap >= n)
        return f;
    free(f);
    size_t cap = LEAST_KEYS;
    while (cap < n)
        cap *= 2;
    f = malloc(sizeof *f + cap * sizeof(struct seen_key));
    if (f)
        f->cap = cap;
    return f;
}

static void on_pushed(void *arg, int code, const struct error *e)
{
    struct in_flight *f = arg;
    (void)e; /* the spool says why, and cohortd how many */
    if (code == ERR_OK) {
        for (size_t i = 0; i < f->n_keys; i++)
            *seen_place(f->owner, &f->keys[i]) = f->keys[i];
    } else {
        counter_add(f->owner->services->counters, records_lost, f->n_records);
    }
    if (f->done)
        f->done(f->done_arg, code == ERR_OK);
    give_back(f);
}

static void schedule(struct records *r)
{
    if (r->wait)
        return;
    if (r->decisions.len + r->exposures.len >= FLUSH_BYTES) {
        records_flush(r);
    } else if (!r->scheduled) {
        struct timeval soon = {0, FLUSH_US};
        r->scheduled = evtimer_add(r->timer, &soon) == 0;
    }
}

/* Room in one of the buffers for a record. NULL: it is lost, and those before it are whole. */
static uint8_t *room_for(struct records *r, struct buffer *b, size_t most)
{
    uint8_t *to = buffer_reserve(b, most);
    if (!to) {
        b->failed = false;
        r->lost = true;
        counter_add(r->services->counters, records_lost, 1);
    }
    return to;
}

void records_decision(struct records *r, const struct record_decision *d)
{
    struct buffer *b = &r->decisions;
    if (!room_for(r, b, record_list_most(d)))
        return;
    b->len = record_list_add(&r->list, d, b->data, b->len, b->cap);
    r->n++;
    schedule(r);
}

void records_exposure(struct records *r, const struct record_exposure *x)
{
    struct seen_key k = {x->unit, x->experiment_id, x->variant_id, x->phase_id};
    if (memcmp(seen_place(r, &k), &k, sizeof k) == 0)
        return;
    struct buffer *b = &r->exposures;
    struct record rec = {.kind = RECORD_EXPOSURE, .u.exposure = *x};
    uint8_t *to = room_for(r, b, record_most(&rec));
    if (!to)
        return;
    b->len += record_write(&rec, to, b->cap - b->len);
    r->n++;
    buffer_add(&r->keys, &k, sizeof k);
    counter_add(r->services->counters, exposures, 1);
    schedule(r);
}

static int push(struct records *r, records_done_fn *done, void *arg)
{
    size_t keys_len = r->keys.failed ? 0 : r->keys.len, n_keys = keys_len / sizeof(struct seen_key);
    struct in_flight *f = take_spare(r, n_keys);
    int rc = ERR_NOMEM;
    if (f) {
        *f = (struct in_flight){r, done, arg, r->n, n_keys, f->cap};
        if (keys_len)
            memcpy(f->keys, r->keys.data, keys_len);
    }
    buffer_add(&r->decisions, r->exposures.data, r->exposures.len);
    if (f && !r->decisions.failed)
        rc = r->services->push(r->services->arg, r->decisions.data, r->decisions.len, r->n, on_pushed, f);
    if (rc != ERR_OK) {
        counter_add(r->services->counters, records_lost, r->n);
        if (f)
            give_back(f);
    }
    buffer_clear(&r->decisions);
    buffer_clear(&r->exposures);
    buffer_clear(&r->keys);
    r->list = (struct record_list){0};
    r->n = 0;
    r->lost = false;
    return rc;
}

void records_flush(struct records *r)
{
    evtimer_del(r->timer);
    r->scheduled = false;
    if (r->n > 0)
        push(r, NULL, NULL);
}

enum records_wait records_wait(struct records *r, records_done_fn *done, void *arg)
{
    bool lost = r->lost;
    r->lost = false;
    if (r->n == 0)
        return lost ? RECORDS_LOST : RECORDS_NONE;
    if (lost) { /* nothing to wait for: it won't be whole */
        push(r, NULL, NULL);
        return RECORDS_LOST;
    }
    return push(r, done, arg) == ERR_OK ? RECORDS_COMING : RECORDS_LOST;
}
