#include "cohortd/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *join(const char *a, const char *between, const char *b)
{
    char *s = NULL;
    return asprintf(&s, "%s%s%s", a, between, b) < 0 ? NULL : s;
}

char *file_path(const char *dir, const char *name)
{
    return join(dir, "/", name);
}

static int failed(struct error *e, const char *path, const char *verb)
{
    return error_set(e, ERR_IO, path, "%s can't be %s: %s", path, verb, strerror(errno));
}

static int write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_prepare(const char *path, mode_t mode, const void *bytes, size_t len, struct error *e)
{
    char *new_path = join(path, "", ".new");
    if (!new_path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    unlink(new_path); /* left by a crash, perhaps with other permissions */
    int code = ERR_OK, fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, bytes, len) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0)
        code = failed(e, path, "written");
    if (fd >= 0 && close(fd) != 0 && code == ERR_OK)
        code = failed(e, path, "written");
    if (code != ERR_OK && fd >= 0)
        unlink(new_path);
    free(new_path);
    return code;
}

/* Makes the rename last. */
static int sync_parent(const char *path)
{
    char *dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    if (slash)
        slash[slash == dir ? 1 : 0] = '\0';
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    free(dir);
    return result;
}

int file_commit(const char *path, struct error *e)
{
    char *new_path = join(path, "", ".new");
    if (!new_path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = rename(new_path, path) == 0 && sync_parent(path) == 0 ? ERR_OK : failed(e, path, "written");
    free(new_path);
    return code;
}

void file_abandon(const char *path)
{
    char *new_path = join(path, "", ".new");
    if (new_path)
        unlink(new_path);
    free(new_path);
}

int file_write(const char *path, mode_t mode, const void *bytes, size_t len, struct error *e)
{
    int code = file_prepare(path, mode, bytes, len, e);
    return code == ERR_OK ? file_commit(path, e) : code;
}

int file_read(const char *path, size_t max, char **out, struct error *e)
{
    *out = NULL;
    FILE *f = fopen(path, "re");
    if (!f)
        return errno == ENOENT ? error_set(e, ERR_NOT_FOUND, path, "there is no file %s", path)
                               : failed(e, path, "read");
    int code = ERR_OK;
    char *text = malloc(max + 2);
    size_t n = text ? fread(text, 1, max + 1, f) : 0;
    if (!text)
        code = error_set(e, ERR_NOMEM, NULL, "out of memory");
    else if (ferror(f))
        code = failed(e, path, "read");
    else if (n > max)
        code = error_set(e, ERR_LIMIT, path, "%s is longer than %zu bytes", path, max);
    fclose(f);
    if (code != ERR_OK) {
        free(text);
        return code;
    }
    text[n] = '\0';
    *out = text;
    return ERR_OK;
}
