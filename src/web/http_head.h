/* The head of a request: where it ends, and what it says. Pure: bytes in, a verdict out; no I/O. */
#ifndef COHORT_WEB_HTTP_HEAD_H
#define COHORT_WEB_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "web/http.h"

#define HTTP_MAX_HEAD 65535 /* bytes; the offsets below are 16 bits wide */
#define HTTP_MAX_LINE 8192  /* bytes of one line without its end */
#define HTTP_MAX_TARGET 4096
#define HTTP_MAX_METHOD 32
#define HTTP_MAX_FIELDS 64

/* Why a request is refused: the status of the answer, and a sentence for the person who sent it. */
struct http_refusal {
    int status;
    const char *detail; /* static */
};

enum http_progress { HTTP_MORE, HTTP_DONE, HTTP_REFUSED };

/* Looks for the end of the head while its bytes arrive. Zero-initialise for each request. */
struct http_scan {
    size_t begin; /* where the request line starts: 0, or 2 after one forgiven empty line */
    size_t end;   /* one past the head's last byte, once it is done */
    size_t pos, line;
    unsigned lines;
};

/* buf holds the first len bytes of the request; call again with the same bytes and more of them. The verdict
 * does not depend on how the bytes were cut. max_head: at most HTTP_MAX_HEAD. */
enum http_progress http_scan_head(struct http_scan *s, const char *buf, size_t len, size_t max_head,
                                  struct http_refusal *why);

struct http_field {
    uint16_t name, name_len, value, value_len; /* offsets from http_head.base */
};

struct http_head {
    const char *base;
    enum http_method method;
    const char *method_name, *path, *query;
    size_t path_len;
    uint64_t content_length;
    unsigned minor; /* of the version: 0 or 1 */
    unsigned n_fields;
    bool has_length, chunked, expect_continue, keep_alive;
    struct http_field fields[HTTP_MAX_FIELDS];
};

/* Parses a head that http_scan_head found whole: len bytes from the request line to the empty line. Changes
 * buf: names become lower case, and method, path, query, names and values get a NUL behind them; *head points
 * into it. 0, or -1 with *why; then head->method is right when the request line had a good method. */
int http_parse_head(struct http_head *head, char *buf, size_t len, struct http_refusal *why);

/* What the fields mean together: framing, Host, Expect, Connection. Called by http_parse_head. */
int http_check_fields(struct http_head *head, struct http_refusal *why);

/* Records why and returns -1. */
int http_refuse(struct http_refusal *why, int status, const char *detail);

enum { HTTP_TOKEN = 1, HTTP_VALUE = 2 };
extern const unsigned char http_chars[256]; /* bits of these */

/* A character of a token (RFC 9110, 5.6.2). */
static inline bool http_is_token_char(unsigned char c)
{
    return http_chars[c] & HTTP_TOKEN;
}

/* A byte that a field's value may hold: tab, blank, visible, or 0x80 and above. */
static inline bool http_is_value_char(unsigned char c)
{
    return http_chars[c] & HTTP_VALUE;
}

#endif
