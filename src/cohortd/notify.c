#include "cohortd/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_us;
};

/* "/path" or "@abstract". */
static void open_socket(struct notify *n, const char *name)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof n->to.sun_path) {
        log_warn("server", "NOTIFY_SOCKET=%s is no socket that can be told anything", name);
        return;
    }
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, name, len);
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    if (name[0] == '@')
        n->to.sun_path[0] = '\0';
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static bool number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = text && *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
    if (v < 0 || errno || *end)
        return false;
    *out = v;
    return true;
}

/* WATCHDOG_PID may be left out; then it is for us. */
static void read_watchdog(struct notify *n)
{
    const char *pid = getenv("WATCHDOG_PID");
    int64_t us, whose;
    if (pid && (!number(pid, &whose) || whose != (int64_t)getpid()))
        return;
    if (number(getenv("WATCHDOG_USEC"), &us))
        n->watchdog_us = us;
}

struct notify *notify_new(void)
{
    struct notify *n = calloc(1, sizeof *n);
    const char *name = getenv("NOTIFY_SOCKET");
    if (!n)
        return NULL;
    n->fd = -1;
    if (name && name[0])
        open_socket(n, name);
    if (n->fd >= 0)
        read_watchdog(n);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return n;
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    if (n->fd >= 0)
        close(n->fd);
    free(n);
}

/* One datagram. A manager that has gone is not our trouble. */
static void say(const struct notify *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct notify *n, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    if (n->fd < 0)
        return;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (len >= (int)sizeof text)
        len = sizeof text - 1;
    if (sendto(n->fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&n->to,
               n->to_len) < 0)
        log_debug("server", "the service manager can't be told: %s", strerror(errno));
}

void notify_ready(struct notify *n, const char *status)
{
    say(n, "READY=1\nSTATUS=%s", status);
}

void notify_status(struct notify *n, const char *status)
{
    say(n, "STATUS=%s", status);
}

void notify_reloading(struct notify *n)
{
    say(n, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the options again", clock_monotonic_us());
}

void notify_stopping(struct notify *n, const char *status)
{
    say(n, "STOPPING=1\nSTATUS=%s", status);
}

void notify_extend(struct notify *n, int64_t us)
{
    say(n, "EXTEND_TIMEOUT_USEC=%" PRId64, us);
}

int64_t notify_watchdog_us(const struct notify *n)
{
    return n->watchdog_us;
}

void notify_alive(struct notify *n)
{
    say(n, "WATCHDOG=1");
}
