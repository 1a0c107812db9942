#include "spool/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { FILE_MAX = 1 << 30 };

static int fail(struct error *e, const char *dir, const char *name)
{
    int why = errno;
    return error_set(e, ERR_IO, dir, "%s/%s: %s", dir, name, strerror(why));
}

static void seal(const char *name, const uint8_t key[SNAPSHOT_KEY], const uint8_t *body, size_t len,
                 uint8_t out[SNAPSHOT_SEAL])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, key, SNAPSHOT_KEY, SNAPSHOT_SEAL);
    crypto_generichash_update(&state, (const uint8_t *)name, strlen(name) + 1);
    crypto_generichash_update(&state, body, len);
    crypto_generichash_final(&state, out, SNAPSHOT_SEAL);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

/* Fills a new file and makes it durable; its name is not yet. */
static int fill(int fd, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    if (write_all(fd, a, a_len) != 0 || write_all(fd, b, b_len) != 0)
        return -1;
#ifdef SNAPSHOT_MUTANT_NO_SYNC /* a test builds this to show that it would notice */
    return 0;
#else
    return fsync(fd);
#endif
}

/* Two parts under a temporary name, then the name, then the directory. */
static int write_whole(const char *dir, const char *name, const uint8_t *a, size_t a_len, const uint8_t *b,
                       size_t b_len, struct error *e)
{
    int code = ERR_OK;
    char temporary[128];
    snprintf(temporary, sizeof temporary, "%s.new", name);
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return fail(e, dir, "");
    int fd = openat(at, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || fill(fd, a, a_len, b, b_len) != 0)
        code = fail(e, dir, temporary);
    if (fd >= 0 && close(fd) != 0 && code == ERR_OK)
        code = fail(e, dir, temporary);
    if (code == ERR_OK && (renameat(at, temporary, at, name) != 0 || fsync(at) != 0))
        code = fail(e, dir, name);
    if (code != ERR_OK)
        unlinkat(at, temporary, 0);
    close(at);
    return code;
}

static int read_whole(const char *dir, const char *name, uint8_t **bytes, size_t *len, struct error *e)
{
    char path[4096];
    struct stat st;
    size_t got = 0;
    *bytes = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(e, ERR_NOT_FOUND, dir, "%s: there is none", path);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > FILE_MAX) {
        int code = fd >= 0 && st.st_size > FILE_MAX
                       ? error_set(e, ERR_DAMAGED, dir, "%s: it is too large", path)
                       : fail(e, dir, name);
        if (fd >= 0)
            close(fd);
        return code;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *buffer = malloc(size + 1);
    int code = buffer ? ERR_OK : error_set(e, ERR_NOMEM, dir, "out of memory");
    for (ssize_t n = 1; code == ERR_OK && got < size && n != 0; got += (size_t)n) {
        if ((n = read(fd, buffer + got, size - got)) < 0) {
            code = fail(e, dir, name);
            break;
        }
    }
    close(fd);
    if (code != ERR_OK) {
        free(buffer);
        return code;
    }
    *bytes = buffer;
    *len = got;
    return ERR_OK;
}

int snapshot_write(const char *dir, const char *name, const uint8_t key[SNAPSHOT_KEY], const uint8_t *body,
                   size_t len, struct error *e)
{
    uint8_t sum[SNAPSHOT_SEAL];
    seal(name, key, body, len, sum);
    return write_whole(dir, name, body, len, sum, sizeof sum, e);
}

int snapshot_read(const char *dir, const char *name, const uint8_t key[SNAPSHOT_KEY], uint8_t **body,
                  size_t *len, struct error *e)
{
    uint8_t sum[SNAPSHOT_SEAL], *bytes;
    size_t n;
    int code = read_whole(dir, name, &bytes, &n, e);
    if (code != ERR_OK)
        return code;
    if (n >= sizeof sum && key)
        seal(name, key, bytes, n - sizeof sum, sum);
    if (n < sizeof sum || (key && sodium_memcmp(sum, bytes + n - sizeof sum, sizeof sum) != 0)) {
        free(bytes);
        return error_set(e, ERR_DAMAGED, dir, "%s/%s: its seal does not match its bytes", dir, name);
    }
    *len = n - sizeof sum;
    bytes[*len] = '\0';
    *body = bytes;
    return ERR_OK;
}

int snapshot_key(const char *dir, uint8_t key[SNAPSHOT_KEY], struct error *e)
{
    static const char name[] = "key";
    uint8_t sum[SNAPSHOT_SEAL], *bytes = NULL;
    size_t n = 0;
    int code = read_whole(dir, name, &bytes, &n, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (code == ERR_OK && n == SNAPSHOT_KEY + sizeof sum) {
        memcpy(key, bytes, SNAPSHOT_KEY);
        seal(name, key, NULL, 0, sum);
        if (memcmp(sum, bytes + SNAPSHOT_KEY, sizeof sum) == 0) {
            sodium_memzero(bytes, n);
            free(bytes);
            return ERR_OK;
        }
    }
    if (code == ERR_OK)
        log_error("snapshot",
                  "%s/%s: the key is damaged; a new one is made, and what the old one sealed is lost", dir,
                  name);
    free(bytes);
    randombytes_buf(key, SNAPSHOT_KEY);
    seal(name, key, NULL, 0, sum);
    return write_whole(dir, name, key, SNAPSHOT_KEY, sum, sizeof sum, e);
}
