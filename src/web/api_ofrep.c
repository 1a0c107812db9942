#include "web/api_ofrep.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json_in.h"
#include "codec/json_out.h"
#include "core/decide.h"
#include "core/event_token.h"
#include "core/sha256.h"
#include "web/api_worker.h"
#include "web/auth.h"
#include "web/decision_json.h"
#include "web/decision_log.h"
#include "web/decision_memory.h"
#include "web/etag.h"
#include "web/freshness.h"
#include "web/query.h"
#include "web/records.h"
#include "web/refetch.h"
#include "web/stream_offer.h"
#include "web/subject_read.h"

#define JSON "application/json"
#define DIGEST 16 /* bytes of the hash that an ETag has */
#define ETAG_TEXT 64
#define RECORD_WAIT_S 5
#define RECORD_WAIT_FAILING_US 100000 /* a full disk says so by then */

static const struct json_limits context_limits = {(size_t)64 * 1024, 32, 2000};

struct error_answer {
    const char *key, *code, *details;
};

static void write_error(struct json_out *o, void *arg)
{
    const struct error_answer *a = arg;
    json_out_begin_object(o);
    if (*a->key) {
        JSON_OUT_KEY(o, "key");
        json_out_string(o, a->key);
    }
    JSON_OUT_KEY(o, "errorCode");
    json_out_string(o, a->code);
    JSON_OUT_KEY(o, "errorDetails");
    json_out_string(o, a->details);
    json_out_end_object(o);
}

void ofrep_error(const struct api_context *c, int status, const char *code, const char *details)
{
    struct error_answer a = {c->name, code, details};
    http_set_reason(c->r, code);
    if (json_write(&c->w->out, write_error, &a))
        http_reply(c->r, status, JSON, c->w->out.data, c->w->out.len);
    else
        http_reply(c->r, 503, NULL, NULL, 0);
}

/* The request's context as a subject; both live in the worker's arena. False after an error answer. */
static bool read_subject(struct api_context *c, const struct attr **context, struct subject *s)
{
    struct error e;
    struct subject_refusal why;
    struct attr body;
    size_t len;
    const char *text = http_body(c->r, &len);
    int rc = json_in_read(c->w->arena, text, len, &context_limits, &body, &e);
    if (rc == ERR_NOMEM) {
        ofrep_error(c, 503, "GENERAL", "Out of memory.");
        return false;
    }
    if (rc != ERR_OK) {
        char sentence[sizeof e.text + sizeof e.place + 4];
        snprintf(sentence, sizeof sentence, "%s%s%s", e.place, e.place[0] ? ": " : "", e.text);
        ofrep_error(c, 400, "PARSE_ERROR", sentence);
        return false;
    }
    *context = attr_get(&body, "context", 7); /* in the arena, as all that is inside of the body */
    if (subject_read(*context, s, &why))
        return true;
    ofrep_error(c, 400, why.code, why.error.text);
    return false;
}

/* ?enroll=false: decided and logged, but not an exposure. -1 when it is neither true nor false. */
static int enrolls(const struct api_context *c)
{
    const char *query = http_query(c->r);
    struct query_param p;
    int enroll = 1;
    while (*query && query_next(&query, &p) == 1) {
        if (strcmp(p.name, "enroll") != 0)
            continue;
        enroll = strcmp(p.value, "true") == 0 ? 1 : strcmp(p.value, "false") == 0 ? 0 : -1;
    }
    return enroll;
}

/* An answer that waits for the records of its decisions. */
struct held {
    struct http_request *request; /* NULL: answered, and still to be told of its records */
    struct event *timer;
    size_t len;
    char body[];
};

static void answer_held(struct held *h, const char *record)
{
    if (!h->request)
        return;
    http_add_header(h->request, "Cohort-Record", record);
    http_reply(h->request, 200, JSON, h->body, h->len);
    h->request = NULL;
}

static void free_held(struct held *h)
{
    if (h->timer)
        event_free(h->timer);
    free(h);
}

static void on_recorded(void *held, bool kept)
{
    answer_held(held, kept ? "kept" : "lost");
    free_held(held);
}

static void on_waited(evutil_socket_t fd, short what, void *held)
{
    (void)fd;
    (void)what;
    answer_held(held, "unknown");
}

/* A disk that hangs must not hang decisions; one that is known to is hardly waited for. */
static void bound_wait(const struct api_context *c, struct held *h)
{
    bool failing = c->w->services.queue_level(c->w->services.arg) == QUEUE_FAILING;
    struct timeval most = {failing ? 0 : RECORD_WAIT_S, failing ? RECORD_WAIT_FAILING_US : 0};
    h->timer = evtimer_new(c->w->base, on_waited, h);
    if (h->timer)
        evtimer_add(h->timer, &most);
}

