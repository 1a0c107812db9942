/* Loaded in front of libc in a test: what a broken disk and a wrong clock do, switched while the program runs
 * by a control file, $FAULT_SHIM, of two words: an errno for writes and syncs of the spool (0: none, -1: they
 * hang until it changes), and seconds to be added to the wall clock. The monotonic clock is left alone, as a
 * real one would be. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { HANGS = -1 };

static void control(int *broken, long *shift)
{
    const char *path = getenv("FAULT_SHIM");
    char text[64] = "";
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    *broken = 0;
    *shift = 0;
    if (fd < 0)
        return;
    if (syscall(SYS_read, fd, text, sizeof text - 1) > 0)
        sscanf(text, "%d %ld", broken, shift);
    syscall(SYS_close, fd);
}

/* The error that this descriptor's disk has now; 0: none. Only the spool's files break. */
static int broken(int fd)
{
    char link[64], name[512];
    int code;
    long shift;
    control(&code, &shift);
    if (code == 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (n < 0)
        return 0;
    name[n] = '\0';
    return strstr(name, "/spool.db") ? code : 0;
}

#define NEXT(name, ...)                                                                                      \
    ({                                                                                                       \
        static __typeof__(&name) next;                                                                       \
        if (!next)                                                                                           \
            *(void **)&next = dlsym(RTLD_NEXT, #name);                                                       \
        next(__VA_ARGS__);                                                                                   \
    })
#define BREAK(fd)                                                                                            \
    do {                                                                                                     \
        int code;                                                                                            \
        while ((code = broken(fd)) == HANGS)                                                                 \
            usleep(5000);                                                                                    \
        if (code) {                                                                                          \
            errno = code;                                                                                    \
            return -1;                                                                                       \
        }                                                                                                    \
    } while (0)

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    BREAK(fd);
    return NEXT(pwrite64, fd, data, n, at);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    BREAK(fd);
    return NEXT(pwrite, fd, data, n, at);
}

int fsync(int fd)
{
    BREAK(fd);
    return NEXT(fsync, fd);
}

int fdatasync(int fd)
{
    BREAK(fd);
    return NEXT(fdatasync, fd);
}

static long shift_now(void)
{
    int code;
    long shift;
    control(&code, &shift);
    return shift;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += shift_now();
    return rc;
}

int gettimeofday(struct timeval *t, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
