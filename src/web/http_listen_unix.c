/* A listening socket in the file system. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "web/http.h"

#define BACKLOG 4096

static int failed(const char *path, const char *verb, struct error *e)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return error_set(e, ERR_INVALID, "listen", "the directory of %s is not there", path);
    return error_set(e, ERR_IO, "listen", "the socket %s can't be %s: %s", path, verb, strerror(errno));
}

static int make_address(struct sockaddr_un *a, const char *path, struct error *e)
{
    size_t n = strlen(path);
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] != '/')
        return error_set(e, ERR_INVALID, "listen",
                         "\"unix:%s\" is not an absolute path; write for example unix:/run/cohortd/http.sock",
                         path);
    if (n >= sizeof a->sun_path)
        return error_set(e, ERR_INVALID, "listen", "the path of a socket may have %zu bytes, %s has %zu",
                         sizeof a->sun_path - 1, path, n);
    memcpy(a->sun_path, path, n + 1);
    return 0;
}

/* Whether somebody serves it: a queue that is full says so too. */
static bool is_served(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return served;
}

/* What is at the path: nothing, a socket nobody serves (*stale), or an error. */
static int look(const struct sockaddr_un *a, bool *stale, struct error *e)
{
    struct stat st;
    *stale = false;
    if (lstat(a->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : failed(a->sun_path, "looked at", e);
    if (!S_ISSOCK(st.st_mode))
        return error_set(e, ERR_INVALID, "listen",
                         "%s is there and is no socket; remove it, or choose another path", a->sun_path);
    if (is_served(a))
        return error_set(e, ERR_STATE, "listen",
                         "%s is in use by another program; stop that one, or choose another path",
                         a->sun_path);
    *stale = true;
    return 0;
}

/* The directory must be there and ours to write in, or the stale socket could not be replaced either. */
static int see(const struct sockaddr_un *a, struct error *e)
{
    char dir[sizeof a->sun_path];
    strcpy(dir, a->sun_path);
    char *slash = strrchr(dir, '/');
    slash[slash == dir ? 1 : 0] = '\0';
    return access(dir, W_OK | X_OK) == 0 ? 0 : failed(a->sun_path, "made", e);
}

/* Nobody gets in before the permissions are right: it does not listen yet. */
static int open_at(const struct sockaddr_un *a, unsigned mode, int *out, struct error *e)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)a, sizeof *a) == 0 && chmod(a->sun_path, mode) == 0 &&
        listen(fd, BACKLOG) == 0) {
        *out = fd;
        return 0;
    }
    int code = failed(a->sun_path, "made", e);
    if (fd >= 0)
        close(fd);
    return code;
}

int http_listen_unix(const char *path, unsigned mode, int *fd, struct error *e)
{
    struct sockaddr_un a;
    bool stale;
    int code = make_address(&a, path, e);
    if (code == 0)
        code = look(&a, &stale, e);
    if (code == 0)
        code = see(&a, e);
    if (code != 0 || !fd)
        return code;
    if (stale && unlink(path) != 0)
        return failed(path, "replaced", e);
    return open_at(&a, mode, fd, e);
}
