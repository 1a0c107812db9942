/* A stream of bytes as requests, cut into pieces anywhere: no connection is left behind, every answer is one,
 * and what is answered does not depend on where the stream was cut. The first byte says how many cuts there
 * are, two more each where. */
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "unit/api_bed.h"
#include "web/http.h"

#define CUTS 6
#define LATER 16
#define TURNS 200 /* of the loop, for what is under way: more than there can be requests in an input */

/* A server of its own that says back what it was asked. */
static struct echo {
    struct api_bed bed; /* its sockets and loop */
    struct http_request *later[LATER];
    unsigned n_later, handled;
} echo;

static uint64_t hash(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

static void reply(struct http_request *r)
{
    static const char *const names[] = {
        "host", "content-type", "authorization", "x-api-key", "content-length", "if-none-match", "x"};
    char text[200];
    size_t len;
    const char *body = http_body(r, &len);
    uint64_t fields = 1, rest = hash(1, body, len);
    FUZZ_CHECK(strlen(http_path(r)) > 0 && http_path(r)[0] == '/');
    FUZZ_CHECK(!strpbrk(http_path(r), " \r\n\t") && !strpbrk(http_query(r), " \r\n\t"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *v = http_header(r, names[i]);
        FUZZ_CHECK(!v || !strpbrk(v, "\r\n"));
        fields = v ? hash(fields + i, v, strlen(v) + 1) : fields;
    }
    int n = snprintf(text, sizeof text, "%.40s %.20s?%.20s %zu %016llx %016llx", http_method_name(r),
                     http_path(r), http_query(r), len, (unsigned long long)rest, (unsigned long long)fields);
    http_add_header(r, "X-Echo", http_query(r));
    http_reply(r, 200, "text/plain", text, (size_t)n);
}

static void on_gone(void *arg, bool slow)
{
    (void)arg;
    (void)slow;
}

static void stream(struct http_request *r)
{
    struct http_stream *s = http_stream_begin(r, "text/plain", on_gone, NULL);
    if (s && http_stream_send(s, "one", 3) && http_stream_send(s, "two", 3))
        http_stream_end(s);
}

static void handle(struct http_request *r, void *arg)
{
    struct echo *e = arg;
    e->handled++;
    if (http_path(r)[1] == 'l' && e->n_later < LATER)
        e->later[e->n_later++] = r;
    else if (http_path(r)[1] == 'n')
        http_reply(r, 204, NULL, NULL, 0);
    else if (http_path(r)[1] == 't')
        stream(r);
    else
        reply(r);
}

static size_t limit(enum http_method m, const char *path, size_t path_len, void *arg)
{
    (void)m;
    (void)arg;
    return path_len > 1 && path[1] == 's' ? 10 : 0;
}

static void start(void)
{
    struct http_options o;
    struct error e;
    http_options_default(&o);
    o.max_body = 300;
    o.max_wait_ms = 60000;
    o.max_head = 1000;
    FUZZ_CHECK(api_bed_open(&echo.bed, false, false) == 0);
    http_server_free(echo.bed.server);
    echo.bed.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un any = {.sun_family = AF_UNIX}; /* only that is bound to: the kernel finds a name */
    FUZZ_CHECK(bind(echo.bed.listen_fd, (struct sockaddr *)&any, sizeof any.sun_family) == 0 &&
               listen(echo.bed.listen_fd, 8) == 0);
    FUZZ_CHECK(http_server_new(&echo.bed.server, echo.bed.base, echo.bed.listen_fd, &o, handle, limit, &echo,
                               &echo.bed.counters, &e) == 0);
}

static void turn(void)
{
    api_bed_turn(&echo.bed);
    while (echo.n_later > 0) {
        struct http_request *r = echo.later[0];
        memmove(echo.later, echo.later + 1, --echo.n_later * sizeof(struct http_request *));
        reply(r);
    }
}

/* Sends the bytes, cut; everything that comes back. */
static void talk(const uint8_t *p, size_t len, const unsigned *cuts, unsigned n_cuts, struct buffer *in)
{
    int fd = api_bed_connect(&echo.bed);
    bool open = true;
    FUZZ_CHECK(fd >= 0);
    for (unsigned i = 0; i <= n_cuts; i++) {
        size_t to = i < n_cuts ? cuts[i] : len, from = i > 0 ? cuts[i - 1] : 0;
        if (to > from && send(fd, p + from, to - from, MSG_NOSIGNAL) < 0)
            break; /* closed by the server already */
        turn();
        turn();
    }
    shutdown(fd, SHUT_WR);
    for (int i = 0; open && i < TURNS; i++) {
        turn();
        open = api_bed_read(fd, in);
    }
    FUZZ_CHECK(!open);
    close(fd);
    for (int i = 0; http_server_connections(echo.bed.server) > 0 && i < TURNS; i++)
        turn();
    FUZZ_CHECK(http_server_connections(echo.bed.server) == 0);
}

static bool begins(const char *p, const char *end, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(end - p) >= n && memcmp(p, with, n) == 0;
}

/* The answers without what differs each time: their dates and the ids of the requests. */
static void normalise(const struct buffer *in, struct buffer *out)
{
    static const char id[] = "\"request_id\":\"";
    const char *p = (const char *)in->data, *end = in->len > 0 ? p + in->len : p;
    while (p != end) {
        const char *line = memmem(p, (size_t)(end - p), "\r\n", 2);
        const char *next = line ? line + 2 : end;
        const char *member = memmem(p, (size_t)(next - p), id, sizeof id - 1);
        const char *text = member ? member + sizeof id - 1 : NULL;
        const char *quote = text ? memchr(text, '"', (size_t)(end - text)) : NULL;
        if (quote) { /* an echoed path may hold the name, too, and no end */
            buffer_add(out, p, (size_t)(text - p));
            next = quote;
        } else if (!begins(p, end, "Date: ") && !begins(p, end, "X-Request-Id: ")) {
            buffer_add(out, p, (size_t)(next - p));
        }
        p = next;
    }
}

/* "100 Continue" is only said to a peer that waits, which the cuts decide. */
static void drop_continues(struct buffer *b)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uint8_t *at;
    while (b->len > 0 && (at = memmem(b->data, b->len, line, sizeof line - 1))) {
        memmove(at, at + sizeof line - 1, b->len - (size_t)(at - b->data) - (sizeof line - 1));
        b->len -= sizeof line - 1;
    }
}

void fuzz_http(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    unsigned cuts[CUTS], n = fuzz_byte(&in) % (CUTS + 1);
    struct buffer got[2] = {{0}}, said[2] = {{0}};
    if (!echo.bed.base)
        start();
    for (unsigned i = 0; i < n; i++) {
        unsigned gap = fuzz_u16(&in) % 512;
        cuts[i] = (i > 0 ? cuts[i - 1] : 0) + gap;
    }
    for (unsigned i = 0; i < n; i++)
        cuts[i] = cuts[i] < in.left ? cuts[i] : (unsigned)in.left;
    talk(in.p, in.left, NULL, 0, &got[0]);
    unsigned handled = echo.handled;
    talk(in.p, in.left, cuts, n, &got[1]);
    FUZZ_CHECK(echo.handled - handled == handled);
    for (int i = 0; i < 2; i++) {
        normalise(&got[i], &said[i]);
        drop_continues(&said[i]);
        FUZZ_CHECK(said[i].len == 0 || (said[i].len > 12 && memcmp(said[i].data, "HTTP/1.1 ", 9) == 0));
    }
    FUZZ_CHECK(said[0].len == said[1].len &&
               (said[0].len == 0 || memcmp(said[0].data, said[1].data, said[0].len) == 0));
    for (int i = 0; i < 2; i++) {
        buffer_free(&got[i]);
        buffer_free(&said[i]);
    }
    echo.handled = 0;
}
