#include "spool/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/group.h"

/* The file format of SQLite 3 (sqlite.org/fileformat.html): pages of 4 KB, which spools are made with. */
enum {
    PAGE = 4096,
    LOCAL_MAX = PAGE - 35,                   /* payload of a table's leaf cell that needs no overflow */
    LOCAL_MIN = (PAGE - 12) * 32 / 255 - 23, /* and what stays on the page when it does */
    LEAF = 0x0D,
    WAL_HEADER = 32,
    FRAME_HEADER = 24,
    FRAME = FRAME_HEADER + PAGE,
    BEFORE_DATA = 40, /* the record's header and the columns in front of a group's bytes, at most */
};

struct mapped {
    const uint8_t *bytes;
    size_t len;
};

/* Where a group lies. */
struct find {
    uint64_t number;
    const uint8_t *page;
    size_t at; /* of its cell */
};

struct scan {
    struct mapped db, wal;
    uint32_t *frames; /* by page: its newest frame in the log, from 1 */
    size_t n_pages;
    struct find *finds;
    size_t n_finds, cap;
    uint8_t *group; /* one being put together */
    size_t group_cap;
};

static uint32_t big_endian(const uint8_t *p, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static int map_file(const char *path, const char *suffix, struct mapped *out, struct error *e)
{
    char name[4096];
    struct stat st;
    *out = (struct mapped){0};
    snprintf(name, sizeof name, "%s%s", path, suffix);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return ERR_OK;
    if (fd < 0 || fstat(fd, &st) != 0)
        goto failed;
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            goto failed;
        *out = (struct mapped){p, (size_t)st.st_size};
    }
    close(fd);
    return ERR_OK;
failed:
    error_set(e, ERR_IO, path, "%s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ERR_IO;
}

static size_t frame_count(const struct scan *s)
{
    return s->wal.len > WAL_HEADER ? (s->wal.len - WAL_HEADER) / FRAME : 0;
}

static const uint8_t *frame(const struct scan *s, size_t i)
{
    return s->wal.bytes + WAL_HEADER + i * FRAME;
}

/* Frames of an earlier round of the log have other salts: what they held is in the file since. The salts are
 * in two places, so that damage to one does not hide the rest. */
static bool is_current(const struct scan *s, const uint8_t *f)
{
    return memcmp(f + 8, s->wal.bytes + 16, 8) == 0 || memcmp(f + 8, frame(s, 0) + 8, 8) == 0;
}

static int map_log(struct scan *s, struct error *e)
{
    s->n_pages = s->db.len / PAGE + frame_count(s) + 1;
    s->frames = calloc(s->n_pages + 1, sizeof *s->frames);
    if (!s->frames)
        return error_set(e, ERR_NOMEM, NULL, "out of memory for the pages of a damaged spool");
    for (size_t i = 0; i < frame_count(s); i++) {
        uint32_t page = big_endian(frame(s, i), 4);
        if (page <= s->n_pages && is_current(s, frame(s, i)))
            s->frames[page] = (uint32_t)i + 1;
    }
    return ERR_OK;
}

static const uint8_t *page_at(const struct scan *s, uint32_t page)
{
    if (page == 0 || page > s->n_pages)
        return NULL;
    if (s->frames[page])
        return frame(s, s->frames[page] - 1) + FRAME_HEADER;
    return (size_t)page * PAGE <= s->db.len ? s->db.bytes + (size_t)(page - 1) * PAGE : NULL;
}

static size_t varint(const uint8_t *page, size_t at, uint64_t *out)
{
    uint64_t v = 0;
    for (int i = 0; i < 9 && at < PAGE; i++) {
        uint8_t byte = page[at++];
        if (i == 8) {
            *out = v << 8 | byte;
            return at;
        }
        v = v << 7 | (byte & 0x7F);
        if (byte < 0x80) {
            *out = v;
            return at;
        }
    }
    return PAGE; /* beyond the page: nothing */
}

static bool room(struct scan *s, size_t n)
{
    if (n <= s->group_cap)
        return true;
    uint8_t *p = realloc(s->group, n);
    if (p) {
        s->group = p;
        s->group_cap = n;
    }
    return p != NULL;
}

/* Puts a cell's payload together; its length, or 0. */
static size_t payload_of(struct scan *s, const uint8_t *page, size_t at, uint64_t *number)
{
    uint64_t n = 0;
    *number = 0;
    at = varint(page, at, &n);
    at = varint(page, at, number);
    if (at >= PAGE || n < GROUP_HEADER || n > s->db.len + s->wal.len || !room(s, n))
        return 0;
    size_t local = n;
    if (n > LOCAL_MAX) {
        local = LOCAL_MIN + (n - LOCAL_MIN) % (PAGE - 4);
        local = local <= LOCAL_MAX ? local : LOCAL_MIN;
    }
    if (at + local + (n > local ? 4 : 0) > PAGE)
        return 0;
    memcpy(s->group, page + at, local);
    uint32_t next = n > local ? big_endian(page + at + local, 4) : 0;
    for (size_t got = local; got < n;) {
        const uint8_t *overflow = page_at(s, next);
        size_t part = n - got < PAGE - 4 ? n - got : PAGE - 4;
        if (!overflow)
            return 0;
        memcpy(s->group + got, overflow + 4, part);
        next = big_endian(overflow, 4);
        got += part;
    }
    return n;
}

/* A group's bytes are the last column, so they reach from their mark to the payload's end. */
static bool group_at(struct scan *s, const uint8_t *page, size_t at, struct salvaged *out)
{
    struct group_content g;
    const char *why;
    size_t n = payload_of(s, page, at, &out->number);
    for (size_t i = 0; i < BEFORE_DATA && i + GROUP_HEADER <= n; i++) {
        if (memcmp(s->group + i, "cspl", 4) != 0)
            continue;
        out->stored = s->group + i;
        out->n = n - i;
        if (group_check(out->stored, out->n, out->number, &g, &why) == ERR_OK)
            return true;
    }
    return false;
}

static int scan_page(struct scan *s, const uint8_t *page, uint64_t above, struct error *e)
{
    size_t cells = big_endian(page + 3, 2);
    if (page[0] != LEAF)
        return ERR_OK;
    for (size_t i = 0; i < cells && 8 + 2 * i + 2 <= PAGE; i++) {
        size_t at = big_endian(page + 8 + 2 * i, 2);
        struct salvaged g;
        if (at >= PAGE || !group_at(s, page, at, &g) || g.number <= above)
            continue;
        if (s->n_finds == s->cap) {
            size_t cap = 2 * s->cap + 256;
            struct find *finds = realloc(s->finds, cap * sizeof *finds);
            if (!finds)
                return error_set(e, ERR_NOMEM, NULL, "out of memory for the groups of a damaged spool");
            s->finds = finds;
            s->cap = cap;
        }
        s->finds[s->n_finds++] = (struct find){g.number, page, at};
    }
    return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct find *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int scan_all(struct scan *s, uint64_t above, struct error *e)
{
    int code = map_log(s, e);
    for (size_t i = 0; i < frame_count(s) && code == ERR_OK; i++) {
        if (is_current(s, frame(s, i)))
            code = scan_page(s, frame(s, i) + FRAME_HEADER, above, e);
    }
    for (size_t i = 0; i + 1 <= s->db.len / PAGE && code == ERR_OK; i++)
        code = scan_page(s, s->db.bytes + i * PAGE, above, e);
    if (s->n_finds > 1)
        qsort(s->finds, s->n_finds, sizeof *s->finds, by_number);
    return code;
}

int salvage(const char *path, uint64_t above, salvage_fn *fn, void *arg, struct error *e)
{
    struct scan s = {0};
    uint64_t last = 0;
    int code = map_file(path, "", &s.db, e);
    if (code == ERR_OK)
        code = map_file(path, "-wal", &s.wal, e);
    if (code == ERR_OK)
        code = scan_all(&s, above, e);
    for (size_t i = 0; i < s.n_finds && code == ERR_OK; i++) {
        struct salvaged g;
        if (s.finds[i].number == last || !group_at(&s, s.finds[i].page, s.finds[i].at, &g))
            continue;
        last = g.number;
        code = fn(arg, &g, e);
    }
    if (s.db.bytes)
        munmap((void *)s.db.bytes, s.db.len);
    if (s.wal.bytes)
        munmap((void *)s.wal.bytes, s.wal.len);
    free(s.frames);
    free(s.finds);
    free(s.group);
    return code;
}
