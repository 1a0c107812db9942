#include "http_bed.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_bed_tls.h"
#include "web/http_tls.h"

bool bed_over_tls;
int bed_send_bytes;

static void on_freed(void *data)
{
    ((struct bed *)data)->freed++;
}

/* Says back what it was asked: "METHOD path?query [body]". */
static void echo(struct http_request *r)
{
    struct buffer out = {0};
    size_t len;
    const char *body = http_body(r, &len);
    buffer_printf(&out, "%s %s?%s [", http_method_name(r), http_path(r), http_query(r));
    buffer_add(&out, body, len < 100 ? len : 100);
    buffer_printf(&out, "] %zu", len);
    http_reply(r, 200, "text/plain", out.data, out.len);
    buffer_free(&out);
}

static void on_gone(void *arg, bool slow)
{
    struct bed_stream *s = arg;
    s->s = NULL;
    s->slow = slow;
    s->gone++;
}

static void handle(struct http_request *r, void *arg)
{
    struct bed *b = arg;
    const char *path = http_path(r);
    b->handled++;
    if (strncmp(path, "/smuggled", 9) == 0)
        b->smuggled++;
    if (strncmp(path, "/later", 6) == 0) {
        ck_assert_uint_lt(b->n_waiting, 64);
        http_set_data(r, b, on_freed);
        b->waiting[b->n_waiting++] = r;
    } else if (strncmp(path, "/stream", 7) == 0) {
        ck_assert_uint_lt(b->n_streams, 16);
        struct bed_stream *s = &b->streams[b->n_streams++];
        http_add_header(r, "X-Kind", "stream");
        s->s = http_stream_begin(r, "text/plain", on_gone, s);
    } else if (strncmp(path, "/large", 6) == 0) {
        char *big = malloc(b->reply_len);
        memset(big, 'x', b->reply_len);
        http_reply(r, 200, "text/plain", big, b->reply_len);
        free(big);
    } else if (strcmp(path, "/busy") == 0) {
        bool no = http_overloaded(r, http_query(r)[0] ? HTTP_WORK_LONG : HTTP_WORK_SHORT);
        int64_t until = clock_thread_us() + (no ? b->refuse_us : b->busy_us);
        while (clock_thread_us() < until)
            ;
        char order[16];
        int n = snprintf(order, sizeof order, "%u", b->handled);
        http_reply(r, no ? 503 : 200, "text/plain", order, (size_t)n);
    } else if (strcmp(path, "/nothing") == 0) {
        http_reply(r, 204, NULL, NULL, 0);
    } else if (strcmp(path, "/header") == 0) {
        const char *v = http_header(r, "x-test");
        http_add_header(r, "X-Back", v ? v : "none");
        http_add_header(r, "X-Evil", "a\r\nX-Injected: 1");
        http_reply(r, 200, "text/plain", http_peer(r), strlen(http_peer(r)));
    } else {
        echo(r);
    }
}

static size_t limit(enum http_method m, const char *path, size_t path_len, void *arg)
{
    (void)m;
    struct bed *b = arg;
    return path_len >= 6 && memcmp(path, "/small", 6) == 0 ? b->body_limit : 0;
}

void bed_start(struct bed *b, const struct http_options *o)
{
    struct http_options defaults;
    struct error e;
    int fd;
    memset(b, 0, sizeof *b);
    http_options_default(&defaults);
    b->body_limit = 10;
    b->started_us = clock_monotonic_us();
    b->base = event_base_new();
    ck_assert_ptr_nonnull(b->base);
    ck_assert_int_eq(http_listen("127.0.0.1:0", true, &fd, &b->port, &e), 0);
    if (bed_send_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bed_send_bytes, sizeof bed_send_bytes);
    ck_assert_int_eq(
        http_server_new(&b->server, b->base, fd, o ? o : &defaults, handle, limit, b, &b->counters, &e), 0);
    if (bed_over_tls) {
        struct http_tls *tls = bed_tls();
        http_server_set_tls(b->server, tls);
        http_tls_unref(tls);
    }
}

void bed_stop(struct bed *b)
{
    http_server_free(b->server);
    for (unsigned i = 0; i < b->n_waiting; i++)
        http_reply(b->waiting[i], 200, NULL, NULL, 0);
    event_base_free(b->base);
}

