#include "clients/c/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

struct journal {
    int fd;
    int old_fd; /* while the file is written anew; else -1 */
    char *path;
    size_t bytes;
    bool torn; /* the last line was not written whole */
    struct buffer line;
};

static int fail(struct cohort_error *e, int code, const char *path, const char *why)
{
    if (e) {
        e->code = code;
        snprintf(e->text, sizeof e->text, "%.120s: %s", path, why);
    }
    return code;
}

/* One event of the file while it is read: the last line of an id counts. */
struct entry {
    char *line;  /* "+o ID TS TEXT", or NULL: it left */
    size_t next; /* in its chain of the table, plus 1 */
};

struct entries {
    struct entry *items;
    size_t n, cap;
    size_t *table; /* by a hash of the id: index plus 1 */
    size_t size;
};

static const char *id_of(const char *line)
{
    return line[0] == '+' ? line + 3 : line + 1;
}

static size_t hash_id(const char *id, size_t size)
{
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < JOURNAL_ID; i++)
        h = (h ^ (unsigned char)id[i]) * 1099511628211u;
    return (size_t)(h % size);
}

static size_t find(const struct entries *all, const char *id)
{
    size_t at = all->table[hash_id(id, all->size)];
    while (at > 0 &&
           (!all->items[at - 1].line || memcmp(id_of(all->items[at - 1].line), id, JOURNAL_ID) != 0))
        at = all->items[at - 1].next;
    return at;
}

/* A line that is no whole one of ours is passed over: the last may be torn. */
static bool is_whole(const char *line, size_t len)
{
    if (line[0] == '-')
        return len == 1 + JOURNAL_ID;
    return line[0] == '+' && len > 3 + JOURNAL_ID + 3 && line[2] == ' ' && line[3 + JOURNAL_ID] == ' ';
}

static bool take_line(struct entries *all, char *line)
{
    size_t known = find(all, id_of(line));
    if (line[0] == '-') {
        if (known > 0)
            all->items[known - 1].line = NULL;
        return true;
    }
    if (known > 0) {
        all->items[known - 1].line = line;
        return true;
    }
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 256;
        struct entry *more = realloc(all->items, cap * sizeof *more);
        if (!more)
            return false;
        all->items = more;
        all->cap = cap;
    }
    size_t *head = &all->table[hash_id(id_of(line), all->size)];
    all->items[all->n] = (struct entry){line, *head};
    *head = ++all->n;
    return true;
}

static bool take_lines(struct entries *all, char *text, size_t len)
{
    for (char *line = text, *end = text + len; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop)
            break;
        *stop = '\0';
        if (is_whole(line, (size_t)(stop - line)) && !take_line(all, line))
            return false;
        line = stop + 1;
    }
    return true;
}

