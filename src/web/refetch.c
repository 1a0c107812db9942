#include "web/refetch.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "web/api_worker.h"
#include "web/query.h"
#include "web/streams.h"

#define WAIT_US 1000000
#define MAX_WAITING 256 /* of a worker; more are answered at once */

/* Hangs on its request, and lives as long. */
struct refetch {
    STAILQ_ENTRY(refetch) next;
    struct http_request *request;
    int64_t until_us;
};

STAILQ_HEAD(refetch_list, refetch);

struct refetches {
    struct api_worker *worker;
    struct event *timer;
    struct refetch_list waiting; /* by until_us */
    unsigned n;
};

static void arm(struct refetches *f)
{
    struct refetch *first = STAILQ_FIRST(&f->waiting);
    if (!first)
        return;
    int64_t us = first->until_us - clock_monotonic_us();
    struct timeval tv = {.tv_usec = us > 0 ? us % 1000000 : 0, .tv_sec = us > 0 ? us / 1000000 : 0};
    event_add(f->timer, &tv);
}

static struct http_request *take(struct refetch_list *from)
{
    struct http_request *r = STAILQ_FIRST(from)->request;
    STAILQ_REMOVE_HEAD(from, next);
    return r;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct refetches *f = arg;
    int64_t now = clock_monotonic_us();
    struct refetch *w;
    while ((w = STAILQ_FIRST(&f->waiting)) && w->until_us <= now) {
        f->n--;
        api_handle(take(&f->waiting), f->worker);
    }
    arm(f);
}

/* Some may wait on, in the order they had. */
void refetches_run(struct refetches *f)
{
    struct refetch_list all = STAILQ_HEAD_INITIALIZER(all);
    STAILQ_CONCAT(&all, &f->waiting);
    f->n = 0;
    while (!STAILQ_EMPTY(&all))
        api_handle(take(&all), f->worker);
    arm(f);
}

struct refetches *refetches_new(struct event_base *base, struct api_worker *w)
{
    struct refetches *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    STAILQ_INIT(&f->waiting);
    f->worker = w;
    f->timer = evtimer_new(base, on_timer, f);
    if (f->timer)
        return f;
    free(f);
    return NULL;
}

void refetches_free(struct refetches *f)
{
    if (!f)
        return;
    while (!STAILQ_EMPTY(&f->waiting))
        http_reply(take(&f->waiting), 503, NULL, NULL, 0);
    event_free(f->timer);
    free(f);
}

static bool is_behind(const struct api_context *c)
{
    const char *query = http_query(c->r);
    struct query_param p;
    while (*query && query_next(&query, &p) == 1)
        if (strcmp(p.name, "flagConfigEtag") == 0)
            return stream_mark_ahead(p.value, c->plan);
    return false;
}

bool refetch_expected(const struct api_context *c)
{
    return strstr(http_query(c->r), "flagConfigEtag=") && streams_expect(c->w->streams);
}

static struct refetch *waiter(struct http_request *r)
{
    struct refetch *w = http_data(r);
    if (w)
        return w;
    w = malloc(sizeof *w);
    if (!w)
        return NULL;
    w->request = r;
    w->until_us = clock_monotonic_us() + WAIT_US;
    http_set_data(r, w, free);
    return w;
}

bool refetch_waits(struct api_context *c)
{
    struct refetches *f = c->w->refetches;
    if (!is_behind(c))
        return false;
    struct refetch *w = f->n < MAX_WAITING ? waiter(c->r) : NULL;
    if (!w || w->until_us <= clock_monotonic_us()) {
        http_add_header(c->r, "Cohort-Plan-Behind", "true");
        return false;
    }
    http_forget_headers(c->r); /* they come again */
    STAILQ_INSERT_TAIL(&f->waiting, w, next);
    if (f->n++ == 0)
        arm(f);
    return true;
}
