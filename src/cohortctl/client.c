#include "cohortctl/client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "cohortctl/json_text.h"

#define ANSWER_MAX ((size_t)64 * 1024 * 1024)

struct client {
    CURL *curl;
    char *url;
    struct curl_slist *headers;
    struct buffer answer;
};

static size_t take_answer(char *data, size_t size, size_t n, void *arg)
{
    struct client *c = arg;
    if (c->answer.len + size * n > ANSWER_MAX)
        return 0;
    buffer_add(&c->answer, data, size * n);
    return c->answer.failed ? 0 : size * n;
}

static int set_up(struct client *c, const char *key, struct error *e)
{
    char line[600];
    if (snprintf(line, sizeof line, "Authorization: Bearer %s", key) >= (int)sizeof line)
        return error_set(e, ERR_INVALID, "--key", "is too long to be a key");
    c->curl = curl_easy_init();
    c->headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *more = c->headers ? curl_slist_append(c->headers, line) : NULL;
    if (!c->curl || !more)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, 60000L);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    return 0;
}

static const char *socket_path(const struct client *c)
{
    return strncmp(c->url, "unix:", 5) == 0 ? c->url + 5 : NULL;
}

static void set_way(struct client *c, const struct ctl *ctl)
{
    if (socket_path(c))
        curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, socket_path(c));
    if (ctl->ca_file)
        curl_easy_setopt(c->curl, CURLOPT_CAINFO, ctl->ca_file);
}

int client_open(struct client **out, const struct ctl *ctl, enum role role, struct error *e)
{
    char *key = NULL;
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    int rc = discover_server(ctl, &c->url, e);
    if (rc == 0)
        rc = discover_key(ctl, role, &key, e);
    if (rc == 0)
        rc = set_up(c, key, e);
    if (rc == 0)
        set_way(c, ctl);
    free(key);
    if (rc < 0)
        client_close(c);
    else
        *out = c;
    return rc;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    if (c->curl)
        curl_easy_cleanup(c->curl);
    curl_slist_free_all(c->headers);
    buffer_free(&c->answer);
    free(c->url);
    free(c);
}

const char *client_url(const struct client *c)
{
    return c->url;
}

static int unreachable(const struct client *c, CURLcode why, struct error *e)
{
    if (why == CURLE_PEER_FAILED_VERIFICATION)
        return error_set(
            e, ERR_UNAVAILABLE, c->url,
            "its certificate is not one to trust for this name: name the CA it is of with --ca-file "
            "FILE, and the server as its certificate does with --server URL");
    if (why == CURLE_SSL_CACERT_BADFILE)
        return error_set(e, ERR_INVALID, "--ca-file", "can't be read as PEM certificates");
    return error_set(e, ERR_UNAVAILABLE, c->url, "no answer: %s; is cohortd running there?",
                     curl_easy_strerror(why));
}

/* Sends and waits; the answer's body is in c->answer, NUL-terminated. */
static int send_request(struct client *c, const char *method, const char *path, const char *body,
                        long *status, struct error *e)
{
    char url[2048];
    if (snprintf(url, sizeof url, "%s%s", socket_path(c) ? "http://localhost" : c->url, path) >=
        (int)sizeof url)
        return error_set(e, ERR_INVALID, "", "the address is too long");
    buffer_clear(&c->answer);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, body ? (long)strlen(body) : 0L);
    curl_easy_setopt(c->curl, CURLOPT_HTTPGET, body || strcmp(method, "GET") != 0 ? 0L : 1L);
    if (body || strcmp(method, "GET") != 0)
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    CURLcode rc = curl_easy_perform(c->curl);
    if (rc != CURLE_OK)
        return unreachable(c, rc, e);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, status);
    buffer_add(&c->answer, "", 1);
    return c->answer.failed ? error_set(e, ERR_NOMEM, "", "out of memory") : 0;
}

static int code_of(long status)
{
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_STATE;
    case 503:
        return ERR_UNAVAILABLE;
    default:
        return ERR_INVALID;
    }
}

/* The server's sentence: detail (else title) and hint of its problem document. */
static int refused(struct client *c, long status, struct error *e)
{
    json_t *p = json_loads((const char *)c->answer.data, 0, NULL);
    const char *detail = json_string_value(json_object_get(p, "detail"));
    const char *title = json_string_value(json_object_get(p, "title"));
    const char *hint = json_string_value(json_object_get(p, "hint"));
    const char *place = json_string_value(json_object_get(p, "pointer"));
    const char *ofrep = json_string_value(json_object_get(p, "errorDetails"));
    const char *says = detail ? detail : title ? title : ofrep;
    int rc;
    if (says)
        rc = error_set(e, code_of(status), place, "%s%s%s", says, hint ? "\n  hint: " : "", hint ? hint : "");
    else
        rc = error_set(e, code_of(status), c->url, "answered %ld without a reason", status);
    json_decref(p);
    return rc;
}

int client_json(struct client *c, const char *method, const char *path, const char *body, json_t **out,
                struct error *e)
{
    long status = 0;
    int rc = send_request(c, method, path, body, &status, e);
    if (rc < 0)
        return rc;
    if (status < 200 || status > 299)
        return refused(c, status, e);
    if (!out)
        return 0;
    *out = NULL;
    if (c->answer.len == 1)
        return 0;
    json_error_t why;
    *out = json_text_read((const char *)c->answer.data, &why);
    return *out ? 0 : error_set(e, ERR_DAMAGED, c->url, "the answer is not JSON: %s", why.text);
}

int client_text(struct client *c, const char *path, char **out, long *status, struct error *e)
{
    int rc = send_request(c, "GET", path, NULL, status, e);
    if (rc < 0)
        return rc;
    *out = strdup((const char *)c->answer.data);
    return *out ? 0 : error_set(e, ERR_NOMEM, "", "out of memory");
}
