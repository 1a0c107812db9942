#include "web/http_head.h"

#include <string.h>

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)

int http_refuse(struct http_refusal *why, int status, const char *detail)
{
    why->status = status;
    why->detail = detail;
    return -1;
}

/* 16 in a row. */
/* clang-format off */
const unsigned char http_chars[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    2, 3, 2, 3, 3, 3, 3, 3, 2, 2, 3, 3, 2, 3, 3, 2,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2,
    2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 3, 3,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
    3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 3, 2, 3, 0,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
/* clang-format on */

/* A line of n bytes is longer than it may be. For the request line the answer depends on which part of it is
 * too long. */
static enum http_progress refuse_long(const struct http_scan *s, const char *buf, size_t n,
                                      struct http_refusal *why)
{
    if (s->lines > 0) {
        http_refuse(why, 431,
                    "The header fields are too large: one line, or all of them together. "
                    "A line may have " TEXT(HTTP_MAX_LINE) " bytes.");
        return HTTP_REFUSED;
    }
    const char *line = buf + s->line;
    const char *method_end = memchr(line, ' ', n < HTTP_MAX_METHOD + 1 ? n : HTTP_MAX_METHOD + 1);
    if (!method_end) {
        http_refuse(why, 400, "The request does not start with a method and a space.");
        return HTTP_REFUSED;
    }
    const char *target = method_end + 1;
    const char *target_end = memchr(target, ' ', n - (size_t)(target - line));
    if (target_end && target_end - target <= HTTP_MAX_TARGET)
        http_refuse(why, 400, "The request line has more than a method, a target and a version.");
    else
        http_refuse(why, 414, "The request target is longer than " TEXT(HTTP_MAX_TARGET) " bytes.");
    return HTTP_REFUSED;
}

/* A line that ends at `end` was taken. */
static enum http_progress end_line(struct http_scan *s, size_t end, struct http_refusal *why)
{
    bool empty = end == s->line;
    s->pos = s->line = end + 2;
    if (!empty) {
        s->lines++;
        return HTTP_MORE;
    }
    if (s->lines > 0) {
        s->end = s->pos;
        return HTTP_DONE;
    }
    /* RFC 9112, 2.2: old clients send an empty line after a body. One is forgiven. */
    if (s->begin > 0) {
        http_refuse(why, 400, "There are empty lines where the request line belongs.");
        return HTTP_REFUSED;
    }
    s->begin = s->pos;
    return HTTP_MORE;
}

enum http_progress http_scan_head(struct http_scan *s, const char *buf, size_t len, size_t max_head,
                                  struct http_refusal *why)
{
    if (len > max_head)
        len = max_head;
    while (s->pos < len) {
        const char *cr = memchr(buf + s->pos, '\r', len - s->pos);
        size_t end = cr ? (size_t)(cr - buf) : len;
        const char *lf = memchr(buf + s->pos, '\n', end - s->pos);
        if (lf)
            end = (size_t)(lf - buf);
        if (end - s->line > HTTP_MAX_LINE)
            return refuse_long(s, buf, HTTP_MAX_LINE + 1, why);
        if (lf) {
            http_refuse(why, 400, "A line ends in LF alone; lines end in CR LF.");
            return HTTP_REFUSED;
        }
        s->pos = end;
        if (!cr || end + 1 == len)
            break;
        if (buf[end + 1] != '\n') {
            http_refuse(why, 400, "There is a CR without LF; lines end in CR LF.");
            return HTTP_REFUSED;
        }
        enum http_progress p = end_line(s, end, why);
        if (p != HTTP_MORE)
            return p;
    }
    if (len == max_head)
        return refuse_long(s, buf, len - s->line, why);
    return HTTP_MORE;
}

static enum http_method method_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum http_method method;
    } known[] = {{"GET", HTTP_GET},     {"POST", HTTP_POST},     {"HEAD", HTTP_HEAD},      {"PUT", HTTP_PUT},
                 {"PATCH", HTTP_PATCH}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == len && memcmp(known[i].name, name, len) == 0)
            return known[i].method;
    return HTTP_OTHER;
}

static int parse_method(struct http_head *head, char *line, size_t len, size_t *used,
                        struct http_refusal *why)
{
    size_t n = 0;
    while (n < len && http_is_token_char((unsigned char)line[n]))
        n++;
    if (n == 0 || n == len || line[n] != ' ')
        return http_refuse(why, 400, "The request does not start with a method and a space.");
    if (n > HTTP_MAX_METHOD)
        return http_refuse(why, 400, "The method is longer than " TEXT(HTTP_MAX_METHOD) " bytes.");
    head->method = method_of(line, n);
    head->method_name = line;
    line[n] = '\0';
    *used = n + 1;
    return 0;
}

