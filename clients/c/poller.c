/* The thread that fetches the definitions, for clients that decide by themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/client_private.h"
#include "codec/plan_json.h"

struct poller {
    struct cohort_client *client;
    struct http *http;
    struct http_answer answer;
    struct backoff backoff;
    char etag[80];
};

/* What was heard in an answer holds since it was asked for at the latest. */
static void note_ages(struct cohort_client *c, const struct http_answer *a, int64_t asked_us)
{
    atomic_store(&c->confirmed_us, asked_us);
    if (a->monitor_age_s >= 0)
        atomic_store(&c->monitor_heard_us, asked_us - a->monitor_age_s * 1000000);
    else if (a->monitor_age_s == HTTP_NEVER)
        atomic_store(&c->monitor_heard_us, INT64_MIN);
}

static void say_quarantine(struct cohort_client *c, const struct plan *p)
{
    say_over(&c->say, COHORT_TROUBLE_PLAN);
    for (size_t i = 0; i < plan_quarantine_count(p); i++)
        say_once(&c->say, COHORT_TROUBLE_PLAN, "%zu definitions can't be used; the first: %s",
                 plan_quarantine_count(p), plan_quarantine_at(p, i));
}

static void serve(struct cohort_client *c, const struct plan *p)
{
    pthread_mutex_lock(&c->plan_lock);
    const struct plan *old = c->plan;
    c->plan = p;
    atomic_fetch_add(&c->plan_generation, 1);
    pthread_cond_broadcast(&c->plan_news);
    pthread_mutex_unlock(&c->plan_lock);
    plan_unref(old);
}

/* False: not a plan document, or none that this version reads. */
static bool take_plan(struct poller *p, int64_t asked_us)
{
    struct http_answer *a = &p->answer;
    struct error e;
    struct plan *plan;
    if (plan_from_json((const char *)a->body.data, a->body.len, &plan, &e) != 0) {
        say_once(&p->client->say, COHORT_TROUBLE_PLAN, "the definitions can't be read: %s%s%s", e.place,
                 e.place[0] ? ": " : "", e.text);
        return false;
    }
    snprintf(p->etag, sizeof p->etag, "%s", a->etag);
    note_ages(p->client, a, asked_us); /* before the first decision under it */
    say_quarantine(p->client, plan);
    serve(p->client, plan);
    return true;
}

/* One look; false: it failed. */
static bool look(struct poller *p)
{
    struct cohort_client *c = p->client;
    char *key = client_key(c), *url = NULL;
    bool ok = false;
    if (asprintf(&url, "%s/v1/plan-document", c->url) < 0)
        url = NULL;
    if (key && url) {
        const struct http_request r = {.url = url,
                                       .key = key,
                                       .etag = p->etag[0] ? p->etag : NULL,
                                       .ca_file = c->ca_file,
                                       .timeout_ms = c->timeout_ms < 10000 ? 10000 : c->timeout_ms,
                                       .end_at_us = &c->end_at_us};
        int64_t asked_us = clock_monotonic_us();
        http_call(p->http, &r, &p->answer);
        if (p->answer.status == 304)
            note_ages(c, &p->answer, asked_us);
        ok = p->answer.status == 304 || (p->answer.status == 200 && take_plan(p, asked_us));
        client_heard(c, &p->answer, ok, "the definitions can't be fetched");
    }
    free(url);
    free(key);
    return ok;
}

/* Until the next look is due, or wished for; false: the client ends. */
static bool rest(struct cohort_client *c, int64_t until_us)
{
    struct timespec t = {until_us / 1000000, until_us % 1000000 * 1000};
    pthread_mutex_lock(&c->plan_lock);
    while (!c->refresh && !c->ending && clock_monotonic_us() < until_us)
        pthread_cond_timedwait(&c->plan_news, &c->plan_lock, &t);
    c->refresh = false;
    bool on = !c->ending;
    pthread_mutex_unlock(&c->plan_lock);
    return on;
}

/* With some chance in it, so that not all clients ask at the same moment. */
static int64_t pause_us(struct poller *p, bool ok)
{
    int64_t poll_us = (int64_t)p->client->poll_ms * 1000;
    if (!ok)
        return backoff_next_us(&p->backoff, p->answer.retry_after_s, client_random());
    p->backoff.failures = 0;
    return poll_us - (int64_t)((uint64_t)(poll_us / 10) * client_random() >> 32);
}

void *poller_run(void *client)
{
    struct cohort_client *c = client;
    struct poller p = {.client = c, .backoff = {c->backoff_min_ms, c->backoff_max_ms, 0}};
    int64_t next_us = 0;
    uselocale(c->plain);
    p.http = http_new();
    while (p.http && rest(c, next_us)) {
        bool ok = look(&p);
        next_us = clock_monotonic_us() + pause_us(&p, ok);
    }
    http_free(p.http);
    buffer_free(&p.answer.body);
    return NULL;
}

int cohort_wait_ready(struct cohort_client *c, unsigned deadline_ms)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)deadline_ms * 1000;
    struct timespec t = {until_us / 1000000, until_us % 1000000 * 1000};
    if (!c->local)
        return COHORT_OK;
    pthread_mutex_lock(&c->plan_lock);
    while (!c->plan && clock_monotonic_us() < until_us)
        pthread_cond_timedwait(&c->plan_news, &c->plan_lock, &t);
    bool ready = c->plan != NULL;
    pthread_mutex_unlock(&c->plan_lock);
    return ready ? COHORT_OK : COHORT_UNAVAILABLE;
}

void cohort_refresh(struct cohort_client *c)
{
    pthread_mutex_lock(&c->plan_lock);
    c->refresh = true;
    pthread_cond_broadcast(&c->plan_news);
    pthread_mutex_unlock(&c->plan_lock);
}
