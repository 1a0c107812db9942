/* What a request leaves behind: its id in an error's answer, and its line in the log. */
#include <sodium.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "web/http_conn.h"

#define ID_MAX 64   /* characters of an id that came with the request */
#define ID_BYTES 16 /* of one of ours, which are written in hexadecimal */

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The coarse clock costs a third of the other, and every request pays for it. */
void trace_begin(struct http_conn *c)
{
    bool exact = http_shared_log(c->server->shared) == HTTP_LOG_ALL;
    c->request.began_ns = read_ns(exact ? CLOCK_MONOTONIC : CLOCK_MONOTONIC_COARSE);
}

int64_t http_began_ns(const struct http_request *r)
{
    return r->began_ns;
}

void http_set_route(struct http_request *r, const char *pattern)
{
    r->route = pattern;
}

void http_set_reason(struct http_request *r, const char *code)
{
    r->reason = code;
}

static bool is_id(const char *s)
{
    size_t n = 0;
    while (n <= ID_MAX && http_is_token_char((unsigned char)s[n]))
        n++;
    return n > 0 && n <= ID_MAX && s[n] == '\0';
}

static const char *make_id(struct http_request *r)
{
    uint8_t bytes[ID_BYTES];
    char *text = request_keep(r, 2 * ID_BYTES + 1);
    if (!text)
        return "";
    struct http_server *s = conn_of(r)->server; /* NULL: the peer has gone */
    if (s)
        uuid7_from(&s->ids, clock_wall_us(), bytes);
    else
        uuid7(clock_wall_us(), bytes);
    return sodium_bin2hex(text, 2 * ID_BYTES + 1, bytes, ID_BYTES);
}

const char *http_request_id(struct http_request *r)
{
    if (!r->id) {
        const char *given = http_header(r, "x-request-id");
        r->id = given && is_id(given) ? given : make_id(r);
    }
    return r->id;
}

static void write_line(struct http_conn *c, int status, int left_out)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                          "PATCH", "DELETE", "OPTIONS", "other"};
    struct http_request *r = &c->request;
    const char *method = methods[r->head.method], *route = r->route ? r->route : "none";
    struct log_field fields[8] = {
        {.name = "request_id", .text = http_request_id(r)},
        {.name = "method", .text = method},
        {.name = "route", .text = route},
        {.name = "status", .number = status},
        {.name = "duration_us", .number = (read_ns(CLOCK_MONOTONIC) - r->began_ns) / 1000},
    };
    size_t n = 5;
    if (r->reason)
        fields[n++] = (struct log_field){.name = "reason", .text = r->reason};
    if (left_out > 0)
        fields[n++] = (struct log_field){.name = "left_out", .number = left_out};
    log_fields(status == 500  ? LOG_ERROR
               : status > 500 ? LOG_WARN
                              : LOG_INFO,
               "http", fields, n, "%s %s answered %d", method, route, status);
}

static void log_answer(struct http_conn *c, int status)
{
    enum http_log log = http_shared_log(c->server->shared);
    int left_out = 0;
    if (log == HTTP_LOG_ALL ||
        (log == HTTP_LOG_ERRORS && status >= 500 && http_shared_may_log(c->server->shared, &left_out)))
        write_line(c, status, left_out);
}

void trace_answer(struct http_conn *c, int status)
{
    if (status >= 400)
        http_add_header(&c->request, "X-Request-Id", http_request_id(&c->request));
    log_answer(c, status);
}