static int parse_version(struct http_head *head, const char *p, size_t len, struct http_refusal *why)
{
    if (len != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' ||
        p[7] > '9')
        return http_refuse(why, 400, "The request line does not end in HTTP/1.1 after one space.");
    if (p[5] != '1' || p[7] > '1')
        return http_refuse(why, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    head->minor = (unsigned)(p[7] - '0');
    return 0;
}

/* Origin-form only: a path and perhaps a query. */
static int parse_target(struct http_head *head, char *p, size_t len, struct http_refusal *why)
{
    if (len > HTTP_MAX_TARGET)
        return http_refuse(why, 414, "The request target is longer than " TEXT(HTTP_MAX_TARGET) " bytes.");
    if (len == 0 || p[0] != '/')
        return http_refuse(why, 400,
                           "The request target must be a path that starts with '/'; "
                           "other forms are not served here.");
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)p[i] <= ' ' || (unsigned char)p[i] >= 0x7F || p[i] == '#')
            return http_refuse(why, 400,
                               "The request target has a byte that must be percent-encoded "
                               "(a control, '#', or not ASCII).");
    p[len] = '\0';
    head->path = p;
    char *mark = memchr(p, '?', len);
    if (mark)
        *mark = '\0';
    head->query = mark ? mark + 1 : p + len;
    head->path_len = mark ? (size_t)(mark - p) : len;
    return 0;
}

static int parse_request_line(struct http_head *head, char *line, size_t len, struct http_refusal *why)
{
    size_t used;
    if (parse_method(head, line, len, &used, why) != 0)
        return -1;
    char *target = line + used;
    char *space = memchr(target, ' ', len - used);
    if (!space)
        return http_refuse(why, 400, "The request line has no version; it ends in HTTP/1.1.");
    if (parse_version(head, space + 1, len - (size_t)(space + 1 - line), why) != 0)
        return -1;
    return parse_target(head, target, (size_t)(space - target), why);
}

static size_t lower_name(char *p, size_t len)
{
    size_t n = 0;
    for (; n < len && http_is_token_char((unsigned char)p[n]); n++)
        if (p[n] >= 'A' && p[n] <= 'Z')
            p[n] = (char)(p[n] + ('a' - 'A'));
    return n;
}

static int parse_field(struct http_head *head, char *buf, size_t at, size_t len, struct http_refusal *why)
{
    char *p = buf + at;
    if (p[0] == ' ' || p[0] == '\t')
        return http_refuse(why, 400, "A header line starts with a blank; folded lines are not accepted.");
    size_t n = lower_name(p, len);
    if (n == 0 || n == len || p[n] != ':')
        return http_refuse(why, 400, "A header line is not a name, a colon right behind it, and a value.");
    size_t from = n + 1, to = len;
    for (size_t i = from; i < to; i++)
        if (!http_is_value_char((unsigned char)p[i]))
            return http_refuse(why, 400, "A header's value has a control character.");
    while (from < to && (p[from] == ' ' || p[from] == '\t'))
        from++;
    while (to > from && (p[to - 1] == ' ' || p[to - 1] == '\t'))
        to--;
    if (head->n_fields == HTTP_MAX_FIELDS)
        return http_refuse(why, 431, "There are more than " TEXT(HTTP_MAX_FIELDS) " header lines.");
    p[n] = '\0';
    p[to] = '\0';
    head->fields[head->n_fields++] =
        (struct http_field){(uint16_t)at, (uint16_t)n, (uint16_t)(at + from), (uint16_t)(to - from)};
    return 0;
}

int http_parse_head(struct http_head *head, char *buf, size_t len, struct http_refusal *why)
{
    head->base = buf;
    head->method = HTTP_OTHER;
    head->method_name = head->path = head->query = "";
    head->path_len = 0;
    head->n_fields = 0;
    char *end = memchr(buf, '\r', len);
    if (!end)
        return http_refuse(why, 400, "The request has no line end.");
    if (parse_request_line(head, buf, (size_t)(end - buf), why) != 0)
        return -1;
    size_t at = (size_t)(end - buf) + 2;
    while (at < len) {
        char *line = buf + at;
        end = memchr(line, '\r', len - at);
        if (!end || end == line)
            break;
        if (parse_field(head, buf, at, (size_t)(end - line), why) != 0)
            return -1;
        at = (size_t)(end - buf) + 2;
    }
    return http_check_fields(head, why);
}
