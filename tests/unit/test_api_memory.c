/* Each allocation fails in turn while a request is answered, of ours, libevent's and jansson's: for every
 * route there is an error answer or the right one, or the connection ends; nothing leaks; and what was
 * answered is what was recorded. Usage: test_api_memory [ROUTE] */
#include <event2/event.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_bed.h"
#include "base/log.h"
#include "codec/plan_json.h"
#include "codec/record.h"
#include "core/error.h"
#include "failing_alloc.h"
#include "failing_jansson.h"
#include "web/router.h"

#define ANSWER_ROOM (1 << 20)

static struct plan_set *plans;
static const char *only;
static unsigned long n_requests, n_failed, n_wrong;

/* --- one request --- */

struct outcome {
    int status; /* 0: none */
    size_t len; /* of the body */
    char body[4096];
    unsigned n_answers, n_records, n_kept, n_calls;
    int64_t lost;
};

struct ask {
    const char *what; /* for who reads of a failure */
    struct buffer text;
    bool head, sync, exact; /* exact: the answer is the same every time */
    enum api_queue level;
};

/* All records are whole. */
static bool records_are_whole(const struct api_bed *b)
{
    struct record_reader reader;
    struct record r;
    unsigned n = 0;
    int got;
    record_reader_init(&reader, b->pushed.data, b->pushed.len);
    while ((got = record_next(&reader, &r)) == 1)
        n++;
    return got == 0 && n == b->n_records;
}

static bool read_outcome(const struct ask *a, const struct api_bed *b, const struct buffer *got,
                         struct outcome *out)
{
    size_t at = 0, len;
    const char *body;
    int status;
    memset(out, 0, sizeof *out);
    while ((status = api_bed_answer(got, &at, a->head, &body, &len)) > 0) {
        out->n_answers++;
        out->status = status;
        out->len = len;
        memcpy(out->body, body, len < sizeof out->body ? len : sizeof out->body);
    }
    out->n_records = b->n_records;
    out->n_kept = b->n_kept;
    out->n_calls = b->n_calls;
    out->lost = counter_get(&b->counters, records_lost);
    return status == 0;
}

/* On a server of its own, so that every buffer is new. True: no allocation failed. */
static bool run(const struct ask *a, enum failing_mode mode, long n, struct outcome *out, bool *whole)
{
    static struct api_bed b;
    struct buffer got = {0};
    if (api_bed_open(&b, a->sync, false) != 0) {
        fprintf(stderr, "no server\n");
        exit(1);
    }
    api_worker_set_plans(b.worker, plan_set_ref(plans));
    b.level = a->level;
    buffer_reserve(&b.pushed, 65536);
    buffer_reserve(&got, ANSWER_ROOM);
    if (n >= 0)
        failing_arm(mode, n);
    *whole = api_bed_ask(&b, a->text.data, a->text.len, &got);
    api_worker_flush(b.worker);
    api_bed_complete(&b);
    bool failed = n >= 0 && failing_disarm();
    *whole = read_outcome(a, &b, &got, out) && records_are_whole(&b) && *whole;
    api_bed_close(&b);
    buffer_free(&got);
    return !failed;
}

/* --- what may come of it --- */

/* What is wrong with the outcome, or NULL. right: what comes of it when nothing fails. */
static const char *judge(const struct ask *a, const struct outcome *right, const struct outcome *o,
                         bool whole)
{
    if (!whole)
        return "an answer or a record is cut off, or the connection stays open";
    if (o->n_answers > right->n_answers)
        return "more answers than requests";
    if (o->status == 0)
        return NULL;
    if (o->status == 503)
        return o->n_kept > 0 ? "refused, and recorded all the same" : NULL;
    if (o->status != right->status)
        return "another status";
    if (o->status >= 300)
        return NULL;
    if (a->exact && (o->len != right->len || memcmp(o->body, right->body, sizeof o->body) != 0))
        return "another answer";
    if (o->n_records + (unsigned)o->lost != right->n_records)
        return "records are missing that nobody counted as lost";
    return o->n_calls != right->n_calls ? "another number of calls" : NULL;
}

static void report(const struct ask *a, enum failing_mode mode, long n, const struct outcome *right,
                   const struct outcome *o, const char *wrong)
{
    if (n_wrong++ < 60)
        printf("%s: allocation %ld%s: %s: %d (%u records, %u kept, %" PRId64
               " lost, %u calls), not %d (%u records, "
               "%u calls)\n%.*s\n",
               a->what, n, mode == FAIL_ALL ? " and all behind it" : "", wrong, o->status, o->n_records,
               o->n_kept, o->lost, o->n_calls, right->status, right->n_records, right->n_calls,
               (int)(o->len < 300 ? o->len : 300), o->body);
}