static void on_bound(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void bed_turn(struct bed *b)
{
    int64_t left = b->started_us + BED_BOUND_US - clock_monotonic_us();
    ck_assert_msg(left > 0, "the condition did not come true within the bound");
    struct timeval tv = {.tv_sec = left / 1000000, .tv_usec = left % 1000000};
    struct event *bound = event_new(b->base, -1, 0, on_bound, NULL);
    event_add(bound, &tv);
    event_base_loop(b->base, EVLOOP_ONCE);
    event_free(bound);
}

void bed_settle(struct bed *b)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(b->base, EVLOOP_NONBLOCK);
}

static ssize_t receive(struct client *c, void *to, size_t n)
{
    return c->secure ? bed_secure_receive(c->secure, to, n) : recv(c->fd, to, n, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct client *c = arg;
    ssize_t n;
    do {
        uint8_t *to = buffer_reserve(&c->in, 65536);
        ck_assert_ptr_nonnull(to);
        n = receive(c, to, 65536);
        c->in.len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && c->secure); /* OpenSSL may hold more than the kernel tells of */
    if (n > 0)
        return;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->eof = true;
    c->reset = n < 0;
    event_del(c->readable);
}

void client_open_small(struct client *c, struct bed *b, int receive_bytes)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(b->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(c, 0, sizeof *c);
    c->bed = b;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(c->fd, 0);
    int on = 1; /* what is sent is there, whatever was sent before */
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_bytes > 0)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
    evutil_make_socket_nonblocking(c->fd);
    c->readable = event_new(b->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    event_add(c->readable, NULL);
    if (bed_over_tls)
        c->secure = bed_secure_new(c->fd, NULL);
}

void client_open(struct client *c, struct bed *b)
{
    client_open_small(c, b, 0);
}

void client_ready(struct client *c)
{
    BED_UNTIL(c->bed, !c->secure || bed_secure_open(c->secure));
}

ssize_t client_try(struct client *c, const char *p, size_t n)
{
    return c->secure ? bed_secure_send(c->secure, p, n) : send(c->fd, p, n, MSG_NOSIGNAL);
}

void client_end(struct client *c)
{
    if (c->secure)
        bed_secure_end(c->secure);
    shutdown(c->fd, SHUT_WR);
}

void client_send(struct client *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = client_try(c, p, n);
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN && !c->eof) {
            bed_turn(c->bed);
        } else if (errno != EINTR) {
            return; /* the server has closed: the test looks at what it answered */
        }
    }
}

void client_say(struct client *c, const char *text)
{
    client_send(c, text, strlen(text));
}

void client_pause(struct client *c, bool paused)
{
    if (paused)
        event_del(c->readable);
    else
        event_add(c->readable, NULL);
}

void client_close(struct client *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    event_free(c->readable);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(c->fd);
    bed_secure_free(c->secure);
    buffer_free(&c->in);
}

static bool find_length(const char *head, size_t head_len, size_t *length)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *p = memmem(head, head_len, name, sizeof name - 1);
    if (p)
        *length = (size_t)strtoul(p + sizeof name - 1, NULL, 10);
    return p != NULL;
}

bool answer_next(const struct client *c, size_t *at, bool no_body, struct answer *a)
{
    if (*at >= c->in.len)
        return false;
    const char *p = (const char *)c->in.data + *at;
    size_t len = c->in.len - *at, length = 0;
    const char *end = memmem(p, len, "\r\n\r\n", 4);
    if (!end)
        return false;
    ck_assert_msg(memcmp(p, "HTTP/1.1 ", 9) == 0, "not an answer: %.40s", p);
    *a =
        (struct answer){.status = atoi(p + 9), .head = p, .head_len = (size_t)(end + 4 - p), .body = end + 4};
    if (!no_body)
        find_length(p, a->head_len, &length);
    if (len - a->head_len < length)
        return false;
    a->body_len = length;
    *at += a->head_len + length;
    return true;
}

unsigned answers(const struct client *c)
{
    struct answer a;
    size_t at = 0;
    unsigned n = 0;
    while (answer_next(c, &at, false, &a))
        n++;
    return n;
}

struct answer answer_wait(struct client *c, unsigned index)
{
    struct answer a = {0};
    for (;;) {
        size_t at = 0;
        unsigned n = 0;
        while (n <= index && answer_next(c, &at, false, &a))
            n++;
        if (n > index)
            return a;
        ck_assert_msg(!c->eof, "the connection ended before answer %u", index);
        bed_turn(c->bed);
    }
}

bool answer_has(const struct answer *a, const char *header_line)
{
    char line[256];
    int n = snprintf(line, sizeof line, "\r\n%s\r\n", header_line);
    return memmem(a->head, a->head_len, line, (size_t)n) != NULL;
}

void client_wait_eof(struct client *c)
{
    BED_UNTIL(c->bed, c->eof);
}
