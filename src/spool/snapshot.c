#include "spool/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "spool/snapshot_private.h"

/* A body: "csnp", u32 format, version, stop_version, saved, heartbeat (i64 each), incarnation, document.
 * Little-endian. The file's name has its number, and the seal has the name: an old one can't take the place
 * of a new one. */
enum { FORMAT = 1, HEAD = 56, NAME = 40 };

static void put_i64(uint8_t *to, int64_t v)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)((uint64_t)v >> (8 * i));
}

static int64_t get_i64(const uint8_t *from)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)from[i] << (8 * i);
    return (int64_t)v;
}

static void name_of(uint64_t number, char out[NAME])
{
    snprintf(out, NAME, "plan-%020" PRIu64, number);
}

/* The numbers of the files there, the highest first; what is beyond n is left out. */
static int list(const struct snapshots *s, uint64_t *numbers, size_t n, size_t *found, struct error *e)
{
    DIR *dir = opendir(s->dir);
    *found = 0;
    if (!dir)
        return error_set(e, ERR_IO, s->dir, "%s: %s", s->dir, strerror(errno));
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint64_t number;
        char name[NAME];
        if (sscanf(entry->d_name, "plan-%20" SCNu64, &number) != 1)
            continue;
        name_of(number, name);
        if (strcmp(name, entry->d_name) != 0)
            continue;
        size_t at = *found < n ? (*found)++ : n;
        if (at == n && number < numbers[n - 1])
            continue;
        if (at == n)
            at--;
        for (; at > 0 && numbers[at - 1] < number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
    closedir(dir);
    return ERR_OK;
}

static int parse(const struct snapshots *s, const char *name, const uint8_t *body, size_t len,
                 struct snapshot_info *info, struct error *e)
{
    if (len < HEAD || memcmp(body, "csnp", 4) != 0)
        return error_set(e, ERR_DAMAGED, s->dir, "%s/%s: this is no snapshot", s->dir, name);
    if (body[4] != FORMAT || body[5] || body[6] || body[7])
        return error_set(e, ERR_STATE, s->dir, "%s/%s: it was written by a newer cohortd", s->dir, name);
    info->version = get_i64(body + 8);
    info->stop_version = get_i64(body + 16);
    info->saved_us = get_i64(body + 24);
    info->heartbeat_us = get_i64(body + 32);
    memcpy(info->incarnation, body + 40, sizeof info->incarnation);
    return ERR_OK;
}

/* The newest whole one; what is not whole is said. */
static int find(struct snapshots *s, struct snapshot_info *info, uint8_t **body, size_t *len, struct error *e)
{
    uint64_t numbers[16];
    size_t n, damaged = 0;
    *body = NULL;
    int code = list(s, numbers, sizeof numbers / sizeof *numbers, &n, e);
    if (code != ERR_OK)
        return code;
    if (n > 0 && numbers[0] > s->newest)
        s->newest = numbers[0];
    for (size_t i = 0; i < n; i++) {
        char name[NAME];
        name_of(numbers[i], name);
        *body = NULL;
        code = snapshot_read(s->dir, name, s->key, body, len, e);
        if (code == ERR_OK)
            code = parse(s, name, *body, *len, info, e);
        if (code == ERR_OK || code == ERR_NOMEM)
            return code;
        free(*body);
        log_warn("snapshot", "%s; it is skipped", e->text);
        damaged++;
    }
    *body = NULL;
    return error_set(e, ERR_NOT_FOUND, s->dir, "%s: no snapshot of the definitions (%zu damaged)", s->dir,
                     damaged);
}

static void remove_old(const struct snapshots *s)
{
    uint64_t numbers[64];
    size_t n;
    struct error e;
    if (list(s, numbers, sizeof numbers / sizeof *numbers, &n, &e) != ERR_OK)
        return;
    for (size_t i = SNAPSHOTS_KEPT; i < n; i++) {
        char path[4096], name[NAME];
        name_of(numbers[i], name);
        snprintf(path, sizeof path, "%s/%s", s->dir, name);
        unlink(path);
    }
}

static int write_next(struct snapshots *s, const struct snapshot_info *info, const char *document, size_t len,
                      struct error *e)
{
    char name[NAME];
    uint8_t *body = calloc(1, HEAD + len);
    if (!body)
        return error_set(e, ERR_NOMEM, s->dir, "out of memory for a snapshot");
    memcpy(body, "csnp", 4);
    body[4] = FORMAT;
    put_i64(body + 8, info->version);
    put_i64(body + 16, info->stop_version);
    put_i64(body + 24, info->saved_us);
    put_i64(body + 32, info->heartbeat_us);
    memcpy(body + 40, info->incarnation, sizeof info->incarnation);
    memcpy(body + HEAD, document, len);
    name_of(s->newest + 1, name);
    int code = snapshot_write(s->dir, name, s->key, body, HEAD + len, e);
    free(body);
    if (code != ERR_OK)
        return code;
    s->newest++;
    s->info = *info;
    s->known = true;
    remove_old(s);
    return ERR_OK;
}

int snapshots_save(struct snapshots *s, const struct snapshot_info *info, const char *document, size_t len,
                   struct error *e)
{
    int code;
    pthread_mutex_lock(&s->lock);
    if (s->known && memcmp(s->info.incarnation, info->incarnation, sizeof info->incarnation) == 0 &&
        info->stop_version < s->info.stop_version)
        code = error_set(e, ERR_STATE, s->dir,
                         "%s: a snapshot with stop version %" PRId64 " can't follow one with %" PRId64,
                         s->dir, info->stop_version, s->info.stop_version);
    else
        code = write_next(s, info, document, len, e);
    pthread_mutex_unlock(&s->lock);
    return code;
}

int snapshots_load(struct snapshots *s, struct snapshot_info *info, char **document, size_t *len,
                   struct error *e)
{
    uint8_t *body;
    size_t n;
    *document = NULL;
    pthread_mutex_lock(&s->lock);
    int code = find(s, info, &body, &n, e);
    pthread_mutex_unlock(&s->lock);
    if (code != ERR_OK)
        return code;
    *len = n - HEAD;
    memmove(body, body + HEAD, *len + 1);
    *document = (char *)body;
    return ERR_OK;
}

static int open_dir(struct snapshots *s, const char *dir, struct error *e)
{
    uint8_t *body;
    size_t len;
    s->dir = strdup(dir);
    if (!s->dir)
        return error_set(e, ERR_NOMEM, dir, "out of memory");
    if (sodium_init() < 0)
        return error_set(e, ERR_IO, dir, "libsodium can't be initialised");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return error_set(e, ERR_IO, dir, "%s: %s", dir, strerror(errno));
    int code = snapshot_key(dir, s->key, e);
    if (code == ERR_OK)
        code = snapshot_stops_read(s, e);
    if (code != ERR_OK)
        return code;
    code = find(s, &s->info, &body, &len, e);
    s->known = code == ERR_OK;
    free(body);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

int snapshots_open(struct snapshots **out, const char *dir, struct error *e)
{
    struct snapshots *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, ERR_NOMEM, dir, "out of memory");
    pthread_mutex_init(&s->lock, NULL);
    int code = open_dir(s, dir, e);
    if (code != ERR_OK) {
        snapshots_close(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void snapshots_close(struct snapshots *s)
{
    if (!s)
        return;
    sodium_memzero(s->key, sizeof s->key);
    pthread_mutex_destroy(&s->lock);
    free(s->stops);
    free(s->dir);
    free(s);
}
