#include "api_bed.h"

#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/plan_json.h"
#include "model_document.h"

/* --- plans --- */

static const char *const key_texts[BED_KEYS] = {"ck_admin_bed",     "ck_product_bed", "ck_analyst_bed",
                                                "ck_events_bed",    "ck_client_bed",  "ck_events_low",
                                                "ck_client_staging"};

const char *api_bed_key(enum bed_key key)
{
    return key_texts[key];
}

static json_t *key_of(const char *hash_key_hex, enum bed_key key)
{
    static const char *const roles[BED_KEYS] = {"admin",  "product", "analyst", "events",
                                                "client", "events",  "client"};
    unsigned char secret[32], hash[crypto_auth_hmacsha256_BYTES];
    char hex[2 * sizeof hash + 1];
    sodium_hex2bin(secret, sizeof secret, hash_key_hex, 64, NULL, NULL, NULL);
    crypto_auth_hmacsha256(hash, (const unsigned char *)key_texts[key], strlen(key_texts[key]), secret);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return json_pack("{sisssssssn}", "id", (int)key + 1, "role", roles[key], "hash", hex, "priority",
                     key == BED_LOW ? "low" : "normal", "team");
}

/* Times of the documents are of 1970: their experiments run on. */
static void run_on(json_t *experiments)
{
    size_t i, j;
    json_t *x, *v;
    json_array_foreach(experiments, i, x)
    {
        json_object_del(x, "ends_at_us");
        json_array_foreach(json_object_get(x, "overrides"), j, v) json_object_del(v, "expires_at_us");
    }
}

