#include "clients/c/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "clients/c/backoff.h"

#define SLICE_MS 50 /* how soon an end is noticed */
#define BODY_MAX ((size_t)256 << 20)

struct http {
    CURLM *multi;
    CURL *easy;
    char error[CURL_ERROR_SIZE];
};

struct http *http_new(void)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    if (h->multi && h->easy)
        return h;
    http_free(h);
    return NULL;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    if (h->easy)
        curl_easy_cleanup(h->easy);
    if (h->multi)
        curl_multi_cleanup(h->multi);
    free(h);
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_answer *a = arg;
    if (a->body.len + size * n > BODY_MAX)
        return 0;
    buffer_add(&a->body, data, size * n);
    return a->body.failed ? 0 : size * n;
}

static void note_header(struct http_answer *a, const char *name, const char *value)
{
    if (strcasecmp(name, "retry-after") == 0) {
        long n = backoff_told_s(value);
        a->retry_after_s = n < 0 ? HTTP_NOT_SAID : n;
    } else if (strcasecmp(name, "date") == 0) {
        time_t t = curl_getdate(value, NULL);
        a->date_s = t > 0 ? (int64_t)t : 0;
    } else if (strcasecmp(name, "content-type") == 0) {
        a->page = strncasecmp(value, "text/html", 9) == 0;
    } else if (strcasecmp(name, "etag") == 0) {
        snprintf(a->etag, sizeof a->etag, "%s", value);
    } else if (strcasecmp(name, "cohort-monitor-age") == 0) {
        a->monitor_age_s = strcmp(value, "never") == 0 ? HTTP_NEVER : atoll(value);
    }
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
    char line[512];
    size_t len = size * n;
    if (len >= sizeof line)
        return len;
    memcpy(line, data, len);
    line[len] = '\0';
    char *colon = strchr(line, ':');
    if (colon) {
        char *value = colon + 1, *end = line + len;
        *colon = '\0';
        while (end > value && isspace((unsigned char)end[-1]))
            *--end = '\0';
        while (isspace((unsigned char)*value))
            value++;
        note_header(arg, line, value);
    }
    return len;
}

static bool add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *more = curl_slist_append(*list, line);
    if (more)
        *list = more;
    return more != NULL;
}

static struct curl_slist *headers_of(const struct http_request *r)
{
    char line[600];
    struct curl_slist *list = NULL;
    snprintf(line, sizeof line, "Authorization: Bearer %s", r->key);
    bool ok = add_line(&list, line) &&
              (!r->body || (add_line(&list, "Content-Type: application/json") && add_line(&list, "Expect:")));
    if (ok && r->etag) {
        snprintf(line, sizeof line, "If-None-Match: %s", r->etag);
        ok = add_line(&list, line);
    }
    if (ok)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

static void prepare(struct http *h, const struct http_request *r, struct http_answer *a,
                    struct curl_slist *headers)
{
    CURL *c = h->easy;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, r->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "libcohort-client/" PACKAGE_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, a);
    if (r->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
    if (r->body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body);
    }
}

static bool is_tls(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM;
}

static void fail(const struct http *h, struct http_answer *a, CURLcode code)
{
    a->status = 0;
    a->tls = is_tls(code);
    snprintf(a->why, sizeof a->why, "%s", h->error[0] ? h->error : curl_easy_strerror(code));
}

/* Until it is done; false when the end came first. */
static bool perform(struct http *h, const struct http_request *r, CURLcode *result)
{
    int running = 1, left;
    while (running) {
        if (curl_multi_perform(h->multi, &running) != CURLM_OK)
            break;
        if (!running)
            break;
        if (r->end_at_us && clock_monotonic_us() >= atomic_load(r->end_at_us))
            return false;
        curl_multi_poll(h->multi, NULL, 0, SLICE_MS, NULL);
    }
    *result = CURLE_OUT_OF_MEMORY;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE)
            *result = m->data.result;
    return true;
}

void http_call(struct http *h, const struct http_request *r, struct http_answer *a)
{
    struct curl_slist *headers = headers_of(r);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    struct buffer body = a->body;
    buffer_clear(&body);
    *a = (struct http_answer){.body = body, .retry_after_s = HTTP_NOT_SAID, .monitor_age_s = HTTP_NOT_SAID};
    h->error[0] = '\0';
    if (!headers) {
        fail(h, a, code);
        return;
    }
    prepare(h, r, a, headers);
    curl_multi_add_handle(h->multi, h->easy);
    bool done = perform(h, r, &code);
    curl_multi_remove_handle(h->multi, h->easy);
    if (!done)
        snprintf(a->why, sizeof a->why, "the client was closed");
    else if (code != CURLE_OK)
        fail(h, a, code);
    else
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
}
