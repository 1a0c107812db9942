#include "cohortd/listen.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "web/http.h"

static int explained(const char *address, const struct error *why, struct error *e)
{
    return error_set(e, why->code, "--listen", "--listen %s: %s", address, why->text);
}

int listen_probe(const char *address, struct error *e)
{
    struct error why;
    int fd = -1;
    uint16_t port;
    if (http_listen(address, true, &fd, &port, &why) != ERR_OK)
        return explained(address, &why, e);
    close(fd);
    return ERR_OK;
}

/* The address with the port that was bound. */
static void with_port(const char *address, uint16_t port, char *out, size_t cap)
{
    const char *colon = strrchr(address, ':');
    int host = colon ? (int)(colon - address) : (int)strlen(address);
    snprintf(out, cap, "%.*s:%u", host, address, port);
}

/* A server on every address is found on the loopback one. */
static void make_url(const char *address, char *url, size_t cap)
{
    const char *port = strrchr(address, ':');
    if (strncmp(address, "0.0.0.0:", 8) == 0)
        snprintf(url, cap, "http://127.0.0.1%s", port);
    else if (strncmp(address, "[::]:", 5) == 0)
        snprintf(url, cap, "http://[::1]%s", port);
    else
        snprintf(url, cap, "http://%s", address);
}

int listen_all(const char *address, int *fds, size_t n, char *url, size_t cap, struct error *e)
{
    char bound[300];
    struct error why;
    uint16_t port = 0, same;
    if (http_listen(address, true, &fds[0], &port, &why) != ERR_OK)
        return explained(address, &why, e);
    with_port(address, port, bound, sizeof bound);
    for (size_t i = 1; i < n; i++) {
        if (http_listen(bound, false, &fds[i], &same, &why) == ERR_OK)
            continue;
        while (i > 0)
            close(fds[--i]);
        return explained(bound, &why, e);
    }
    make_url(bound, url, cap);
    return ERR_OK;
}
