#include "cohortd/activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage room;
};

static int option_of(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* What it listens on, as it would stand in the option listen; false for what is none of ours. */
static bool describe(int fd, char *out, size_t cap)
{
    union address a;
    char host[INET6_ADDRSTRLEN];
    socklen_t len = sizeof a;
    memset(&a, 0, sizeof a);
    if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1 ||
        getsockname(fd, &a.any, &len) != 0)
        return false;
    if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host))
        return snprintf(out, cap, "%s:%u", host, ntohs(a.v4.sin_port)) > 0;
    if (a.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof host))
        return snprintf(out, cap, "[%s]:%u", host, ntohs(a.v6.sin6_port)) > 0;
    return a.any.sa_family == AF_UNIX && a.local.sun_path[0] == '/' &&
           snprintf(out, cap, "unix:%s", a.local.sun_path) > 0;
}

/* The names are separated by colons; they only help to say which one is wrong. */
static void name_of(const char *names, size_t i, char *out, size_t cap)
{
    const char *p = names ? names : "";
    for (; i > 0 && *p; i--)
        p += strcspn(p, ":") + (p[strcspn(p, ":")] == ':');
    snprintf(out, cap, "%.*s", (int)strcspn(p, ":"), p);
}

static int take(struct activation *a, size_t i, const char *names, struct error *e)
{
    int fd = FIRST_FD + (int)i, flags = fcntl(fd, F_GETFL);
    char name[64];
    name_of(names, i, name, sizeof name);
    if (flags < 0 || !describe(fd, a->sockets[i].text, ACTIVATION_TEXT))
        return error_set(
            e, ERR_INVALID, "LISTEN_FDS",
            "descriptor %d%s%s%s, which the service manager passes, is no listening socket of TCP or in the "
            "file system; a .socket unit needs ListenStream= and Accept=no",
            fd, name[0] ? " (" : "", name, name[0] ? ")" : "");
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return error_set(e, ERR_IO, "LISTEN_FDS", "descriptor %d: %s", fd, strerror(errno));
    a->sockets[i].fd = fd;
    return ERR_OK;
}

static int read_sockets(struct activation *a, const char *count, const char *names, struct error *e)
{
    char *end;
    long n = strtol(count, &end, 10);
    int code = ERR_OK;
    if (*end || n < 0 || n > ACTIVATION_MAX)
        return error_set(e, ERR_INVALID, "LISTEN_FDS", "LISTEN_FDS=%s is not a number from 0 to %d", count,
                         ACTIVATION_MAX);
    for (size_t i = 0; i < (size_t)n && code == ERR_OK; i++) {
        code = take(a, i, names, e);
        a->n += code == ERR_OK;
    }
    return code;
}

int activation_read(struct activation *a, struct error *e)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int code = ERR_OK;
    *a = (struct activation){0};
    if (pid && count && atol(pid) == (long)getpid())
        code = read_sockets(a, count, getenv("LISTEN_FDNAMES"), e);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return code;
}
