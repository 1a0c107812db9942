/* The consumer's side: reading groups in order, and deleting what is shipped. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/group.h"
#include "spool/spool_internal.h"

/* Reading what follows `after` into `out`. */
struct collecting {
    struct spool_groups *out;
    uint64_t after; /* the last number seen */
    size_t cap;
};

static int add_group(struct spool *s, struct collecting *c, uint64_t number, const struct group_content *g,
                     struct error *e)
{
    struct spool_groups *out = c->out;
    if (out->len + g->len > c->cap || !out->bytes) {
        size_t cap = out->len + g->len + g->len / 2 + 4096;
        uint8_t *bytes = realloc(out->bytes, cap);
        if (!bytes)
            return error_set(e, ERR_NOMEM, s->path, "out of memory for a group of %zu bytes", g->len);
        out->bytes = bytes;
        c->cap = cap;
    }
    if (g->len > 0)
        memcpy(out->bytes + out->len, g->bytes, g->len);
    out->len += g->len;
    out->n_records += g->n_records;
    if (out->first == 0)
        out->first = number;
    out->last = number;
    return ERR_OK;
}

static int set_aside(struct spool *s, uint64_t number, const char *why, struct error *e)
{
    struct spool_totals now;
    pthread_mutex_lock(&s->file_lock); /* held to the end: the writer must not count in between */
    int code = spool_file_set_aside(&s->reader, number, why, clock_wall_us(), e);
    if (code == ERR_OK) {
        log_error("spool",
                  "%s: group %" PRIu64 " is damaged: %s; it is skipped and kept in the table \"damaged\"",
                  s->path, number, why);
        code = spool_file_totals(&s->reader, &now, e);
    }
    if (code == ERR_OK) {
        pthread_mutex_lock(&s->lock);
        uint64_t gone = s->stats.bytes > now.bytes ? s->stats.bytes - now.bytes : 0;
        if (number > s->shipped)
            s->unshipped_bytes -= gone < s->unshipped_bytes ? gone : s->unshipped_bytes;
        s->stats.groups = now.groups;
        s->stats.bytes = now.bytes;
        s->stats.records = now.records;
        s->stats.damaged = now.damaged;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->file_lock);
    return code;
}

/* Numbers have no gaps, so one in the middle is a group that went missing. */
static void notice_gap(struct spool *s, uint64_t after, uint64_t number)
{
    if (number != after + 1 && after == s->read_last && after != 0)
        log_error("spool", "%s: groups %" PRIu64 " to %" PRIu64 " are missing", s->path, after + 1,
                  number - 1);
    s->read_last = number;
}

/* One pass over the rows; stops at a damaged one, whose number and reason it gives. */
static int collect(struct spool *s, struct collecting *c, size_t max_bytes, uint64_t *damaged,
                   const char **why, struct error *e)
{
    sqlite3_stmt *st = s->reader.read;
    int rc = SQLITE_DONE, code = ERR_OK;
    *damaged = 0;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)c->after);
    while (code == ERR_OK && (c->out->first == 0 || c->out->len < max_bytes) &&
           (rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint64_t number = (uint64_t)sqlite3_column_int64(st, 0);
        struct group_content g;
        notice_gap(s, c->after, number);
        code = group_check(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), number, &g, why);
        if (code == ERR_OK)
            code = add_group(s, c, number, &g, e);
        else if (code == ERR_DAMAGED)
            *damaged = number;
        else
            error_set(e, code, s->path, "%s: group %" PRIu64 ": %s", s->path, number, *why);
        c->after = number;
    }
    if (code == ERR_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        code = spool_file_error(&s->reader, "cannot be read", e);
    sqlite3_reset(st);
    return code;
}

static int read_groups(struct spool *s, uint64_t after, size_t max_bytes, struct spool_groups *out,
                       struct error *e)
{
    struct collecting c = {out, after, 0};
    uint64_t damaged;
    const char *why;
    int code;
    while ((code = collect(s, &c, max_bytes, &damaged, &why, e)) == ERR_DAMAGED && damaged != 0) {
        code = set_aside(s, damaged, why, e);
        if (code != ERR_OK)
            break;
    }
    if (code != ERR_OK)
        spool_groups_free(out);
    return code;
}

int spool_read(struct spool *s, uint64_t after, size_t max_bytes, unsigned wait_ms, struct spool_groups *out,
               struct error *e)
{
    int64_t until = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    uint64_t seen = after;
    memset(out, 0, sizeof *out);
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (s->last_group <= seen && !s->woken && !s->closing) {
            if (spool_cond_wait(&s->arrived, &s->lock, until))
                break;
        }
        bool leave = s->woken || s->closing || s->last_group <= seen;
        s->woken = false;
        seen = s->last_group > seen ? s->last_group : seen;
        pthread_mutex_unlock(&s->lock);
        int code = read_groups(s, after, max_bytes, out, e);
        if (code != ERR_OK || out->first != 0 || leave)
            return code;
    }
}

void spool_groups_free(struct spool_groups *g)
{
    free(g->bytes);
    memset(g, 0, sizeof *g);
}

int spool_delete(struct spool *s, uint64_t last, unsigned grace_ms, struct error *e)
{
    struct spool_totals gone = {0};
    uint64_t shipped = 0;
    int64_t before = clock_wall_us() - (int64_t)grace_ms * 1000;
    int code = ERR_OK;
    if (last > s->shipped) /* only this thread writes it */
        code = spool_file_sizes(&s->reader, s->shipped, last, &shipped, e);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&s->file_lock);
    code = spool_file_delete(&s->reader, last, before, &gone, e);
    spool_file_checkpoint(&s->reader);
    pthread_mutex_unlock(&s->file_lock);
    pthread_mutex_lock(&s->lock);
    if (last > s->shipped)
        s->shipped = last;
    s->unshipped_bytes -= shipped < s->unshipped_bytes ? shipped : s->unshipped_bytes;
    s->stats.groups -= gone.groups;
    s->stats.bytes -= gone.bytes;
    s->stats.records -= gone.records;
    pthread_mutex_unlock(&s->lock);
    return code;
}

void spool_wake(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_broadcast(&s->arrived);
    pthread_mutex_unlock(&s->lock);
}
