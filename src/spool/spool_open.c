/* Opening and closing: the lock, the file, its identity, the thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
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
int spool_sync_directory(struct spool *s, struct error *e)
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

static int place_of(struct spool *s, uint64_t place[2], struct error *e)
{
    struct stat st;
    if (stat(s->path, &st) != 0)
        return error_set(e, ERR_IO, s->path, "%s: %s", s->path, strerror(errno));
    place[0] = (uint64_t)st.st_dev;
    place[1] = (uint64_t)st.st_ino;
    return ERR_OK;
}

static int store_identity(struct spool *s, const uint8_t id[16], const struct spool_facts *facts,
                          struct error *e)
{
    uint64_t place[2];
    int code = place_of(s, place, e);
    if (code == ERR_OK)
        code = spool_file_run(&s->writer, "begin immediate", "cannot be written", e);
    if (code != ERR_OK)
        return code;
    if ((code = spool_file_put_meta(&s->writer, "spool_id", id, 16, e)) != ERR_OK ||
        (code = spool_file_put_meta(&s->writer, "place", place, sizeof place, e)) != ERR_OK ||
        (code = spool_file_put_facts(&s->writer, facts, e)) != ERR_OK ||
        (code = spool_file_run(&s->writer, "commit", "cannot be written", e)) != ERR_OK)
        sqlite3_exec(s->writer.db, "rollback", NULL, NULL, NULL);
    return code;
}

int spool_keep_place(struct spool *s, struct error *e)
{
    uint64_t place[2];
    int code = place_of(s, place, e);
    return code == ERR_OK ? spool_file_put_meta(&s->writer, "place", place, sizeof place, e) : code;
}

int spool_new_id(struct spool *s, struct error *e)
{
    uint8_t id[16];
    struct spool_facts facts = s->facts;
    int code = spool_file_before_first(&s->writer, &facts.base, e);
    if (code == ERR_NOT_FOUND)
        facts.base = s->accepted;
    else if (code != ERR_OK)
        return code;
    randombytes_buf(id, sizeof id);
    id[6] = (uint8_t)(0x40 | (id[6] & 0x0F));
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3F));
    code = store_identity(s, id, &facts, e);
    if (code == ERR_OK)
        code = spool_sync_directory(s, e);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&s->lock);
    memcpy(s->id, id, sizeof s->id);
    s->facts = facts;
    pthread_mutex_unlock(&s->lock);
    spool_put_mark(s);
    return ERR_OK;
}

/* What was known of the file when it was last open. */
struct known {
    enum mark_state state;
    struct mark_content mark;
};

/* Committed groups that are not in the file any more, and had not been shipped. */
static void count_lost(struct spool *s, const struct known *k, const struct spool_totals *t)
{
#ifdef SPOOL_MUTANT_NO_MARK
    return;
#endif
    uint64_t from = t->last > k->mark.gone ? t->last : k->mark.gone;
    uint64_t accepted = t->last > k->mark.gone ? t->accepted : k->mark.gone_accepted;
    if (k->mark.last <= from || k->mark.last <= s->facts.lost_to)
        return;
    uint64_t records = k->mark.accepted > accepted ? k->mark.accepted - accepted : 0;
    log_error("spool",
              "%s: groups %" PRIu64 " to %" PRIu64 " with %" PRIu64
              " records were committed and are not in the file any more: its end was damaged, or an older "
              "copy was put in its place",
              s->path, from + 1, k->mark.last, records);
    s->facts.lost += k->mark.last - from;
    s->facts.lost_records += records;
    s->facts.lost_to = k->mark.last;
}

/* The watermark in PostgreSQL belongs to an identity. A file that was copied back from somewhere may hold old
 * groups under numbers the watermark has passed, so another inode, or less than the mark remembers, means
 * another identity; what PostgreSQL had already is sent again and found to be a duplicate. */
