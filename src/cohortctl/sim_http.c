#include "cohortctl/sim_http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

#define CALLS_MAX 1024

struct call {
    struct sim_http *home;
    CURL *curl;
    struct curl_slist *headers;
    struct buffer answer;
    struct sim_tag tag;
    bool busy;
};

struct sim_http {
    CURLM *multi;
    const char *url;
    struct call *calls;
    unsigned n_calls, busy;
    sim_done_fn *done;
    void *arg;
};

static size_t take_answer(char *data, size_t size, size_t n, void *arg)
{
    struct call *c = arg;
    buffer_add(&c->answer, data, size * n);
    return c->answer.failed ? 0 : size * n;
}

static bool call_init(struct call *c, struct sim_http *home)
{
    c->home = home;
    c->curl = curl_easy_init();
    if (!c->curl)
        return false;
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_PRIVATE, c);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    return true;
}

int sim_http_new(struct sim_http **out, const char *url, unsigned connections, sim_done_fn *done, void *arg,
                 struct error *e)
{
    if (connections < 1 || connections > CALLS_MAX)
        return error_set(e, ERR_LIMIT, "--connections", "takes 1 to %d", CALLS_MAX);
    struct sim_http *h = calloc(1, sizeof *h);
    if (!h)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    *h = (struct sim_http){.url = url, .done = done, .arg = arg, .n_calls = connections};
    h->multi = curl_multi_init();
    h->calls = calloc(connections, sizeof *h->calls);
    bool ok = h->multi && h->calls;
    for (unsigned i = 0; ok && i < connections; i++)
        ok = call_init(&h->calls[i], h);
    if (!ok) {
        sim_http_free(h);
        return error_set(e, ERR_NOMEM, "", "out of memory");
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)connections);
    *out = h;
    return 0;
}

void sim_http_free(struct sim_http *h)
{
    if (!h)
        return;
    for (unsigned i = 0; h->calls && i < h->n_calls; i++) {
        struct call *c = &h->calls[i];
        if (c->busy)
            curl_multi_remove_handle(h->multi, c->curl);
        curl_easy_cleanup(c->curl);
        curl_slist_free_all(c->headers);
        buffer_free(&c->answer);
    }
    curl_multi_cleanup(h->multi);
    free(h->calls);
    free(h);
}

unsigned sim_http_room(const struct sim_http *h)
{
    return h->n_calls - h->busy;
}

unsigned sim_http_busy(const struct sim_http *h)
{
    return h->busy;
}

static struct call *idle_call(struct sim_http *h)
{
    for (unsigned i = 0; i < h->n_calls; i++)
        if (!h->calls[i].busy)
            return &h->calls[i];
    return NULL;
}

static bool set_headers(struct call *c, const char *key)
{
    char line[600];
    snprintf(line, sizeof line, "Authorization: Bearer %s", key);
    curl_slist_free_all(c->headers);
    c->headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *more = c->headers ? curl_slist_append(c->headers, line) : NULL;
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    return more != NULL;
}

int sim_http_start(struct sim_http *h, struct sim_tag tag, const char *path, const char *key,
                   const char *body, size_t len, struct error *e)
{
    struct call *c = idle_call(h);
    char url[2048];
    if (!c || snprintf(url, sizeof url, "%s%s", h->url, path) >= (int)sizeof url)
        return error_set(e, ERR_LIMIT, "", "the address is too long");
    buffer_clear(&c->answer);
    c->tag = tag;
    bool ok = set_headers(c, key) && curl_easy_setopt(c->curl, CURLOPT_URL, url) == CURLE_OK;
    if (body) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        ok = ok && curl_easy_setopt(c->curl, CURLOPT_COPYPOSTFIELDS, body) == CURLE_OK;
    } else {
        curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
    }
    if (!ok || curl_multi_add_handle(h->multi, c->curl) != CURLM_OK)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    c->busy = true;
    h->busy++;
    return 0;
}

static void finish(struct sim_http *h, CURLMsg *msg)
{
    struct call *c = NULL;
    long status = 0;
    CURL *curl = msg->easy_handle;
    CURLcode result = msg->data.result;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, &c);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(h->multi, curl);
    if (result != CURLE_OK) {
        status = 0;
        buffer_clear(&c->answer);
        buffer_add_str(&c->answer, curl_easy_strerror(result));
    }
    struct buffer answer = c->answer; /* done may start a call that takes this handle */
    c->answer = (struct buffer){0};
    c->busy = false;
    h->busy--;
    buffer_add(&answer, "", 1);
    if (!answer.failed)
        h->done(h->arg, c->tag, status, (const char *)answer.data, answer.len - 1);
    buffer_free(&answer);
}

int sim_http_run(struct sim_http *h, int wait_ms, struct error *e)
{
    int running, left;
    CURLMsg *msg;
    CURLMcode rc = curl_multi_perform(h->multi, &running);
    if (rc == CURLM_OK && wait_ms > 0 && (msg = curl_multi_info_read(h->multi, &left)) != NULL) {
        finish(h, msg);
        wait_ms = 0;
    }
    if (rc == CURLM_OK && wait_ms > 0)
        rc = curl_multi_poll(h->multi, NULL, 0, wait_ms, NULL);
    if (rc == CURLM_OK)
        rc = curl_multi_perform(h->multi, &running);
    if (rc != CURLM_OK)
        return error_set(e, ERR_IO, "", "the HTTP library failed: %s", curl_multi_strerror(rc));
    while ((msg = curl_multi_info_read(h->multi, &left)) != NULL)
        if (msg->msg == CURLMSG_DONE)
            finish(h, msg);
    return 0;
}
