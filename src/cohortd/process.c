#include "cohortd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

int os_user_find(const char *name, struct os_user *out, struct error *e)
{
    memset(out, 0, sizeof *out);
    out->drop = geteuid() == 0;
    struct passwd *pw = out->drop ? getpwnam(name) : getpwuid(geteuid());
    if (!pw && out->drop)
        return error_set(e, ERR_STATE, "os_user",
                         "PostgreSQL does not run as root, and there is no system user \"%s\" to run it as: "
                         "install the package postgresql-15, which makes user postgres, or name another with "
                         "--os-user",
                         name);
    out->uid = pw ? pw->pw_uid : geteuid();
    out->gid = pw ? pw->pw_gid : getegid();
    snprintf(out->name, sizeof out->name, "%s", pw ? pw->pw_name : "unknown");
    if (out->drop && out->uid == 0)
        return error_set(e, ERR_INVALID, "os_user",
                         "os_user must not be root: PostgreSQL refuses to run as root");
    return ERR_OK;
}

/* Our environment without what would steer PostgreSQL elsewhere. The strings stay environ's. */
static const char **clean_environment(void)
{
    size_t n = 0;
    while (environ[n])
        n++;
    const char **env = calloc(n + 2, sizeof *env);
    if (!env)
        return NULL;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "PG", 2) != 0 && strncmp(environ[i], "LC_", 3) != 0 &&
            strncmp(environ[i], "LANG", 4) != 0)
            env[k++] = environ[i];
    }
    env[k] = "LC_ALL=C.UTF-8";
    return env;
}

/* In the child, between fork and exec: only what is safe after a fork of a process with threads. */
static int become(const struct os_user *u)
{
    if (!u->drop)
        return 0;
    return setgroups(1, &u->gid) == 0 && setgid(u->gid) == 0 && setuid(u->uid) == 0 ? 0 : -1;
}

static void default_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < 32; s++)
        signal(s, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(const struct os_user *u, const char *const *argv, const char *const *env, int out_fd,
                  int report_fd, pid_t parent)
{
    default_signals();
    int in_fd = open("/dev/null", O_RDONLY);
    if (in_fd >= 0 && dup2(in_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 && dup2(out_fd, 2) >= 0 && setsid() >= 0 &&
        become(u) == 0 && chdir("/") == 0 && prctl(PR_SET_PDEATHSIG, SIGINT) == 0 && getppid() == parent) {
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        execve(argv[0], (char *const *)argv, (char *const *)env);
    }
    int problem = errno;
    ssize_t ignored = write(report_fd, &problem, sizeof problem);
    (void)ignored;
    _exit(127);
}

/* What the child says when it could not exec; 0 when it did (the pipe closes). */
static int read_report(int fd)
{
    int problem = 0;
    ssize_t n;
    do
        n = read(fd, &problem, sizeof problem);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof problem ? problem : 0;
}

int process_spawn(const struct os_user *u, const char *const *argv, int out_fd, pid_t *pid, struct error *e)
{
    int report[2];
    const char **env = clean_environment();
    if (!env)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    if (pipe2(report, O_CLOEXEC) != 0) {
        free(env);
        return error_set(e, ERR_IO, NULL, "pipe: %s", strerror(errno));
    }
    pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0)
        child(u, argv, env, out_fd, report[1], parent);
    int problem = *pid < 0 ? errno : 0;
    close(report[1]);
    if (*pid > 0 && (problem = read_report(report[0])) != 0)
        waitpid(*pid, NULL, 0);
    close(report[0]);
    free(env);
    return problem ? error_set(e, ERR_IO, argv[0], "%s can't be started: %s", argv[0], strerror(problem))
                   : ERR_OK;
}

/* Keeps the last cap - 1 bytes. */
static void keep_tail(char *output, size_t cap, size_t *len, const char *p, size_t n)
{
    if (n >= cap) {
        p += n - (cap - 1);
        n = cap - 1;
    }
    if (*len + n > cap - 1) {
        size_t cut = *len + n - (cap - 1);
        memmove(output, output + cut, *len - cut);
        *len -= cut;
    }
    memcpy(output + *len, p, n);
    *len += n;
    output[*len] = '\0';
}

/* Until the program closes its outputs; false at the deadline or when stopping (a signal ends the poll). */
static bool collect(int fd, int64_t deadline_us, bool (*stopping)(void), char *output, size_t cap)
{
    char chunk[1024];
    size_t len = 0;
    output[0] = '\0';
    for (;;) {
        int64_t left = (deadline_us - clock_monotonic_us()) / 1000;
        struct pollfd p = {fd, POLLIN, 0};
        if (left <= 0 || (stopping && stopping()))
            return false;
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR))
            return true;
        if (n > 0)
            keep_tail(output, cap, &len, chunk, (size_t)n);
    }
}

int process_run(const struct os_user *u, const char *const *argv, unsigned timeout_s, bool (*stopping)(void),
                char *output, size_t cap, int *status, struct error *e)
{
    int pipe_fd[2];
    pid_t pid;
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return error_set(e, ERR_IO, NULL, "pipe: %s", strerror(errno));
    int code = process_spawn(u, argv, pipe_fd[1], &pid, e);
    close(pipe_fd[1]);
    if (code == ERR_OK) {
        if (!collect(pipe_fd[0], clock_monotonic_us() + (int64_t)timeout_s * 1000000, stopping, output,
                     cap)) {
            kill(-pid, SIGKILL); /* the session is its own: its children too */
            code = stopping && stopping() ? error_set(e, ERR_STATE, NULL, "stopped while starting")
                                          : error_set(e, ERR_IO, argv[0], "%s did not end within %u seconds",
                                                      argv[0], timeout_s);
        }
        while (waitpid(pid, status, 0) < 0 && errno == EINTR)
            ;
    }
    close(pipe_fd[0]);
    return code;
}

/* In a child: the index in path of the end of the first directory that can't be entered, or 0. */
static size_t first_closed(const char *path)
{
    char prefix[4096];
    size_t len = strlen(path);
    if (len >= sizeof prefix)
        return len;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        if (access(prefix, X_OK) != 0)
            return i;
    }
    return 0;
}

int process_can_reach(const struct os_user *u, const char *path, struct error *e)
{
    int report[2];
    size_t closed = 0;
    if (!u->drop)
        return ERR_OK;
    if (pipe2(report, O_CLOEXEC) != 0)
        return error_set(e, ERR_IO, NULL, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        closed = become(u) == 0 ? first_closed(path) : 1;
        _exit(write(report[1], &closed, sizeof closed) == (ssize_t)sizeof closed ? 0 : 1);
    }
    close(report[1]);
    bool known = pid > 0 && read(report[0], &closed, sizeof closed) == (ssize_t)sizeof closed;
    close(report[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (!known)
        return error_set(e, ERR_IO, NULL, "a child process could not say whether %s can reach %s", u->name,
                         path);
    if (closed == 0)
        return ERR_OK;
    return error_set(
        e, ERR_STATE, "data",
        "user %s, as whom the embedded database runs, can't enter %.*s: choose a directory it can "
        "reach, such as --data /var/lib/cohortd",
        u->name, (int)closed, path);
}