static char *read_all(int fd, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    char *text = malloc((size_t)st.st_size + 1);
    *len = 0;
    while (text && *len < (size_t)st.st_size) {
        ssize_t n = pread(fd, text + *len, (size_t)st.st_size - *len, (off_t)*len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *len += (size_t)n;
    }
    return text;
}

static bool write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static int hand_out(const struct entries *all, journal_found_fn *found, void *arg)
{
    int code = COHORT_OK;
    for (size_t i = 0; i < all->n && code == COHORT_OK; i++) {
        char *line = all->items[i].line, *text;
        if (!line)
            continue;
        line[3 + JOURNAL_ID] = '\0';
        int64_t ts_us = strtoll(line + 4 + JOURNAL_ID, &text, 10);
        if (*text == ' ')
            code = found(arg, line[1], line + 3, ts_us, text + 1);
    }
    return code;
}

/* A line that was torn must not spoil the next. */
static bool end_line(struct journal *j, const char *text, size_t len)
{
    j->bytes = len;
    return len == 0 || text[len - 1] == '\n' || write_all(j->fd, "\n", 1);
}

static int replay(struct journal *j, const char *path, journal_found_fn *found, void *arg,
                  struct cohort_error *e)
{
    size_t len = 0;
    char *text = read_all(j->fd, &len);
    struct entries all = {.size = len / 100 + 64};
    all.table = calloc(all.size, sizeof *all.table);
    bool whole = text && end_line(j, text, len);
    int code = whole && all.table && take_lines(&all, text, len) ? COHORT_OK : COHORT_NOMEM;
    if (code == COHORT_OK)
        code = hand_out(&all, found, arg);
    if (code != COHORT_OK)
        fail(e, code, path, "out of memory");
    free(all.items);
    free(all.table);
    free(text);
    return code;
}

/* Whoever has the file may have put a new one in its place just before the lock was taken. */
static bool is_at(const char *path, int fd)
{
    struct stat there, here;
    return stat(path, &there) == 0 && fstat(fd, &here) == 0 && there.st_ino == here.st_ino &&
           there.st_dev == here.st_dev;
}

int journal_open(struct journal **out, const char *path, journal_found_fn *found, void *arg,
                 struct cohort_error *e)
{
    struct journal *j = calloc(1, sizeof *j);
    if (!j || !(j->path = strdup(path))) {
        free(j);
        return fail(e, COHORT_NOMEM, path, "out of memory");
    }
    int code = COHORT_OK;
    j->old_fd = -1;
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->fd < 0)
        code = fail(e, COHORT_IO, path, strerror(errno));
    else if (flock(j->fd, LOCK_EX | LOCK_NB) != 0 || !is_at(path, j->fd))
        code = fail(e, COHORT_IO, path, "another client uses this queue file");
    else
        code = replay(j, path, found, arg, e);
    if (code != COHORT_OK) {
        journal_close(j);
        return code;
    }
    *out = j;
    return COHORT_OK;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    buffer_free(&j->line);
    free(j->path);
    free(j);
}

static bool put_line(struct journal *j)
{
    if (j->line.failed || (j->torn && !write_all(j->fd, "\n", 1)))
        return false;
    j->bytes += j->line.len;
    j->torn = !write_all(j->fd, j->line.data, j->line.len);
    return !j->torn;
}

bool journal_add(struct journal *j, char kind, const char *id, int64_t ts_us, const char *text)
{
    if (!j)
        return true;
    buffer_clear(&j->line);
    buffer_printf(&j->line, "+%c %s %" PRId64 " ", kind, id, ts_us);
    buffer_add_str(&j->line, text);
    buffer_add(&j->line, "\n", 1);
    return put_line(j);
}

bool journal_remove(struct journal *j, const char *id)
{
    if (!j)
        return true;
    buffer_clear(&j->line);
    buffer_printf(&j->line, "-%s\n", id);
    return put_line(j);
}

void journal_empty(struct journal *j)
{
    if (!j || ftruncate(j->fd, 0) != 0)
        return; /* its lines say that they left */
    j->bytes = 0;
    j->torn = false;
}

size_t journal_bytes(const struct journal *j)
{
    return j ? j->bytes : 0;
}

static char *new_path(const struct journal *j)
{
    struct buffer name = {0};
    buffer_printf(&name, "%s.new", j->path);
    buffer_add(&name, "", 1);
    if (name.failed)
        buffer_free(&name);
    return (char *)name.data;
}

bool journal_begin(struct journal *j)
{
    char *path = new_path(j);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    free(path);
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return false;
    }
    j->old_fd = j->fd;
    j->fd = fd;
    j->bytes = 0;
    j->torn = false;
    return true;
}

void journal_commit(struct journal *j, bool whole)
{
    char *path = new_path(j);
    bool moved = whole && path && rename(path, j->path) == 0;
    if (!moved) {
        if (path)
            unlink(path);
        close(j->fd);
        j->fd = j->old_fd;
        j->old_fd = -1;
        j->torn = true; /* nobody knows any more */
        free(path);
        return;
    }
    close(j->old_fd);
    j->old_fd = -1;
    free(path);
}
