/* What the header fields mean for the layer itself: framing, Host, Expect, Connection. */
#include "web/http_head.h"

#include <string.h>
#include <strings.h>

struct known {
    unsigned hosts, lengths, encodings;
    bool close, keep_alive;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_port(const char *p)
{
    unsigned long port = 0;
    for (; is_digit(*p) && port <= 65535; p++)
        port = port * 10 + (unsigned long)(*p - '0');
    return *p == '\0' && port <= 65535;
}

/* name, name:port, IPv4:port or [IPv6]:port. RFC 3986 would let a name hold more ("a,b", "%41"), which no
 * host on a network has and which two programs may read in two ways. */
static bool is_host(const char *p)
{
    const char *start = p;
    if (*p == '[') {
        p++;
        size_t n = strspn(p, "0123456789abcdefABCDEF:.");
        if (n < 2 || p[n] != ']')
            return false;
        p += n + 1;
    } else {
        while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || is_digit(*p) || *p == '-' ||
               *p == '.' || *p == '_' || *p == '~')
            p++;
    }
    if (p == start || p - start > 255)
        return false;
    return *p == '\0' || (*p == ':' && is_port(p + 1));
}

static int take_host(struct known *k, const char *value, size_t len, struct http_refusal *why)
{
    if (k->hosts++ > 0)
        return http_refuse(why, 400, "There is more than one Host header.");
    if (strlen(value) != len || !is_host(value))
        return http_refuse(why, 400, "The Host header is not a name or address, with or without a port.");
    return 0;
}

static int take_length(struct http_head *head, struct known *k, const char *value, size_t len,
                       struct http_refusal *why)
{
    if (k->lengths++ > 0)
        return http_refuse(why, 400, "There is more than one Content-Length header.");
    if (len == 0 || len > 18)
        return http_refuse(why, 400, "Content-Length is not a number of 1 to 18 digits.");
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(value[i]))
            return http_refuse(why, 400, "Content-Length has something else than digits.");
        n = n * 10 + (uint64_t)(value[i] - '0');
    }
    head->content_length = n;
    head->has_length = true;
    return 0;
}

/* Exactly "chunked": other cases, lists and parameters are legal, but nobody sends them except to make two
 * programs disagree. */
static int take_encoding(struct http_head *head, struct known *k, const char *value, size_t len,
                         struct http_refusal *why)
{
    if (k->encodings++ > 0)
        return http_refuse(why, 400, "There is more than one Transfer-Encoding header.");
    if (len != 7 || memcmp(value, "chunked", 7) != 0)
        return http_refuse(why, 501, "The only Transfer-Encoding served here is: chunked");
    head->chunked = true;
    return 0;
}

static int take_expect(struct http_head *head, const char *value, struct http_refusal *why)
{
    if (head->expect_continue || strcasecmp(value, "100-continue") != 0)
        return http_refuse(why, 417, "The only expectation served here is: 100-continue");
    head->expect_continue = true;
    return 0;
}

static void take_connection(struct known *k, const char *p)
{
    while (*p) {
        p += strspn(p, " \t,");
        size_t n = strcspn(p, " \t,");
        if (n == 5 && strncasecmp(p, "close", n) == 0)
            k->close = true;
        else if (n == 10 && strncasecmp(p, "keep-alive", n) == 0)
            k->keep_alive = true;
        p += n;
    }
}

#define IS(text) (f->name_len == sizeof(text) - 1 && memcmp(name, (text), sizeof(text) - 1) == 0)

static int take_field(struct http_head *head, struct known *k, const struct http_field *f,
                      struct http_refusal *why)
{
    const char *name = head->base + f->name, *value = head->base + f->value;
    if (IS("host"))
        return take_host(k, value, f->value_len, why);
    if (IS("content-length"))
        return take_length(head, k, value, f->value_len, why);
    if (IS("transfer-encoding"))
        return take_encoding(head, k, value, f->value_len, why);
    if (IS("expect"))
        return take_expect(head, value, why);
    if (IS("connection"))
        take_connection(k, value);
    return 0;
}

int http_check_fields(struct http_head *head, struct http_refusal *why)
{
    struct known k = {0};
    struct http_refusal first = {0}, other;
    head->content_length = 0;
    head->has_length = head->chunked = head->expect_continue = false;
    for (unsigned i = 0; i < head->n_fields; i++)
        if (take_field(head, &k, &head->fields[i], &other) != 0 && first.status == 0)
            first = other;
    /* Both framings at once is the oldest smuggling trick: it is 400 whatever else is wrong. */
    if (k.lengths > 0 && k.encodings > 0)
        return http_refuse(why, 400, "There are both a Content-Length and a Transfer-Encoding.");
    if (first.status != 0)
        return http_refuse(why, first.status, first.detail);
    if (k.encodings > 0 && head->minor == 0)
        return http_refuse(why, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (k.hosts == 0 && head->minor == 1)
        return http_refuse(why, 400, "There is no Host header; HTTP/1.1 needs one.");
    if (head->minor == 0)
        head->expect_continue = false; /* RFC 9110, 10.1.1 */
    head->keep_alive = !k.close && (head->minor == 1 || k.keep_alive);
    return 0;
}
