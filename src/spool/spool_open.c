/* Opening and closing: the lock, the file, its identity, the thread. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "spool/spool_internal.h"

/* A lock file beside it: closing any descriptor of the file itself would drop SQLite's own locks. */
static int take_lock(struct spool *s, struct error *e)
{
    char name[4096], holder[32] = "";
    if (snprintf(name, sizeof name, "%s-lock", s->path) >= (int)sizeof name)
        return error_set(e, ERR_INVALID, s->path, "%s: the path is too long", s->path);
    s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return error_set(e, ERR_IO, s->path, "%s: %s", name, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        int why = errno;
        ssize_t n = pread(s->lock_fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? n : 0] = '\0';
        if (why != EWOULDBLOCK)
            return error_set(e, ERR_IO, s->path, "%s: %s", name, strerror(why));
        return error_set(
            e, ERR_STATE, s->path,
            "%s: the spool is open in another process (%s); stop it, or give this server another "
            "data directory",
            s->path, holder[0] ? holder : "unknown");
    }
    int n = snprintf(holder, sizeof holder, "process %ld", (long)getpid());
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, holder, (size_t)n, 0) != n)
        log_debug("spool", "%s: %s", name,
                  strerror(errno)); /* only a courtesy to the one who finds it locked */
    return ERR_OK;
}

/* A new file's name must survive a power cut as its bytes do. */
static int sync_directory(struct spool *s, struct error *e)
{
    char *copy = strdup(s->path);
    if (!copy)
        return error_set(e, ERR_NOMEM, s->path, "out of memory");
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = ERR_OK;
    if (fd < 0 || fsync(fd) != 0)
        code =
            error_set(e, ERR_IO, s->path, "%s: its directory can't be synced: %s", s->path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(copy);
    return code;
}

/* The watermark in PostgreSQL belongs to this identity. A file that was copied back from somewhere may hold
 * old groups under numbers the watermark has passed, so another inode means another identity; what PostgreSQL
 * had already is sent again and found to be a duplicate. */
static int identify(struct spool *s, struct error *e)
{
    struct stat st;
    uint64_t place[2] = {0}, known[2] = {0};
    if (stat(s->path, &st) != 0)
        return error_set(e, ERR_IO, s->path, "%s: %s", s->path, strerror(errno));
    place[0] = (uint64_t)st.st_dev;
    place[1] = (uint64_t)st.st_ino;
    int code = spool_file_get_meta(&s->writer, "spool_id", s->id, sizeof s->id, e);
    if (code == ERR_OK)
        code = spool_file_get_meta(&s->writer, "place", known, sizeof known, e);
    if (code == ERR_OK && memcmp(place, known, sizeof place) == 0)
        return ERR_OK;
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    randombytes_buf(s->id, sizeof s->id);
    s->id[6] = (uint8_t)(0x40 | (s->id[6] & 0x0F));
    s->id[8] = (uint8_t)(0x80 | (s->id[8] & 0x3F));
    code = spool_file_run(&s->writer, "begin immediate", "cannot be written", e);
    if (code == ERR_OK)
        code = spool_file_put_meta(&s->writer, "spool_id", s->id, sizeof s->id, e);
    if (code == ERR_OK)
        code = spool_file_put_meta(&s->writer, "place", place, sizeof place, e);
    if (code == ERR_OK)
        code = spool_file_run(&s->writer, "commit", "cannot be written", e);
    return code == ERR_OK ? sync_directory(s, e) : code;
}

static int open_file(struct spool *s, struct error *e)
{
    struct spool_totals t;
    int code;
    if ((code = take_lock(s, e)) != ERR_OK ||
        (code = spool_file_open(&s->writer, s->path, SPOOL_FILE_WRITER, e)) != ERR_OK ||
        (code = identify(s, e)) != ERR_OK || (code = spool_file_totals(&s->writer, &t, e)) != ERR_OK ||
        (code = spool_file_open(&s->reader, s->path, SPOOL_FILE_READER, e)) != ERR_OK)
        return code;
    s->last_group = t.last;
    s->unshipped_bytes = t.bytes;
    s->stats.groups = t.groups;
    s->stats.bytes = t.bytes;
    s->stats.records = t.records;
    s->stats.damaged = t.damaged;
    if (t.damaged > 0)
        log_warn("spool", "%s: %llu damaged groups are kept aside in its table \"damaged\"", s->path,
                 (unsigned long long)t.damaged);
    return ERR_OK;
}

static void init_locks(struct spool *s)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->work, &attr);
    pthread_cond_init(&s->arrived, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->file_lock, NULL);
}

static void spool_free(struct spool *s)
{
    spool_file_close(&s->reader);
    spool_file_close(&s->writer);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->arrived);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->file_lock);
    free(s->group);
    free(s->path);
    free(s);
}

int spool_open(struct spool **out, const struct spool_options *o, struct error *e)
{
    struct spool *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(e, ERR_NOMEM, o->path, "out of memory");
    s->lock_fd = -1;
    s->last = &s->first;
    s->options = *o;
    init_locks(s);
    s->path = strdup(o->path);
    int code = s->path ? ERR_OK : error_set(e, ERR_NOMEM, o->path, "out of memory");
    if (code == ERR_OK && sodium_init() < 0)
        code = error_set(e, ERR_IO, o->path, "libsodium can't be initialised");
    if (code == ERR_OK)
        code = open_file(s, e);
    if (code == ERR_OK && pthread_create(&s->thread, NULL, spool_writer_main, s) != 0)
        code = error_set(e, ERR_NOMEM, o->path, "the spool's writer thread can't be started");
    if (code != ERR_OK) {
        spool_free(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->arrived);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    spool_free(s);
}

void spool_id(const struct spool *s, uint8_t out[16])
{
    memcpy(out, s->id, sizeof s->id);
}
