/* The thread that sends what waits, and what it does with each answer. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/client_private.h"
#include "codec/json_in.h"

struct sender {
    struct cohort_client *client;
    struct http *http;
    struct http_answer answer;
    struct backoff backoff;
    struct queue_batch batch;
    int64_t not_before_us;
};

static void all_again(struct sender *s)
{
    for (size_t i = 0; i < s->batch.n; i++)
        queue_again(s->client->queue, s->batch.events[i]);
}

/* Nobody knows whether the events were kept: they go again, with the same ids. */
static void come_again(struct sender *s)
{
    int64_t wait_us = backoff_next_us(&s->backoff, s->answer.retry_after_s, client_random());
    s->not_before_us = clock_monotonic_us() + wait_us;
    atomic_fetch_add(&s->client->failures, 1);
    all_again(s);
}

static void refuse(struct sender *s, struct queue_event *v, const char *code, const char *why)
{
    say_refused(&s->client->say, queue_event_id(v), code, why);
    queue_refused(s->client->queue, v);
}

static bool is_about_time(const char *code)
{
    return strcmp(code, "from_the_future") == 0 || strcmp(code, "too_old") == 0;
}

static const char *text_of(const json_t *o, const char *name, const char *absent)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : absent;
}

static void settle_rejected(struct sender *s, struct queue_event *v, const json_t *result)
{
    const char *code = text_of(result, "code", "rejected");
    int64_t off_us = atomic_load(&s->client->clock_off_us);
    if (is_about_time(code) && off_us != 0 && queue_restamp(s->client->queue, v, off_us))
        return;
    refuse(s, v, code, text_of(result, "reason", "The server gives no reason."));
}

/* By each event's place in the batch; one that the answer does not name goes again. */
static void settle(struct sender *s, const json_t *results)
{
    struct queue_batch *b = &s->batch;
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *r = json_array_get(results, i), *index = json_object_get(r, "index");
        size_t at = json_is_integer(index) ? (size_t)json_integer_value(index) : b->n;
        if (at >= b->n || !b->events[at])
            continue;
        struct queue_event *v = b->events[at];
        b->events[at] = NULL;
        if (strcmp(text_of(r, "status", ""), "accepted") == 0)
            queue_accepted(s->client->queue, v);
        else
            settle_rejected(s, v, r);
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->events[i])
            queue_again(s->client->queue, b->events[i]);
}

/* The body is at fault: smaller ones, or without the event that is. */
static void give_in_halves(struct sender *s)
{
    if (s->batch.n > 1) {
        queue_split(s->client->queue, &s->batch);
        return;
    }
    char why[80];
    snprintf(why, sizeof why, "The server answers %ld to this event alone.", s->answer.status);
    refuse(s, s->batch.events[0], s->answer.status == 413 ? "too_large" : "bad_request", why);
}

/* Whether results say what became of one event at least; what does not is somebody else's. */
static bool is_answer(const json_t *results, size_t n)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *index = json_object_get(json_array_get(results, i), "index");
        if (json_is_integer(index) && (size_t)json_integer_value(index) < n)
            return true;
    }
    return false;
}

static void read_answer(struct sender *s)
{
    struct http_answer *a = &s->answer;
    struct cohort_client *c = s->client;
    json_t *doc = NULL;
    if (a->status >= 200 && a->status < 300)
        doc = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
    const json_t *results = json_object_get(doc, "results");
    bool ours = is_answer(results, s->batch.n);
    client_heard(c, a, ours, "events can't be sent");
    if (ours) {
        s->backoff.failures = 0;
        settle(s, results);
    } else if ((a->status == 400 && !a->page) || a->status == 413) {
        s->backoff.failures = 0;
        give_in_halves(s);
    } else {
        come_again(s);
    }
    json_decref(doc);
}

static void send_batch(struct sender *s)
{
    struct cohort_client *c = s->client;
    char *key = client_key(c), *url = NULL;
    if (asprintf(&url, "%s/v1/%s", c->url, s->batch.kind == EVENT_OUTCOME ? "outcomes" : "exposures") < 0)
        url = NULL;
    if (key && url) {
        const struct http_request r = {.url = url,
                                       .key = key,
                                       .body = (const char *)s->batch.body.data,
                                       .len = s->batch.body.len,
                                       .ca_file = c->ca_file,
                                       .timeout_ms = c->timeout_ms,
                                       .end_at_us = &c->end_at_us};
        atomic_fetch_add(&c->requests, 1);
        http_call(s->http, &r, &s->answer);
        read_answer(s);
    } else {
        s->answer.retry_after_s = HTTP_NOT_SAID;
        come_again(s);
    }
    free(url);
    free(key);
}

void *sender_run(void *client)
{
    struct cohort_client *c = client;
    struct sender *s = calloc(1, sizeof *s);
    /* Without memory for so little nothing else goes on either; what waits is counted as left. */
    if (s && (s->http = http_new())) {
        *s = (struct sender){
            .client = c, .http = s->http, .backoff = {c->backoff_min_ms, c->backoff_max_ms, 0}};
        for (;;) {
            const struct queue_wait w = {c->batch_max, (int64_t)c->flush_ms * 1000, s->not_before_us};
            if (!queue_wait(c->queue, &w))
                break;
            if (queue_take(c->queue, c->batch_max, &s->batch))
                send_batch(s);
            else
                s->not_before_us = clock_monotonic_us() + (int64_t)c->backoff_min_ms * 1000;
        }
        http_free(s->http);
        buffer_free(&s->batch.body);
        buffer_free(&s->answer.body);
    }
    free(s);
    return NULL;
}
