/* The request layer alone, for tests behind proxies: says of every request what it took it for, in a line on
 * standard output and in the header X-Echo of the answer: CASE METHOD TARGET BODY, where CASE is the
 * request's X-Case or "-", and BODY is hexadecimal with a dot behind it. Usage: http_echo. Takes a free port
 * on loopback; the first line says which. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "web/http.h"

#define BODY_S 2 /* a proxy may leave a bad body to us, and its client waits for our deadline */
#define SMALL 10 /* bytes of a body under /small */

static void handle(struct http_request *r, void *arg)
{
    struct buffer line = {0};
    size_t len;
    const char *body = http_body(r, &len), *test = http_header(r, "x-case"), *query = http_query(r);
    (void)arg;
    buffer_printf(&line, "%s %s %s%s%s ", test ? test : "-", http_method_name(r), http_path(r),
                  *query ? "?" : "", query);
    for (size_t i = 0; i < len; i++)
        buffer_printf(&line, "%02x", (unsigned char)body[i]);
    buffer_add(&line, ".", 2);
    puts((const char *)line.data);
    fflush(stdout);
    http_add_header(r, "X-Echo", (const char *)line.data);
    http_reply(r, 200, "text/plain", "echo\n", 5);
    buffer_free(&line);
}

static size_t limit(enum http_method m, const char *path, size_t path_len, void *arg)
{
    (void)m;
    (void)arg;
    return path_len >= 6 && memcmp(path, "/small", 6) == 0 ? SMALL : 0;
}

static void on_signal(evutil_socket_t fd, short what, void *base)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(base);
}

int main(void)
{
    struct http_options o;
    struct http_server *s;
    struct error e;
    uint16_t port;
    int fd;
    struct event_base *base = event_base_new();
    http_options_default(&o);
    o.body_s = BODY_S;
    if (!base || http_listen("127.0.0.1:0", true, &fd, &port, &e) != 0 ||
        http_server_new(&s, base, fd, &o, handle, limit, NULL, NULL, &e) != 0) {
        fprintf(stderr, "http_echo: %s\n", base ? e.text : "no event base");
        return EXIT_FAILURE;
    }
    printf("%u\n", port);
    fflush(stdout);
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    event_add(term, NULL);
    event_base_dispatch(base);
    event_free(term);
    http_server_free(s);
    event_base_free(base);
    return EXIT_SUCCESS;
}
