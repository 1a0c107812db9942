/* Listening sockets. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/http.h"

#define BACKLOG 4096

struct place {
    char host[256], port[8];
};

static int bad_address(const char *address, struct error *e)
{
    return error_set(e, ERR_INVALID, "listen",
                     "\"%s\" is not an address and a port; write for example 127.0.0.1:8440 or [::1]:8440",
                     address);
}

static int split(const char *address, struct place *to, struct error *e)
{
    const char *colon = strrchr(address, ':'), *host = address, *end = colon;
    if (!colon)
        return bad_address(address, e);
    if (*host == '[') {
        if (end == host || *--end != ']')
            return bad_address(address, e);
        host++;
    } else if (memchr(host, ':', (size_t)(end - host))) {
        return bad_address(address, e);
    }
    size_t n = (size_t)(end - host), digits = strspn(colon + 1, "0123456789");
    if (n == 0 || n >= sizeof to->host || digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        atol(colon + 1) > 65535)
        return bad_address(address, e);
    memcpy(to->host, host, n);
    to->host[n] = '\0';
    strcpy(to->port, colon + 1);
    return 0;
}

/* A bound socket, or -1 with errno. */
static int bind_one(const struct addrinfo *a, bool share)
{
    int on = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        (a->ai_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* SO_REUSEPORT lets two programs of one user share a port in silence; a bind without it finds that out. */
static int open_one(const struct addrinfo *a, bool probe)
{
    if (probe) {
        int fd = bind_one(a, false);
        if (fd < 0)
            return -1;
        close(fd);
    }
    int fd = bind_one(a, true);
    if (fd >= 0 && listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

static int failed(const char *address, int error, struct error *e)
{
    if (error == EADDRINUSE)
        return error_set(e, ERR_STATE, "listen",
                         "%s is in use by another program; stop that one, or choose another port", address);
    if (error == EACCES)
        return error_set(e, ERR_INVALID, "listen",
                         "%s may not be used by this user; choose a port above 1023", address);
    if (error == EADDRNOTAVAIL)
        return error_set(e, ERR_INVALID, "listen", "%s is not an address of this machine", address);
    return error_set(e, ERR_IO, "listen", "cannot listen on %s: %s", address, strerror(error));
}

int http_listen(const char *address, bool probe, int *fd, uint16_t *bound_port, struct error *e)
{
    struct place place;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    *fd = -1;
    if (split(address, &place, e) != 0)
        return ERR_INVALID;
    int rc = getaddrinfo(place.host, place.port, &hints, &found);
    if (rc != 0)
        return error_set(e, ERR_INVALID, "listen", "the address of %s is not known: %s", address,
                         gai_strerror(rc));
    int error = 0;
    for (const struct addrinfo *a = found; a && *fd < 0; a = a->ai_next) {
        *fd = open_one(a, probe && strcmp(place.port, "0") != 0);
        /* The first failure is the telling one. */
        if (*fd < 0 && error == 0)
            error = errno;
    }
    freeaddrinfo(found);
    if (*fd < 0)
        return failed(address, error, e);
    if (bound_port)
        *bound_port = port_of(*fd);
    return 0;
}
