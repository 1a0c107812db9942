#include "cohortd/stop_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A handler has no argument to find its state by. */
static atomic_int stops;
static atomic_bool reload;
static bool ends_with_terminal;
static int wake_fd = -1;

static void wake(void)
{
    uint64_t one = 1;
    ssize_t ignored = write(wake_fd, &one, sizeof one);
    (void)ignored;
}

static void on_stop(int number)
{
    int before_errno = errno;
    if (atomic_fetch_add(&stops, 1) > 0)
        _exit(128 + number); /* the embedded database ends with us (process_spawn) */
    wake();
    errno = before_errno;
}

static bool terminal_is_there(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* A terminal that is closed sends the same signal as one who wants a reload. */
static void on_hangup(int number)
{
    int before_errno = errno;
    if (ends_with_terminal && !terminal_is_there())
        on_stop(number);
    atomic_store(&reload, true);
    wake();
    errno = before_errno;
}

static void on_child(int number)
{
    int before_errno = errno;
    (void)number;
    wake();
    errno = before_errno;
}

static int handle(int number, void (*fn)(int), int flags)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = fn;
    a.sa_flags = flags;
    sigemptyset(&a.sa_mask);
    return sigaction(number, &a, NULL);
}

int stop_signal_init(struct error *e)
{
    struct sigaction before;
    bool nohup = sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
    ends_with_terminal = !nohup && terminal_is_there();
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0 || handle(SIGTERM, on_stop, SA_RESTART) != 0 ||
        handle(SIGINT, on_stop, SA_RESTART) != 0 || handle(SIGHUP, on_hangup, SA_RESTART) != 0 ||
        handle(SIGCHLD, on_child, SA_RESTART | SA_NOCLDSTOP) != 0 || handle(SIGPIPE, SIG_IGN, 0) != 0)
        return error_set(e, ERR_IO, NULL, "signals can't be handled: %s", strerror(errno));
    return ERR_OK;
}

bool stop_signal_came(void)
{
    return atomic_load(&stops) > 0;
}

bool reload_signal_take(void)
{
    return atomic_exchange(&reload, false);
}

void stop_signal_wait(int ms)
{
    struct pollfd p = {wake_fd, POLLIN, 0};
    uint64_t n;
    if (stop_signal_came())
        return;
    if (poll(&p, 1, ms) > 0) {
        ssize_t ignored = read(wake_fd, &n, sizeof n);
        (void)ignored;
    }
}
