#include "cohortctl/sim_events.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json_in.h"

#define BATCH_EVENTS 500     /* a server takes 1,000 */
#define BATCH_WAIT_US 100000 /* an event waits so long for company */
#define RETRY_US 500000

void sim_events_free(struct sim_events *s)
{
    buffer_free(&s->pending);
    for (int i = 0; i < SIM_BATCHES; i++)
        buffer_free(&s->batches[i].text);
}

void sim_events_add(struct sim_events *s, const char *name, const char *customer, int64_t wall_us,
                    int64_t now_us)
{
    uint8_t id[16];
    char uuid[37], when[28];
    uuid7(wall_us, id);
    uuid_format(id, uuid);
    time_format(wall_us, when);
    if (s->n_pending++ == 0)
        s->since_us = now_us;
    buffer_printf(&s->pending, "%s{\"id\":\"%s\",\"name\":\"%s\",\"units\":{\"user\":\"%s\"},\"ts\":\"%s\"}",
                  s->pending.len ? "," : "", uuid, name, customer, when);
}

static struct sim_batch *free_batch(struct sim_events *s)
{
    for (int i = 0; i < SIM_BATCHES; i++)
        if (s->batches[i].n == 0)
            return &s->batches[i];
    return NULL;
}

static int post(struct sim_batch *b, struct sim_http *h, struct sim_tag tag, const char *key, struct error *e)
{
    struct buffer body = {0};
    buffer_add_str(&body, "[");
    buffer_add(&body, b->text.data, b->text.len);
    buffer_add(&body, "]", 2);
    int rc = body.failed
                 ? error_set(e, ERR_NOMEM, "", "out of memory")
                 : sim_http_start(h, tag, "/v1/outcomes", key, (const char *)body.data, body.len - 1, e);
    buffer_free(&body);
    return rc;
}

int sim_events_send(struct sim_events *s, struct sim_http *h, int kind, const char *key, int64_t now_us,
                    bool flush, struct error *e)
{
    struct sim_batch *b = free_batch(s);
    bool due = flush || s->n_pending >= BATCH_EVENTS || now_us - s->since_us >= BATCH_WAIT_US;
    if (s->n_pending == 0 || !b || !due || now_us < s->retry_us || sim_http_room(h) == 0)
        return 0;
    buffer_free(&b->text);
    b->text = s->pending;
    b->n = s->n_pending;
    s->pending = (struct buffer){0};
    s->n_pending = 0;
    return post(b, h, (struct sim_tag){kind, (uint64_t)(b - s->batches)}, key, e);
}

/* Back in front of what waits. An event keeps its id and time, so that a second arrival changes nothing. */
static void put_back(struct sim_events *s, struct sim_batch *b, int64_t now_us)
{
    if (s->pending.len > 0) {
        buffer_add_str(&b->text, ",");
        buffer_add(&b->text, s->pending.data, s->pending.len);
    }
    buffer_free(&s->pending);
    s->pending = b->text;
    s->n_pending += b->n;
    s->since_us = now_us;
    s->retry_us = now_us + RETRY_US;
    *b = (struct sim_batch){.n = 0};
}

int sim_events_answer(struct sim_events *s, uint64_t number, long status, const char *text, size_t len,
                      int64_t now_us, struct sim_tally *t, struct error *e)
{
    struct sim_batch *b = &s->batches[number];
    if (status == 0 || status == 429 || status >= 500) {
        put_back(s, b, now_us);
        return 0;
    }
    json_t *answer = json_loadb(text, len, 0, NULL);
    const char *why = json_string_value(json_object_get(answer, "detail"));
    int rc = 0;
    if (status == 202) {
        t->accepted += (uint64_t)json_integer_value(json_object_get(answer, "accepted"));
        t->rejected += (uint64_t)json_integer_value(json_object_get(answer, "rejected"));
    } else {
        rc = error_set(e, ERR_INVALID, "/v1/outcomes", "answered %ld: %s", status,
                       why ? why : "no reason given");
    }
    json_decref(answer);
    b->n = 0;
    return rc;
}

unsigned sim_events_open(const struct sim_events *s)
{
    unsigned n = s->n_pending;
    for (int i = 0; i < SIM_BATCHES; i++)
        n += s->batches[i].n;
    return n;
}
