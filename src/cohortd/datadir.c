#include "cohortd/datadir.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/json_dump.h"
#include "cohortd/files.h"

#define NODE_MAX 64

struct datadir {
    char *path;
    char node[NODE_MAX + 1];
    int lock_fd;
    bool announced; /* server.json is ours */
};

/* Parents are not made: a mistyped path should not grow a tree. */
static int make_directory(const char *path, struct error *e)
{
    /* The database's user must pass through, whatever the umask. */
    if (mkdir(path, 0711) == 0 && chmod(path, 0711) == 0)
        return ERR_OK;
    int problem = errno;
    struct stat st;
    if (problem == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ERR_OK;
    if (problem == EEXIST)
        return error_set(e, ERR_INVALID, "data", "the data directory %s is not a directory", path);
    if (problem == ENOENT)
        return error_set(e, ERR_INVALID, "data",
                         "the data directory %s can't be made because the directory above it does not exist",
                         path);
    return error_set(e, ERR_IO, "data", "the data directory %s can't be made: %s; choose another with --data",
                     path, strerror(problem));
}

static void read_pid(int fd, char *pid, size_t cap)
{
    ssize_t n = pread(fd, pid, cap - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
}

static int lock_failed(struct datadir *d, int problem, struct error *e)
{
    char pid[24];
    if (problem != EWOULDBLOCK)
        return error_set(e, ERR_IO, "data", "the data directory %s can't be locked: %s", d->path,
                         strerror(problem));
    read_pid(d->lock_fd, pid, sizeof pid);
    return error_set(e, ERR_STATE, "data",
                     "the data directory %s is in use by a running cohortd (process %s): stop it, or choose "
                     "another directory with --data",
                     d->path, pid[0] ? pid : "unknown");
}

static int lock(struct datadir *d, struct error *e)
{
    char *path = file_path(d->path, "lock"), pid[24];
    if (!path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    int problem = errno;
    free(path);
    if (d->lock_fd < 0)
        return error_set(
            e, ERR_IO, "data",
            "the data directory %s is not writable for this user (%s); choose another with --data", d->path,
            strerror(problem));
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return lock_failed(d, errno, e);
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(d->lock_fd, 0) != 0 || pwrite(d->lock_fd, pid, (size_t)n, 0) != n)
        return error_set(e, ERR_IO, "data", "the data directory %s can't be written: %s", d->path,
                         strerror(errno));
    return ERR_OK;
}

/* Of a cohortd that was killed: whoever finds the file believes that its server runs. */
static void forget_server(const struct datadir *d)
{
    char *path = file_path(d->path, "server.json");
    if (path)
        unlink(path);
    free(path);
}

/* The host's name and four random digits: machines made from one image have the same name. */
static void invent_node(char node[NODE_MAX + 1])
{
    char host[NODE_MAX - 8] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "node");
    for (char *p = host; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '.' && *p != '_')
            *p = '-';
    }
    snprintf(node, NODE_MAX + 1, "%s-%04x", host, (unsigned)randombytes_uniform(0x10000));
}

static int find_node(struct datadir *d, const char *wanted, struct error *e)
{
    char *path = file_path(d->path, "node"), *known = NULL;
    if (!path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = file_read(path, 256, &known, e);
    if (known)
        known[strcspn(known, " \r\n")] = '\0';
    if (code == ERR_NOT_FOUND)
        code = ERR_OK;
    if (wanted[0])
        snprintf(d->node, sizeof d->node, "%s", wanted);
    else if (known && known[0])
        snprintf(d->node, sizeof d->node, "%s", known);
    else
        invent_node(d->node);
    if (code == ERR_OK && (!known || strcmp(known, d->node) != 0)) {
        char line[NODE_MAX + 2];
        int n = snprintf(line, sizeof line, "%s\n", d->node);
        code = file_write(path, 0644, line, (size_t)n, e);
    }
    free(known);
    free(path);
    return code;
}

int datadir_open(struct datadir **out, const char *path, const char *node_name, struct error *e)
{
    struct datadir *d = calloc(1, sizeof *d);
    if (!d)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    d->lock_fd = -1;
    int code = make_directory(path, e);
    if (code == ERR_OK && !(d->path = realpath(path, NULL)))
        code = error_set(e, ERR_IO, "data", "the data directory %s: %s", path, strerror(errno));
    if (code == ERR_OK)
        code = lock(d, e);
    if (code == ERR_OK) {
        forget_server(d);
        code = find_node(d, node_name, e);
    }
    if (code != ERR_OK) {
        datadir_close(d);
        return code;
    }
    *out = d;
    return ERR_OK;
}

void datadir_close(struct datadir *d)
{
    if (!d)
        return;
    if (d->announced)
        forget_server(d);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    free(d->path);
    free(d);
}

const char *datadir_path(const struct datadir *d)
{
    return d->path;
}

const char *datadir_node(const struct datadir *d)
{
    return d->node;
}

int datadir_write_server(struct datadir *d, const char *url, const char *socket, const char *database,
                         struct error *e)
{
    char *path = file_path(d->path, "server.json");
    json_t *doc = json_pack("{s:s, s:s*, s:s, s:I, s:s}", "url", url, "socket", socket, "database", database,
                            "pid", (json_int_t)getpid(), "node", d->node);
    char *text = doc ? json_dump_text(doc, JSON_INDENT(1)) : NULL;
    int code = path && text
                   ? file_write(path, 0600, text, strlen(text), e)
                   : error_set(e, ERR_NOMEM, NULL, "server.json: out of memory, or its texts are not UTF-8");
    if (code == ERR_OK)
        d->announced = true;
    free(text);
    json_decref(doc);
    free(path);
    return code;
}
