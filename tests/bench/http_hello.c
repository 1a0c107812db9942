/* The request layer alone: answers every request with one fixed JSON text, for measuring beside another
 * server. Usage: http_hello ADDRESS:PORT [CERTIFICATE], a PEM file with its key. Ends on SIGTERM or SIGINT.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "web/http.h"
#include "web/http_tls.h"

static void handle(struct http_request *r, void *arg)
{
    static const char text[] = "{\"key\":\"checkout_cta\",\"value\":\"Buy now\",\"reason\":\"SPLIT\"}\n";
    (void)arg;
    http_reply(r, 200, "application/json", text, sizeof text - 1);
}

static void on_signal(evutil_socket_t fd, short what, void *base)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    struct http_options o;
    struct http_server *s;
    struct http_tls *tls = NULL;
    struct error e;
    int fd;
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: http_hello ADDRESS:PORT [CERTIFICATE]\n");
        return EXIT_FAILURE;
    }
    struct event_base *base = event_base_new();
    http_options_default(&o);
    o.max_connections = o.max_connections_per_address = 100000;
    if (!base || (argc == 3 && http_tls_new(&tls, argv[2], "", &e) != 0) ||
        http_listen(argv[1], true, &fd, NULL, &e) != 0 ||
        http_server_new(&s, base, fd, &o, handle, NULL, NULL, NULL, &e) != 0) {
        fprintf(stderr, "http_hello: %s\n", base ? e.text : "no event base");
        return EXIT_FAILURE;
    }
    http_server_set_tls(s, tls);
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    struct event *interrupt = evsignal_new(base, SIGINT, on_signal, base);
    event_add(term, NULL);
    event_add(interrupt, NULL);
    event_base_dispatch(base);
    event_free(term);
    event_free(interrupt);
    http_server_free(s);
    http_tls_unref(tls);
    event_base_free(base);
    return EXIT_SUCCESS;
}
