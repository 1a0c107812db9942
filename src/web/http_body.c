/* How a body arrives: in one piece behind the head, by its length, or chunked. */
#include <string.h>

#include "web/http_conn.h"

#define PIECE 16384u /* bytes taken at a time: memory grows with what has arrived */

static const char too_large[] = "The body is larger than this path takes.";
static const char no_memory[] = "There is no memory for the body now.";

static enum http_progress refuse(struct http_refusal *why, int status, const char *detail)
{
    http_refuse(why, status, detail);
    return HTTP_REFUSED;
}

static size_t limit_of(const struct http_conn *c)
{
    const struct http_server *s = c->server;
    const struct http_head *h = &c->request.head;
    size_t n = s->limit ? s->limit(h->method, h->path, h->path_len, s->arg) : 0;
    return n == 0 || n > s->o.max_body ? s->o.max_body : n;
}

static enum http_progress done(struct http_conn *c)
{
    c->request.body = (const char *)c->body.data;
    c->request.body_len = c->body.len;
    return HTTP_DONE;
}

static void send_continue(struct http_conn *c)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *p = out_reserve(c, sizeof line - 1);
    if (!p)
        return;
    memcpy(p, line, sizeof line - 1);
    out_added(c, sizeof line - 1);
}

static enum http_progress begin_length(struct http_conn *c, size_t head_end, struct http_refusal *why)
{
    uint64_t length = c->request.head.content_length;
    size_t here = c->in.len - head_end;
    if (length > c->body_max)
        return refuse(why, 413, too_large);
    if (here >= length) {
        c->request.body = (const char *)c->in.data + head_end;
        c->request.body_len = (size_t)length;
        c->next = head_end + (size_t)length;
        return HTTP_DONE;
    }
    buffer_add(&c->body, c->in.data + head_end, here);
    c->body_left = length - here;
    c->next = c->in.len;
    return c->body.failed ? refuse(why, 503, no_memory) : HTTP_MORE;
}

static enum http_progress begin_chunked(struct http_conn *c, size_t head_end, struct http_refusal *why)
{
    size_t used = 0;
    enum http_progress p = http_chunk_feed(&c->chunk, (const char *)c->in.data + head_end,
                                           c->in.len - head_end, &used, &c->body, c->body_max, why);
    c->next = head_end + used;
    return p == HTTP_DONE ? done(c) : p;
}

enum http_progress body_begin(struct http_conn *c, size_t head_end, struct http_refusal *why)
{
    const struct http_head *h = &c->request.head;
    c->request.body = "";
    c->request.body_len = 0;
    c->next = head_end;
    if (!h->chunked && h->content_length == 0)
        return HTTP_DONE;
    c->body_max = limit_of(c);
    c->chunk = (struct http_chunk){0};
    return h->chunked ? begin_chunked(c, head_end, why) : begin_length(c, head_end, why);
}

bool body_invite(struct http_conn *c)
{
    struct http_server *s = c->server;
    if (s->o.expect) {
        conn_set_state(c, CONN_HANDLER);
        c->last = c->request.unanswered = true;
        trace_begin(c);
        if (!s->o.expect(&c->request, s->arg))
            return false;
        c->request.unanswered = false;
    }
    send_continue(c);
    return true;
}

/* One piece at a time, so that one peer's large body does not hold up the others: the rest is told of again.
 */
static enum http_progress more_length(struct http_conn *c, struct http_refusal *why)
{
    size_t n = c->body_left < PIECE ? (size_t)c->body_left : PIECE;
    uint8_t *to = buffer_reserve(&c->body, n);
    if (!to)
        return refuse(why, 503, no_memory);
    size_t got = in_take(c, to, n);
    c->body.len += got;
    c->body_left -= got;
    return c->body_left == 0 ? done(c) : HTTP_MORE;
}

/* What is behind the body stays with the kernel: it belongs to the next request. */
static enum http_progress more_chunked(struct http_conn *c, struct http_refusal *why)
{
    char piece[PIECE];
    size_t n = in_peek(c, piece, sizeof piece), used = 0;
    if (n == 0)
        return HTTP_MORE;
    enum http_progress p = http_chunk_feed(&c->chunk, piece, n, &used, &c->body, c->body_max, why);
    in_take(c, piece, p == HTTP_REFUSED ? n : used);
    return p == HTTP_DONE ? done(c) : p;
}

enum http_progress body_more(struct http_conn *c, struct http_refusal *why)
{
    return c->request.head.chunked ? more_chunked(c, why) : more_length(c, why);
}
