#include "cohortd/webhook_send.h"

#include <config.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (1 << 20) /* bytes of an answer that are read before it is cut off */

struct transfer {
    CURL *easy; /* NULL: a free slot */
    struct curl_slist *headers;
    char *body;
    size_t answered;
    struct webhook_outcome outcome;
};

struct webhook_sender {
    CURLM *multi;
    struct transfer transfers[WEBHOOK_SENDS_MAX];
};

int webhook_sender_new(struct webhook_sender **out, struct error *e)
{
    struct webhook_sender *s = calloc(1, sizeof *s);
    if (!s || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(s);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    s->multi = curl_multi_init();
    if (!s->multi) {
        free(s);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    *out = s;
    return ERR_OK;
}

static void end(struct webhook_sender *s, struct transfer *t)
{
    if (t->easy) {
        curl_multi_remove_handle(s->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    free(t->body);
    memset(t, 0, sizeof *t);
}

void webhook_sender_free(struct webhook_sender *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < WEBHOOK_SENDS_MAX; i++)
        end(s, &s->transfers[i]);
    curl_multi_cleanup(s->multi);
    free(s);
}

int webhook_sender_free_slots(const struct webhook_sender *s)
{
    int n = 0;
    for (size_t i = 0; i < WEBHOOK_SENDS_MAX; i++)
        n += s->transfers[i].easy == NULL;
    return n;
}

void webhook_sender_wake(struct webhook_sender *s)
{
    curl_multi_wakeup(s->multi);
}

void webhook_signature(const char *secret, const char *body, size_t len, int64_t unix_s, char out[96])
{
    crypto_auth_hmacsha256_state h;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char stamp[24];
    int n = snprintf(stamp, sizeof stamp, "%" PRId64 ".", unix_s);
    crypto_auth_hmacsha256_init(&h, (const unsigned char *)secret, strlen(secret));
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)stamp, (size_t)n);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)body, len);
    crypto_auth_hmacsha256_final(&h, mac);
    sodium_memzero(&h, sizeof h);
    n = snprintf(out, 96, "t=%.*s,v1=", n - 1, stamp);
    sodium_bin2hex(out + n, 96 - (size_t)n, mac, sizeof mac);
}

/* The answer's body says nothing to us; one without an end is cut off. */
static size_t drop(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    (void)data;
    t->answered += size * n;
    return t->answered > ANSWER_MAX ? 0 : size * n;
}

static bool add_header(struct transfer *t, const char *name, const char *value)
{
    char line[256];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (longer)
        t->headers = longer;
    return longer != NULL;
}

static bool add_headers(struct transfer *t, const struct webhook_job *job, int64_t now_us)
{
    char signature[96], attempt[16];
    webhook_signature(job->secret, job->body, strlen(job->body), now_us / 1000000, signature);
    snprintf(attempt, sizeof attempt, "%d", job->attempt);
    return add_header(t, "Content-Type", "application/json") && add_header(t, "Cohort-Delivery", job->id) &&
           add_header(t, "Cohort-Event", job->event) && add_header(t, "Cohort-Attempt", attempt) &&
           add_header(t, "Cohort-Signature", signature) && add_header(t, "Expect", "");
}

/* An address of a redirect was never checked, so none is followed. Certificates are verified by default. */
static bool set_up(struct transfer *t, const char *url)
{
    CURL *h = t->easy;
    return curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)WEBHOOK_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)WEBHOOK_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_USERAGENT, "cohortd/" PACKAGE_VERSION) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)strlen(t->body)) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDS, t->body) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, drop) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PRIVATE, t) == CURLE_OK;
}

int webhook_sender_start(struct webhook_sender *s, const struct webhook_job *job, int64_t now_us)
{
    struct transfer *t = NULL;
    for (size_t i = 0; i < WEBHOOK_SENDS_MAX && !t; i++)
        t = s->transfers[i].easy ? NULL : &s->transfers[i];
    if (!t)
        return ERR_LIMIT;
    struct webhook_outcome *o = &t->outcome;
    snprintf(o->id, sizeof o->id, "%s", job->id);
    snprintf(o->webhook, sizeof o->webhook, "%s", job->webhook);
    snprintf(o->environment, sizeof o->environment, "%s", job->environment);
    snprintf(o->event, sizeof o->event, "%s", job->event);
    o->attempt = job->attempt;
    t->body = strdup(job->body);
    t->easy = curl_easy_init();
    if (t->body && t->easy && add_headers(t, job, now_us) && set_up(t, job->url) &&
        curl_multi_add_handle(s->multi, t->easy) == CURLM_OK)
        return ERR_OK;
    end(s, t);
    return ERR_NOMEM;
}

static void judge(CURL *easy, CURLcode result, struct webhook_outcome *o)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    o->status = (int)status;
    o->why[0] = '\0';
    if (result != CURLE_OK && !(result == CURLE_WRITE_ERROR && status >= 200)) {
        o->status = 0;
        snprintf(o->why, sizeof o->why, "%s", curl_easy_strerror(result));
    } else if (status >= 300 && status < 400) {
        snprintf(o->why, sizeof o->why, "answered %ld: redirects are not followed", status);
    } else if (status < 200 || status >= 300) {
        snprintf(o->why, sizeof o->why, "answered %ld", status);
    }
}

bool webhook_sender_next(struct webhook_sender *s, int wait_ms, struct webhook_outcome *out)
{
    int running, left;
    curl_multi_perform(s->multi, &running);
    CURLMsg *m = curl_multi_info_read(s->multi, &left);
    if (!m) {
        curl_multi_poll(s->multi, NULL, 0, wait_ms, NULL);
        curl_multi_perform(s->multi, &running);
        m = curl_multi_info_read(s->multi, &left);
    }
    if (!m || m->msg != CURLMSG_DONE)
        return false;
    char *owner = NULL;
    CURLcode result = m->data.result; /* m is gone with its handle */
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &owner);
    struct transfer *t = (struct transfer *)(void *)owner;
    judge(t->easy, result, &t->outcome);
    *out = t->outcome;
    end(s, t);
    return true;
}
