#include "fault_shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char root[256], disk[256];
static atomic_int mode;
static atomic_uint calls, at;
static int failure;

void shim_start(const char *r, const char *d)
{
    snprintf(root, sizeof root, "%s", r);
    snprintf(disk, sizeof disk, "%s", d);
}

void shim_arm(enum shim_mode m, unsigned n, int error)
{
    atomic_store(&mode, SHIM_OFF);
    atomic_store(&calls, 0);
    atomic_store(&at, n);
    failure = error;
    atomic_store(&mode, m);
}

unsigned shim_calls(void)
{
    return atomic_load(&calls);
}

static bool is_ours(int fd, char path[512])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = root[0] ? readlink(link, path, 511) : -1;
    path[n > 0 ? n : 0] = '\0';
    return n > 0 && strncmp(path, root, strlen(root)) == 0;
}

static _Noreturn void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* True: the call must fail. *kill_it: it is the last thing this process does. */
static bool meets_fault(bool *kill_it)
{
    unsigned n = atomic_fetch_add(&calls, 1) + 1;
    int m = atomic_load(&mode);
    *kill_it = m == SHIM_KILL && n == atomic_load(&at);
    if (m == SHIM_HANG && n >= atomic_load(&at)) {
        for (;;)
            pause();
    }
    if (m == SHIM_FAIL && n >= atomic_load(&at)) {
        errno = failure;
        return true;
    }
    return false;
}

static void copy(const char *from, const char *to)
{
    static const size_t room = 1 << 16;
    char *buffer = malloc(room);
    int in = (int)syscall(SYS_openat, AT_FDCWD, from, O_RDONLY, 0);
    int out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (long n; in >= 0 && out >= 0 && (n = syscall(SYS_read, in, buffer, room)) > 0;) {
        if (syscall(SYS_write, out, buffer, n) != n)
            abort();
    }
    close(in);
    close(out);
    free(buffer);
}

/* What is synced is on the disk: a file's bytes, or a directory's names. */
static void keep(const char *path)
{
    char to[600], line[600];
    struct stat st;
    if (!disk[0] || stat(path, &st) != 0)
        return;
    if (!S_ISDIR(st.st_mode)) {
        snprintf(to, sizeof to, "%s/%lu", disk, (unsigned long)st.st_ino);
        copy(path, to);
        return;
    }
    const char *name = strrchr(path, '/') + 1;
    snprintf(to, sizeof to, "%s/names-%s", disk, name);
    int out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    DIR *dir = opendir(path);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        int n = snprintf(line, sizeof line, "%lu %.200s\n", (unsigned long)d->d_ino, d->d_name);
        if (d->d_name[0] != '.' && syscall(SYS_write, out, line, n) != n)
            abort();
    }
    if (dir)
        closedir(dir);
    close(out);
}

void shim_after_power_cut(const char *from, const char *name, const char *to)
{
    char names[600], source[600], target[600], entry[256];
    unsigned long inode;
    snprintf(names, sizeof names, "%s/names-%s", from, name);
    mkdir(to, 0700);
    FILE *f = fopen(names, "r");
    while (f && fscanf(f, "%lu %255s", &inode, entry) == 2) {
        snprintf(source, sizeof source, "%s/%lu", from, inode);
        snprintf(target, sizeof target, "%s/%s", to, entry);
        copy(source, target);
    }
    if (f)
        fclose(f);
}

static int sync_call(long number, int fd)
{
    char path[512];
    bool last = false;
    if (atomic_load(&mode) == SHIM_FAST)
        return 0;
    if (!is_ours(fd, path))
        return (int)syscall(number, fd);
    if (meets_fault(&last))
        return -1;
    if (last)
        die();
    int rc = disk[0] ? 0 : (int)syscall(number, fd); /* the copy stands for the disk */
    if (rc == 0)
        keep(path);
    return rc;
}

static ssize_t write_call(int fd, const void *p, size_t n, off_t offset, bool positioned)
{
    char path[512];
    bool last = false;
    if (is_ours(fd, path) && meets_fault(&last))
        return -1;
    size_t part = last ? n / 2 : n;
    ssize_t put = positioned ? syscall(SYS_pwrite64, fd, p, part, offset) : syscall(SYS_write, fd, p, part);
    if (last)
        die();
    return put;
}

/* The calls themselves. Their declarations are the system's. */
int fsync(int fd)
{
    return sync_call(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_call(SYS_fdatasync, fd);
}

ssize_t write(int fd, const void *p, size_t n)
{
    return write_call(fd, p, n, 0, false);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
    return write_call(fd, p, n, offset, true);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
    return write_call(fd, p, n, offset, true);
}

int ftruncate64(int fd, off64_t length)
{
    char path[512];
    bool last = false;
    if (is_ours(fd, path) && meets_fault(&last))
        return -1;
    if (last)
        die();
    return (int)syscall(SYS_ftruncate, fd, length);
}

static bool name_fault(const char *path)
{
    bool last = false;
    if (!root[0] || (path[0] == '/' && strncmp(path, root, strlen(root)) != 0))
        return false;
    bool fails = meets_fault(&last);
    if (last)
        die();
    return fails;
}

int unlink(const char *path)
{
    return name_fault(path) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int rename(const char *from, const char *to)
{
    return name_fault(from) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int a, const char *from, int b, const char *to)
{
    return name_fault(from) ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, 0);
}