static void fail_in_turn(const struct ask *a)
{
    struct outcome right, o;
    bool whole, through = false;
    if (only && !strstr(a->what, only))
        return;
    run(a, FAIL_ONE, -1, &right, &whole);
    if (!whole || right.status == 0) {
        report(a, FAIL_ONE, -1, &right, &right, "no right answer");
        return;
    }
    n_requests++;
    for (long n = 0; n < 3000 && !through; n++) {
        static const enum failing_mode modes[] = {FAIL_ONE, FAIL_ALL};
        for (int m = 0; m < 2; m++) {
            through = run(a, modes[m], n, &o, &whole);
            n_failed += !through;
            const char *wrong = judge(a, &right, &o, whole);
            if (wrong)
                report(a, modes[m], n, &right, &o, wrong);
        }
    }
}

/* --- the requests --- */

#define EVENT(id, more)                                                                                      \
    "{\"id\":\"0190b5e4-0000-7000-8000-00000000000" id                                                       \
    "\",\"units\":{\"user\":\"c-1\"},\"ts\":\"2026-11-28T10:00:00Z\"," more "}"
#define REFUND(id) EVENT(id, "\"name\":\"refund\",\"value\":2.5,\"attributes\":{\"plan\":\"pro\"}")
#define ODD_REFUND(id) EVENT(id, "\"name\":\"re\\u0066und\",\"attributes\":{\"plan\":\"pro\",\"amount\":5}")
#define SEEN(id) EVENT(id, "\"experiment\":\"base\",\"variant\":\"control\",\"phase\":1")
#define CONTEXT                                                                                              \
    "{\"context\":{\"targetingKey\":\"c-1\",\"country\":\"DE\",\"amount\":5,\"big\":1e22,\"list\":[1,{"      \
    "\"a\":null}]}}"
#define UNUSUAL_CONTEXT                                                                                      \
    "{\"context\":{\"targetingKey\":\"c-1\",\"country\":\"DE\",\"amount\":12345678901234567890123}}"

/* Bodies that the routes of one kind take, and some that they don't. */
static const char *const events[] = {"[" REFUND("1") "," REFUND("2") "]",
                                     "{\"events\":[" ODD_REFUND("1") "," SEEN("2") ",7]}",
                                     "[" SEEN("3") "]",
                                     "[{\"a\":]," REFUND("4") "]",
                                     "{\"events\":",
                                     NULL};
static const char *const contexts[] = {CONTEXT, UNUSUAL_CONTEXT, "{\"context\":{}}", "{", NULL};
static const char *const previews[] = {
    "{\"flag\":\"full\",\"context\":{\"targetingKey\":\"c-1\",\"country\":\"DE\",\"vip\":true}}", "{", NULL};
static const char *const objects[] = {"{\"a\":[1,{\"b\":2.5}],\"reason\":\"it did harm\",\"confirm\":true}",
                                      "[{\"key\":\"a\"}]", "{\"a\":", NULL};
static const char *const nothing[] = {"", NULL};

static const char *const *bodies_of(const struct route *r)
{
    if (r->method != HTTP_POST && r->method != HTTP_PUT && r->method != HTTP_PATCH)
        return nothing;
    if (r->errors == ERRORS_OFREP)
        return contexts;
    if (r->key_in_body)
        return events;
    return strcmp(r->pattern, "/v1/preview") == 0 ? previews : objects;
}

static void put_head(struct buffer *out, const struct route *r, const char *name, enum bed_key key)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const char *brace = strchr(r->pattern, '{');
    buffer_printf(out, "%s ", methods[r->method]);
    out->len -= out->data[out->len - 1] == '\0';
    buffer_add(out, r->pattern, brace ? (size_t)(brace - r->pattern) : strlen(r->pattern));
    if (brace) {
        buffer_add_str(out, name);
        buffer_add_str(out, strchr(brace, '}') + 1);
    }
    buffer_add_str(out, r->op && strcmp(r->op, "list") == 0 ? "?limit=5&after=a" : "");
    buffer_add_str(out, " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ");
    buffer_add_str(out, api_bed_key(key));
    buffer_add_str(out,
                   "\r\nOrigin: https://shop.example\r\nIf-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\n");
}

static void put_body(struct buffer *out, const char *body)
{
    char line[48];
    snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", strlen(body));
    buffer_add_str(out, line);
    buffer_add_str(out, body);
}

static void ask_route(const struct route *r, const char *name, enum bed_key key, const char *body, bool sync)
{
    char what[160];
    struct ask a = {.what = what, .sync = sync, .exact = r->errors != ERRORS_OFREP && r->handler};
    snprintf(what, sizeof what, "%d %s %.60s", (int)r->method, r->pattern, body);
    a.exact = a.exact && r->may != 0 && strcmp(r->pattern, "/v1/preview") != 0;
    put_head(&a.text, r, name, key);
    put_body(&a.text, body);
    fail_in_turn(&a);
    buffer_free(&a.text);
}

