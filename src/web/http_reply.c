/* Answers. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "web/http_conn.h"

#define MAX_FIXED 256 /* bytes of status line, Date, Content-Length, Connection and the last line end */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {422, "Unprocessable Content"},
                 {428, "Precondition Required"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "";
}

void http_add_header(struct http_request *r, const char *name, const char *value)
{
    bool good = name[0] != '\0';
    for (const char *p = name; *p && good; p++)
        good = http_is_token_char((unsigned char)*p);
    for (const char *p = value; *p && good; p++)
        good = http_is_value_char((unsigned char)*p);
    if (!good) {
        /* Leaving it out is safe; sending it would let a value write the answer. */
        log_error("http", "a header was left out of an answer: a control character in \"%s\"", name);
        return;
    }
    buffer_add_str(&r->extra, name);
    buffer_add(&r->extra, ": ", 2);
    buffer_add_str(&r->extra, value);
    buffer_add(&r->extra, "\r\n", 2);
}

void http_forget_headers(struct http_request *r)
{
    buffer_clear(&r->extra);
}

static const char *date_of(struct http_server *s)
{
    time_t now = time(NULL);
    if (now != s->date_second) {
        struct tm tm;
        gmtime_r(&now, &tm);
        (void)strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        s->date_second = now;
    }
    return s->date;
}

static char *put(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}

#define PUT(p, text) put(p, text, sizeof(text) - 1)

static char *put_number(char *p, size_t n)
{
    char digits[24], *d = digits + sizeof digits;
    do
        *--d = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    return put(p, d, (size_t)(digits + sizeof digits - d));
}

static char *put_status(char *p, int status)
{
    if (status == 200)
        return PUT(p, "HTTP/1.1 200 OK\r\n");
    const char *reason = reason_of(status);
    p = PUT(p, "HTTP/1.1 ");
    p = put_number(p, (size_t)status);
    *p++ = ' ';
    p = put(p, reason, strlen(reason));
    return PUT(p, "\r\n");
}

struct answer {
    int status;
    const char *content_type;
    const void *body;
    size_t len;
    bool stream;
};

static char *put_head(char *p, struct http_conn *c, const struct answer *a)
{
    const char *date = date_of(c->server);
    p = put_status(p, a->status);
    p = PUT(p, "Date: ");
    p = put(p, date, strlen(date));
    if (a->content_type) {
        p = PUT(p, "\r\nContent-Type: ");
        p = put(p, a->content_type, strlen(a->content_type));
    }
    if (a->stream) {
        if (c->request.head.minor > 0)
            p = PUT(p, "\r\nTransfer-Encoding: chunked");
    } else if (a->status != 204 && a->status != 304) {
        p = PUT(p, "\r\nContent-Length: ");
        p = put_number(p, a->len);
    }
    if (c->last)
        p = PUT(p, "\r\nConnection: close\r\n");
    else if (c->request.head.minor == 0)
        p = PUT(p, "\r\nConnection: keep-alive\r\n");
    else
        p = PUT(p, "\r\n");
    if (c->request.extra.len > 0)
        p = put(p, (const char *)c->request.extra.data, c->request.extra.len);
    return PUT(p, "\r\n");
}

/* False when there is no memory for it. */
static bool put_answer(struct http_conn *c, const struct answer *a)
{
    const struct buffer *extra = &c->request.extra;
    size_t body = c->request.head.method == HTTP_HEAD || a->status == 204 || a->status == 304 ? 0 : a->len;
    size_t type = a->content_type ? strlen(a->content_type) : 0;
    char *start = extra->failed ? NULL : out_reserve(c, MAX_FIXED + type + extra->len + body);
    if (!start)
        return false;
    char *p = put_head(start, c, a);
    if (body > 0)
        p = put(p, a->body, body);
    out_added(c, (size_t)(p - start));
    return true;
}

static void count(struct http_server *s, int status)
{
    if (!s->counters)
        return;
    counter_add(s->counters, http_requests, 1);
    if (status >= 500)
        counter_add(s->counters, http_5xx, 1);
    else if (status >= 400)
        counter_add(s->counters, http_4xx, 1);
}

bool reply_head(struct http_conn *c, const char *content_type)
{
    struct answer a = {.status = 200, .content_type = content_type, .stream = true};
    count(c->server, 200);
    trace_answer(c, 200);
    return put_answer(c, &a);
}

/* Whoever is told to come again is told when: clients that aren't told come at once. */
static void add_retry_after(struct http_request *r, int status)
{
    static const char name[] = "Retry-After: ";
    if ((status != 429 && status != 503) ||
        (r->extra.len > 0 && memmem(r->extra.data, r->extra.len, name, sizeof name - 1)))
        return;
    http_add_header(r, "Retry-After", "1");
}

void http_reply(struct http_request *r, int status, const char *content_type, const void *body, size_t len)
{
    struct http_conn *c = conn_of(r);
    struct answer a = {status, content_type, body, content_type ? len : 0, false};
    conn_enter(c);
    add_retry_after(r, status);
    if (c->bev) {
        c->last = c->last || c->server->draining;
        count(c->server, status);
        trace_answer(c, status);
        if (!put_answer(c, &a))
            conn_close(c);
    }
    request_clear(r);
    r->unanswered = false;
    conn_answered(c);
    if (c->depth == 1)
        conn_run(c);
    conn_leave(c);
}