/* Makes room to hold the answer in the worker's buffer, where answers wait; false after an error answer. */
static bool prepare_held(const struct api_context *c, struct held **out)
{
    const struct buffer *body = &c->w->out;
    *out = NULL;
    if (!c->w->options.sync_records)
        return true;
    struct held *h = malloc(sizeof *h + body->len);
    if (!h) {
        ofrep_error(c, 503, "GENERAL", "Out of memory.");
        return false;
    }
    h->request = c->r;
    h->timer = NULL;
    h->len = body->len;
    memcpy(h->body, body->data, body->len);
    *out = h;
    return true;
}

/* The answer; a held one when its records are kept, or it is known that they won't be. */
static void answer(const struct api_context *c, struct held *h)
{
    if (!h) {
        http_reply(c->r, 200, JSON, c->w->out.data, c->w->out.len);
        return;
    }
    enum records_wait wait = records_wait(c->w->records, on_recorded, h);
    if (wait == RECORDS_COMING)
        bound_wait(c, h);
    else
        on_recorded(h, wait == RECORDS_NONE);
}

/* A browser's proof of whom it asked about; servers need none. The text may be empty: no token. */
struct pass {
    int64_t expires_us;
    char text[EVENT_TOKEN_TEXT + 1];
};

static void make_pass(const struct api_context *c, struct subject *s, int64_t now_us, struct pass *out)
{
    out->text[0] = '\0';
    out->expires_us = event_token_expiry(now_us, c->w->options.event_max_age_us);
    if (c->key->role != ROLE_CLIENT || !event_token_make(c->plan, s, out->expires_us, out->text))
        out->expires_us = 0;
}

static const char *pass_text(const struct pass *p)
{
    return p->text[0] ? p->text : NULL;
}

struct single {
    const struct plan *plan;
    struct pass pass;
    int64_t now_us;
    struct decision decision;
    const struct decision_known *known;
    struct decision_end end;
    uint8_t id[16];
};

static void write_single(struct json_out *o, void *arg)
{
    const struct single *s = arg;
    decision_json(o, s->plan, &s->decision, &s->known->shared, &s->end, s->id, s->now_us);
}

void ofrep_single(struct api_context *c)
{
    const struct plan *p = c->plan;
    const struct attr *context;
    struct subject subject;
    struct held *held;
    int enroll = enrolls(c);
    if (enroll < 0) {
        ofrep_error(c, 400, "PARSE_ERROR", "The parameter enroll is true or false.");
        return;
    }
    if (!read_subject(c, &context, &subject))
        return;
    const struct plan_flag *flag = plan_flag_find(p, c->name, c->name_len);
    if (!flag) {
        ofrep_error(c, 404, "FLAG_NOT_FOUND",
                    "There is no flag with this key; an experiment makes one when it is created.");
        return;
    }
    int64_t now = clock_wall_us();
    struct single s;
    s.plan = p;
    s.now_us = now;
    uuid7_from(&c->w->random, now,
               s.id); /* before it is known what is decided: it takes part in some draws */
    decide(p, flag, &subject, s.id, now, freshness_blind_us(c->w->services.counters), &s.decision);
    make_pass(c, &subject, now, &s.pass);
    decision_json_end(p, pass_text(&s.pass), &s.end);
    s.known = decision_memory_get(c->w->decisions, c->w->arena, &s.decision);
    counter_add(c->w->services.counters, decisions, 1);
    if (!s.known || !json_write(&c->w->out, write_single, &s)) {
        ofrep_error(c, 503, "GENERAL", "Out of memory.");
        return;
    }
    if (!prepare_held(c, &held))
        return;
    decision_log(c, &s.decision, s.id, now, enroll, context);
    answer(c, held);
}

struct bulk {
    const struct plan *plan;
    struct pass pass;
    struct stream_offer stream;
    int64_t now_us;
    size_t n;
    struct decision *decisions;
    const struct decision_known **known; /* of each */
    uint8_t (*ids)[16];
};

static void write_bulk(struct json_out *o, void *arg)
{
    const struct bulk *b = arg;
    struct decision_end end;
    decision_json_end(b->plan, pass_text(&b->pass), &end);
    json_out_begin_object(o);
    JSON_OUT_KEY(o, "flags");
    json_out_begin_array(o);
    for (size_t i = 0; i < b->n; i++)
        decision_json(o, b->plan, &b->decisions[i], &b->known[i]->shared, &end, b->ids[i], b->now_us);
    json_out_end_array(o);
    JSON_OUT_KEY(o, "metadata");
    json_out_begin_object(o);
    if (b->pass.text[0]) {
        JSON_OUT_KEY(o, "eventToken");
        json_out_string(o, b->pass.text);
    }
    json_out_end_object(o);
    stream_offer_write(o, &b->stream);
    json_out_end_object(o);
}