static void every_route(void)
{
    size_t n;
    const struct route *routes = router_routes(&n);
    for (size_t i = 0; i < n; i++) {
        const struct route *r = &routes[i];
        /* What is alike is asked with one body alone. */
        bool alike = i > 0 && r->handler == routes[i - 1].handler;
        for (const char *const *body = bodies_of(r); *body && !(alike && body > bodies_of(r)); body++) {
            ask_route(r, "full", BED_ADMIN, *body, false);
            if (r->errors == ERRORS_OFREP)
                ask_route(r, "hello", BED_CLIENT, *body, true);
        }
        if (!alike)
            ask_route(r, "%zz", BED_CLIENT, "{}", false);
    }
}

/* --- requests of the layer below --- */

static const char *const raw[] = {
    "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n",
    "BREW /v1/experiments HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS /v1/outcomes HTTP/1.1\r\nHost: h\r\nOrigin: "
    "https://shop.example\r\nAccess-Control-Request-Method: "
    "POST\r\n\r\n",
    "HEAD /v1/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno!",
    "POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nX-API-Key: ck_events_bed\r\nTransfer-Encoding: "
    "chunked\r\n\r\n2\r\n[7\r\n1\r\n]\r\n0\r\nT: x\r\n\r\n",
    "POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nX-API-Key: ck_events_bed\r\nExpect: "
    "100-continue\r\nContent-Length: 3\r\n\r\n[7]",
    "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\nGET /readyz HTTP/1.1\r\nHost: h\r\n\r\nGET /metrics "
    "HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nContent-Length: "
    "40\r\n\r\n{\"key\":\"ck_client_bed\",\"events\":[{}]}   "};

static void every_raw(void)
{
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        struct ask a = {.what = raw[i], .head = strncmp(raw[i], "HEAD", 4) == 0};
        buffer_add_str(&a.text, raw[i]);
        fail_in_turn(&a);
        buffer_free(&a.text);
    }
}

/* A body that comes in many pieces, and an answer in the way of full queues. */
static void large_batches(void)
{
    static const enum api_queue levels[] = {QUEUE_OK, QUEUE_HIGH, QUEUE_FULL, QUEUE_FAILING};
    struct buffer body = {0};
    buffer_add_str(&body, "[" REFUND("1"));
    for (int i = 0; i < 80; i++)
        buffer_add_str(&body, "," REFUND("2"));
    buffer_add(&body, "]", 2);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        struct ask a = {.what = "many events", .exact = true, .level = levels[i]};
        buffer_add_str(&a.text, "POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nX-API-Key: ck_events_low\r\n");
        put_body(&a.text, (const char *)body.data);
        fail_in_turn(&a);
        buffer_free(&a.text);
    }
    buffer_free(&body);
}

/* --- plans --- */

static bool same_plans(const struct plan_set *a, const struct plan_set *b)
{
    for (size_t i = 0; i < plan_set_count(b); i++) {
        const struct plan *p = plan_set_at(a, i), *q = plan_set_at(b, i);
        size_t p_len, q_len;
        const char *mine = plan_document(p, &p_len), *theirs = plan_document(q, &q_len);
        if (plan_quarantine_count(p) > 0 || !mine || p_len != q_len || memcmp(mine, theirs, q_len) != 0)
            return false;
    }
    return plan_set_count(a) == plan_set_count(b);
}

static void plan_loading(void)
{
    char *text = api_bed_document();
    long n = 0;
    int rc = ERR_NOMEM;
    for (; rc != ERR_OK && n < 20000; n++) {
        struct plan_set *set = NULL;
        struct error e;
        error_clear(&e);
        failing_arm(FAIL_ONE, n);
        rc = plan_set_from_json(text, strlen(text), &set, &e);
        failing_disarm();
        n_failed += rc != ERR_OK;
        if (rc != ERR_OK && (rc != ERR_NOMEM || set) && n_wrong++ < 60)
            printf("plan: allocation %ld: %d, %s: %s\n", n, rc, e.place, e.text);
        if (rc == ERR_OK && !same_plans(set, plans) && n_wrong++ < 60)
            printf("plan: allocation %ld: something of it is missing\n", n);
        plan_set_unref(set);
    }
    n_wrong += rc != ERR_OK;
    printf("a plan: %ld allocations\n", n);
    free(text);
}

int main(int argc, char **argv)
{
    only = argc > 1 ? argv[1] : NULL;
    if (sodium_init() < 0)
        return 1;
    log_set_level(LOG_ERROR - 1);
    event_set_mem_functions(failing_malloc, failing_realloc, free);
    failing_jansson();
    plans = api_bed_plans();
    if (!plans)
        return 1;
    if (!only)
        plan_loading();
    every_route();
    every_raw();
    large_batches();
    plan_set_unref(plans);
    printf("%lu requests, %lu times an allocation failed, %lu times with a wrong outcome\n", n_requests,
           n_failed, n_wrong);
    return n_wrong > 0 || (!only && n_requests < 200);
}