static json_t *staging_of(const json_t *body)
{
    json_t *other = json_deep_copy(body);
    json_object_set_new(other, "environment", json_string("staging"));
    json_object_set_new(other, "hash_key",
                        json_string("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
    return other;
}

static void add_keys(json_t *body, enum bed_key from, enum bed_key to)
{
    const char *secret = json_string_value(json_object_get(body, "hash_key"));
    json_t *keys = json_array();
    for (enum bed_key k = from; k < to; k++)
        json_array_append_new(keys, key_of(secret, k));
    json_object_set_new(body, "api_keys", keys);
}

char *api_bed_document(void)
{
    json_t *doc = json_loads(model_document, 0, NULL), *other = json_loads(bandit_document, 0, NULL);
    json_t *body = json_array_get(json_object_get(doc, "environments"), 0);
    const json_t *more = json_array_get(json_object_get(other, "environments"), 0);
    json_array_extend(json_object_get(body, "experiments"), json_object_get(more, "experiments"));
    json_array_extend(json_object_get(body, "flags"), json_object_get(more, "flags"));
    run_on(json_object_get(body, "experiments"));
    json_object_set_new(body, "events", json_pack("[s,s]", "refund", "complaint"));
    json_object_set_new(body, "event_attributes", json_pack("{s[ss]}", "refund", "plan", "amount"));
    json_t *staging = staging_of(body);
    add_keys(body, BED_ADMIN, BED_STAGING);
    add_keys(staging, BED_STAGING, BED_KEYS);
    json_array_append_new(json_object_get(doc, "environments"), staging);
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    json_decref(other);
    return text;
}

struct plan_set *api_bed_plans(void)
{
    struct plan_set *set = NULL;
    char *text = api_bed_document();
    if (text)
        plan_set_from_json(text, strlen(text), &set, NULL);
    free(text);
    return set;
}

/* --- what cohortd gives --- */

static int on_push(void *arg, const uint8_t *bytes, size_t len, unsigned n_records, api_pushed_fn *done,
                   void *done_arg)
{
    struct api_bed *b = arg;
    if (b->push_answer != ERR_OK)
        return b->push_answer;
    if (b->n_pushes == BED_WAITING)
        return ERR_LIMIT;
    buffer_add(&b->pushed, bytes, len);
    b->n_records += n_records;
    b->n_kept += b->push_code == ERR_OK ? n_records : 0;
    b->waiting_pushes[b->n_pushes++] = (struct bed_pushed){done, done_arg};
    return ERR_OK;
}

static enum api_queue queue_level(void *arg)
{
    return ((struct api_bed *)arg)->level;
}

static int on_call(void *arg, const struct call_request *q, call_done_fn *done, void *done_arg)
{
    struct api_bed *b = arg;
    (void)q;
    if (b->call_answer != ERR_OK)
        return b->call_answer;
    if (b->n_waiting_calls == BED_WAITING)
        return ERR_LIMIT;
    b->n_calls++;
    b->waiting_calls[b->n_waiting_calls++] = (struct bed_called){done, done_arg};
    return ERR_OK;
}

static void complete_pushes(struct api_bed *b)
{
    struct error e;
    error_set(&e, ERR_IO, NULL, "The disk is full.");
    while (b->n_pushes > 0) {
        struct bed_pushed p = b->waiting_pushes[0];
        memmove(b->waiting_pushes, b->waiting_pushes + 1, --b->n_pushes * sizeof p);
        if (p.done)
            p.done(p.arg, b->push_code, b->push_code == ERR_OK ? NULL : &e);
    }
}

static void complete_calls(struct api_bed *b)
{
    struct call_result r = {.status = b->answer.status, .body = b->answer.body, .etag = b->answer.etag};
    if (r.status >= 300) {
        r.body = NULL;
        r.title = "Refused";
        r.detail = "The database said no.";
        r.code = "refused";
    }
    while (b->n_waiting_calls > 0) {
        struct bed_called c = b->waiting_calls[0];
        memmove(b->waiting_calls, b->waiting_calls + 1, --b->n_waiting_calls * sizeof c);
        c.done(c.arg, &r);
    }
}

void api_bed_complete(struct api_bed *b)
{
    while (b->n_pushes > 0 || b->n_waiting_calls > 0) {
        complete_pushes(b);
        complete_calls(b);
    }
}

/* --- the server --- */

/* A listening socket of a name that the kernel makes up; it is in no file system. */
static int listen_anywhere(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, sizeof a.sun_family) != 0 || listen(fd, 64) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int api_bed_open(struct api_bed *b, bool sync_records, bool client_tokens)
{
    struct api_services services = {
        .arg = b, .counters = &b->counters, .push = on_push, .queue_level = queue_level, .call = on_call};
    struct api_options options = {.event_max_age_us = INT64_C(86400000000) * 30,
                                  .event_max_future_us = INT64_C(3600000000),
                                  .cors_origins = "https://shop.example",
                                  .max_body = 1 << 20,
                                  .public_url = "",
                                  .max_streams = 4,
                                  .client_tokens = client_tokens,
                                  .sync_records = sync_records};
    struct http_options http;
    struct error e;
    memset(b, 0, sizeof *b);
    b->answer = (struct bed_answer){200, "{}", "e1"};
    http_options_default(&http);
    http.max_wait_ms = 60000; /* a busy machine refuses nothing here */
    b->listen_fd = listen_anywhere();
    b->base = event_base_new();
    if (!b->base || b->listen_fd < 0)
        return ERR_IO;
    int rc = api_worker_new(&b->worker, b->base, &services, &options, &e);
    if (rc == ERR_OK)
        rc = http_server_new(&b->server, b->base, b->listen_fd, &http, api_handle, api_body_limit, b->worker,
                             &b->counters, &e);
    return rc;
}

void api_bed_close(struct api_bed *b)
{
    if (b->worker)
        api_worker_flush(b->worker);
    api_bed_complete(b);
    if (b->server)
        http_server_free(b->server);
    api_worker_free(b->worker);
    api_bed_complete(b);
    if (b->base)
        event_base_free(b->base);
    buffer_free(&b->pushed);
}

int api_bed_connect(struct api_bed *b)
{
    struct sockaddr_un a;
    socklen_t len = sizeof a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (getsockname(b->listen_fd, (struct sockaddr *)&a, &len) != 0 ||
                    connect(fd, (struct sockaddr *)&a, len) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void api_bed_turn(struct api_bed *b)
{
    event_base_loop(b->base, EVLOOP_NONBLOCK);
}

bool api_bed_read(int fd, struct buffer *in)
{
    for (;;) {
        uint8_t *to = buffer_reserve(in, 16384);
        ssize_t n = to ? recv(fd, to, 16384, 0) : 0;
        if (n > 0)
            in->len += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return n < 0 && errno == EAGAIN;
    }
}

bool api_bed_ask(struct api_bed *b, const void *request, size_t len, struct buffer *in)
{
    const char *p = request;
    bool open = true;
    int fd = api_bed_connect(b);
    for (int still = 0; fd >= 0 && open && still < 20; still++) {
        ssize_t n = len > 0 ? send(fd, p, len, MSG_NOSIGNAL) : 0;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
            still = 0;
            if (len == 0)
                shutdown(fd, SHUT_WR);
        }
        api_bed_turn(b);
        api_bed_complete(b);
        open = api_bed_read(fd, in);
    }
    if (fd >= 0)
        close(fd);
    api_bed_turn(b);
    return fd >= 0 && !open;
}

int api_bed_answer(const struct buffer *in, size_t *at, bool no_body, const char **body, size_t *len)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *p = (const char *)in->data + *at;
    size_t left = in->len - *at;
    const char *end = left > 0 ? memmem(p, left, "\r\n\r\n", 4) : NULL;
    if (left == 0)
        return 0;
    if (!end || left < 13 || memcmp(p, "HTTP/1.1 ", 9) != 0)
        return -1;
    size_t head = (size_t)(end + 4 - p);
    const char *length = memmem(p, head, name, sizeof name - 1);
    *len = length && !no_body ? (size_t)strtoul(length + sizeof name - 1, NULL, 10) : 0;
    *body = end + 4;
    if (*len > left - head)
        return -1;
    *at += head + *len;
    return atoi(p + 9);
}