/* Depends on what was decided (so on the configuration), on the whole context, on the credential and on when
 * the event token expires, once a day; not on the decisions' ids, which are new every time. */
static void hash_bulk(const struct api_context *c, const struct bulk *b, uint8_t digest[SHA256_BYTES])
{
    struct sha256 h;
    size_t len;
    const char *body = http_body(c->r, &len);
    sha256_init(&h);
    sha256_update(&h, &c->key->id, sizeof c->key->id);
    sha256_update(&h, &b->pass.expires_us, sizeof b->pass.expires_us);
    sha256_update(&h, body, len);
    for (size_t i = 0; i < b->n; i++)
        sha256_update(&h, b->known[i]->digest, DECISION_DIGEST);
    sha256_final(&h, digest);
}

static void write_etag(const uint8_t digest[SHA256_BYTES], int64_t expires_us, char etag[ETAG_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t expires_s = (uint32_t)(expires_us / 1000000);
    *etag++ = '"';
    for (size_t i = 0; i < DIGEST; i++) {
        *etag++ = digits[digest[i] >> 4];
        *etag++ = digits[digest[i] & 15];
    }
    *etag++ = '.';
    for (int shift = 28; shift >= 0; shift -= 4)
        *etag++ = digits[expires_s >> shift & 15];
    *etag++ = '"';
    *etag = '\0';
}

/* Behind the hash stands when the offered stream's token expires. A 304 leaves the client with the token it
 * has: so it may be of the life before this one, which is still good, but not older; then the same decisions
 * are answered in full, with a new token. True: 304; etag is the answer's either way. */
static bool client_has_it(const struct api_context *c, const struct bulk *b, char etag[ETAG_TEXT])
{
    uint8_t digest[SHA256_BYTES];
    const char *has = http_header(c->r, "if-none-match");
    int64_t expires = b->stream.expires_us;
    hash_bulk(c, b, digest);
    if (has && expires) {
        write_etag(digest, expires - STREAM_TOKEN_LIFE_US, etag);
        if (etag_matches(has, etag))
            return true;
    }
    write_etag(digest, expires, etag);
    return etag_matches(has, etag);
}

static bool decide_all(struct api_context *c, struct subject *s, int64_t now, struct bulk *b)
{
    const struct plan *p = b->plan;
    int64_t blind_us = freshness_blind_us(c->w->services.counters);
    size_t n = plan_flag_count(p);
    b->decisions = arena_room(c->w->arena, (n + 1) * sizeof *b->decisions);
    b->known = arena_room(c->w->arena, (n + 1) * sizeof *b->known);
    b->ids = arena_room(c->w->arena, (n + 1) * sizeof *b->ids);
    if (!b->decisions || !b->known || !b->ids)
        return false;
    make_pass(c, s, now, &b->pass);
    for (size_t i = 0; i < n; i++) {
        struct decision *d = &b->decisions[b->n];
        uuid7_from(&c->w->random, now, b->ids[b->n]);
        decide(p, plan_flag_at(p, i), s, b->ids[b->n], now, blind_us, d);
        if (plan_flag_archived(d->flag))
            continue;
        b->known[b->n] = decision_memory_get(c->w->decisions, c->w->arena, d);
        if (!b->known[b->n++])
            return false;
    }
    counter_add(c->w->services.counters, decisions, (int64_t)b->n);
    return true;
}

void ofrep_bulk(struct api_context *c)
{
    const struct attr *context;
    struct subject subject;
    int64_t now = clock_wall_us();
    struct bulk b = {.plan = c->plan, .now_us = now};
    char etag[ETAG_TEXT];
    struct held *held;
    if (refetch_waits(c) || !read_subject(c, &context, &subject))
        return;
    if (!decide_all(c, &subject, now, &b)) {
        ofrep_error(c, 503, "GENERAL", "Out of memory.");
        return;
    }
    stream_offer_make(c, now, &b.stream);
    bool has_it = client_has_it(c, &b, etag);
    http_add_header(c->r, "ETag", etag);
    http_add_header(c->r, "Cache-Control", "private, no-cache");
    if (has_it) {
        http_reply(c->r, 304, NULL, NULL, 0);
        return;
    }
    stream_offer_sign(c, &b.stream);
    if (!json_write(&c->w->out, write_bulk, &b)) {
        ofrep_error(c, 503, "GENERAL", "Out of memory.");
        return;
    }
    if (!prepare_held(c, &held))
        return;
    decision_log_bulk(c, b.decisions, (const uint8_t(*)[16])b.ids, b.n, now, context);
    answer(c, held);
}