static int identify(struct spool *s, const struct known *k, const struct spool_totals *t, struct error *e)
{
    uint64_t place[2], known[2];
    const char *why = NULL;
    int code = place_of(s, place, e);
    if (code == ERR_OK)
        code = spool_file_get_meta(&s->writer, "spool_id", s->id, sizeof s->id, e);
    if (code == ERR_OK)
        code = spool_file_get_meta(&s->writer, "place", known, sizeof known, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    bool is_new = code == ERR_NOT_FOUND;
    if (k->state == MARK_WHOLE && k->mark.last > t->last) {
        why = "it went back";
        count_lost(s, k, t);
    } else if (!is_new && memcmp(place, known, sizeof place) != 0) {
        why = "it was copied from elsewhere";
    } else if (!is_new && k->state == MARK_WHOLE && memcmp(s->id, k->mark.id, sizeof s->id) != 0) {
        why = "its high mark belongs to another";
    } else if (!is_new && k->state != MARK_WHOLE && t->last > 0 && !s->writer.upgraded) {
        why = k->state == MARK_ABSENT ? "its high mark is missing" : "its high mark is damaged";
    }
#ifdef SPOOL_MUTANT_NO_MARK /* a test builds this to show that it would notice */
    why = NULL;
#endif
    if (!why && !is_new)
        return ERR_OK;
    if (why)
        log_warn("spool", "%s: %s; it gets a new identity, and everything in it is shipped again", s->path,
                 why);
    return spool_new_id(s, e);
}

static bool is_empty(const struct spool *s, const char *suffix)
{
    char name[4096];
    struct stat st;
    return snprintf(name, sizeof name, "%s%s", s->path, suffix) >= (int)sizeof name || stat(name, &st) != 0 ||
           st.st_size == 0;
}

static bool has_unshipped(const struct known *k)
{
#ifdef SPOOL_MUTANT_NO_MARK
    return false;
#endif
    return k->state == MARK_WHOLE && k->mark.last > k->mark.gone;
}

/* Opens the file and looks at what is in it. Writes nothing into a file that has a place to be saved from. */
static int look(struct spool *s, const struct known *k, struct spool_totals *t, struct error *e)
{
    bool log = !is_empty(s, "-wal");
    if (has_unshipped(k) && is_empty(s, "") && log)
        return error_set(e, ERR_DAMAGED, s->path, "%s: the file is empty, and its log is not", s->path);
    int code = spool_file_open(&s->writer, s->path, SPOOL_FILE_WRITER, e);
    if (code == ERR_OK)
        code = spool_file_totals(&s->writer, t, e);
    if (code == ERR_OK)
        code = spool_file_facts(&s->writer, &s->facts, e);
    if (code == ERR_OK && has_unshipped(k) && k->mark.last > t->last && k->mark.last > s->facts.lost_to &&
        log)
        code = error_set(e, ERR_DAMAGED, s->path,
                         "%s: its log ends before group %" PRIu64 ", which was committed", s->path,
                         k->mark.last);
    return code;
}

static int read_file(struct spool *s, const struct known *k, struct error *e)
{
    struct spool_totals t;
    int code = look(s, k, &t, e);
    if (code == ERR_DAMAGED && k->state != MARK_ABSENT) {
        struct spool_facts facts = {.gone = k->mark.gone, .gone_accepted = k->mark.gone_accepted};
        struct spool_known known = {k->state == MARK_WHOLE, k->mark.last, k->mark.accepted};
        spool_file_drop(&s->writer);
        code = spool_rebuild(s, &known, NULL, &facts, e);
        if (code == ERR_OK)
            code = look(s, k, &t, e);
    }
    if (code != ERR_OK)
        return code;
    bool ours = k->state == MARK_WHOLE;
    s->accepted = t.accepted;
    if (ours && k->mark.last == t.last && k->mark.accepted > t.accepted)
        s->accepted = k->mark.accepted; /* the last group is there and damaged */
    atomic_store(&s->last_group, ours && k->mark.last > t.last ? k->mark.last : t.last);
    s->unshipped_bytes = t.bytes;
    s->stats.groups = t.groups;
    s->stats.bytes = t.bytes;
    s->stats.records = t.records;
    s->stats.damaged = t.aside;
    return identify(s, k, &t, e);
}

static int open_file(struct spool *s, struct error *e)
{
    struct known k;
    int code;
    if ((code = take_lock(s, e)) != ERR_OK ||
        (code = spool_mark_open(&s->mark, s->path, &k.state, &k.mark, e)) != ERR_OK ||
        (code = read_file(s, &k, e)) != ERR_OK ||
        (code = spool_file_open(&s->reader, s->path, SPOOL_FILE_READER, e)) != ERR_OK)
        return code;
    spool_put_mark(s);
    spool_update_level(s);
    if (s->stats.damaged > 0)
        log_warn("spool", "%s: %" PRIu64 " damaged groups are kept aside in its table \"damaged\"", s->path,
                 s->stats.damaged);
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
    pthread_mutex_init(&s->reader_lock, NULL);
}

static void spool_free(struct spool *s)
{
    spool_file_close(&s->reader);
    spool_file_close(&s->writer);
    spool_mark_close(&s->mark);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->arrived);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->file_lock);
    pthread_mutex_destroy(&s->reader_lock);
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
    s->mark.fd = -1;
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

enum { CLOSE_MS = 5000 }; /* without a commit */

/* With the lock held: waits for the writer while it gets on. */
static bool wait_for_writer(struct spool *s)
{
    uint64_t commits = s->stats.commits;
    int64_t until = clock_monotonic_us() + CLOSE_MS * INT64_C(1000);
    while (!s->finished) {
        if (!spool_cond_wait(&s->arrived, &s->lock, until))
            continue;
        if (s->finished || s->completing)
            return true; /* what it does now does not depend on the disk */
        if (s->stats.commits == commits)
            return false;
        commits = s->stats.commits;
        until = clock_monotonic_us() + CLOSE_MS * INT64_C(1000);
    }
    return true;
}

/* The writer hangs inside a system call. Its spool can't be freed under it, and the file stays locked until
 * the process ends; everybody who waits is told. */
static void abandon(struct spool *s)
{
    struct error e;
    error_set(&e, ERR_IO, s->path, "%s: the disk does not answer", s->path);
    log_error("spool", "%s; closing without it", e.text);
    for (struct spool_push *p = s->batch.first; p; p = p->next) {
        if (p->done)
            p->done(p->arg, ERR_IO, &e);
    }
    spool_fail_waiting(s, ERR_IO, &e);
    pthread_detach(s->thread);
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->arrived);
    s->abandoned = !wait_for_writer(s);
    bool alone = s->abandoned;
    pthread_mutex_unlock(&s->lock);
    if (alone) {
        abandon(s);
        return;
    }
    pthread_join(s->thread, NULL);
    spool_free(s);
}

void spool_id(const struct spool *s, uint8_t out[16])
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock; /* reading is const to the caller */
    pthread_mutex_lock(lock);
    memcpy(out, s->id, sizeof s->id);
    pthread_mutex_unlock(lock);
}

int spool_renew_id(struct spool *s, struct error *e)
{
    pthread_mutex_lock(&s->file_lock);
    int code =
        s->writer.db ? spool_new_id(s, e) : error_set(e, ERR_IO, s->path, "%s: it can't be opened", s->path);
    pthread_mutex_unlock(&s->file_lock);
    return code;
}
