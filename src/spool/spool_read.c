/* The consumer's side: reading groups in order, and deleting what is shipped. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/group.h"
#include "spool/spool_internal.h"

enum { SHRINK_BELOW = 8 << 20 }; /* bytes still in the file */

/* Reading what follows `after` into `out`. */
struct collecting {
    struct spool_groups *out;
    uint64_t after; /* the last number seen */
    size_t cap;
    bool known;                     /* what follows is */
    uint64_t whole, whole_accepted; /* the last group that was whole, and the records up to it */
    struct spool_facts facts;       /* with the losses noticed on the way */
};

static int add_group(struct spool *s, struct collecting *c, uint64_t number, const struct group_content *g,
                     uint64_t accepted, struct error *e)
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
    out->weight =
        out->len > (size_t)SPOOL_RECORD * out->n_records ? out->len : (size_t)SPOOL_RECORD * out->n_records;
    if (out->first == 0)
        out->first = number;
    out->last = number;
    out->accepted = accepted - s->facts.base;
    c->whole = number;
    c->whole_accepted = accepted;
    c->known = true;
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
        s->stats.damaged = now.aside;
        spool_update_level(s);
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->file_lock);
    return code;
}

/* Where the count of accepted records stood after group `after`. */
static int start_count(struct spool *s, struct collecting *c, struct error *e)
{
    int code = ERR_OK;
    c->facts = s->facts; /* only this thread changes them */
    c->whole = c->after;
    c->whole_accepted = s->read_accepted;
    if (c->after <= c->facts.gone) {
        c->whole = c->facts.gone;
        c->whole_accepted = c->facts.gone_accepted;
    } else if (c->after != s->read_last) {
        code = spool_file_accepted(&s->reader, c->after, &c->whole_accepted, e);
    }
    c->known = code == ERR_OK;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* Each group says how many records there were up to it, so what is missing before it shows: said, and counted
 * once. Numbers alone may skip some that were never used. */
static int notice_gap(struct spool *s, struct collecting *c, uint64_t number, uint64_t before,
                      struct error *e)
{
    uint64_t aside = 0, between = number - c->whole - 1;
    if (!c->known || number <= c->whole + 1 || before == c->whole_accepted || number <= c->facts.lost_to)
        return ERR_OK;
    int code = spool_file_count_aside(&s->reader, c->whole, number, &aside, e);
    if (code != ERR_OK)
        return code;
    if (between > aside) {
        log_error("spool", "%s: %" PRIu64 " of the groups %" PRIu64 " to %" PRIu64 " are missing", s->path,
                  between - aside, c->whole + 1, number - 1);
        c->facts.lost += between - aside;
    }
    c->facts.lost_records += before > c->whole_accepted ? before - c->whole_accepted : 0;
    c->facts.lost_to = number;
    return ERR_OK;
}

static int take_row(struct spool *s, struct collecting *c, sqlite3_stmt *st, const char **why,
                    struct error *e)
{
    uint64_t number = (uint64_t)sqlite3_column_int64(st, 0), accepted = 0;
    const void *stored = sqlite3_column_blob(st, 1);
    struct group_content g;
    c->after = number;
    int code = group_check(stored, (size_t)sqlite3_column_bytes(st, 1), number, &g, why);
    if (code == ERR_STATE)
        return error_set(e, code, s->path, "%s: group %" PRIu64 ": %s", s->path, number, *why);
    if (code == ERR_OK)
        code = spool_file_accepted_of(&s->reader, number, &g, &accepted, e);
    if (code == ERR_OK)
        code = notice_gap(s, c, number, accepted - g.n_records, e);
    return code == ERR_OK ? add_group(s, c, number, &g, accepted, e) : code;
}

/* One pass over the rows; stops at a damaged one, whose number and reason it gives. */
static int collect(struct spool *s, struct collecting *c, size_t max_bytes, uint64_t *damaged,
                   const char **why, struct error *e)
{
    sqlite3_stmt *st = s->reader.read;
    int rc = SQLITE_DONE, code = ERR_OK;
    *damaged = 0;
    *why = NULL;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)c->after);
    while (code == ERR_OK && (c->out->first == 0 || c->out->weight < max_bytes) &&
           (rc = sqlite3_step(st)) == SQLITE_ROW)
        code = take_row(s, c, st, why, e);
    if (code == ERR_DAMAGED && *why)
        *damaged = c->after;
    if (code == ERR_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        code = spool_file_error(&s->reader, "cannot be read", e);
    sqlite3_reset(st);
    return code;
}

static int keep_losses(struct spool *s, const struct collecting *c, struct error *e)
{
    if (c->facts.lost_to == s->facts.lost_to)
        return ERR_OK;
    pthread_mutex_lock(&s->file_lock);
    int code = spool_file_put_facts(&s->reader, &c->facts, e);
    if (code == ERR_OK) {
        pthread_mutex_lock(&s->lock);
        s->facts = c->facts;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->file_lock);
    return code;
}

static int read_once(struct spool *s, uint64_t after, size_t max_bytes, struct spool_groups *out,
                     struct error *e)
{
    struct collecting c = {.out = out, .after = after};
    uint64_t damaged;
    const char *why;
    int code = start_count(s, &c, e);
    if (code != ERR_OK)
        return code;
    while ((code = collect(s, &c, max_bytes, &damaged, &why, e)) == ERR_DAMAGED && damaged != 0) {
        code = set_aside(s, damaged, why, e);
        if (code != ERR_OK)
            break;
    }
    if (code == ERR_OK)
        code = keep_losses(s, &c, e);
    if (code != ERR_OK)
        spool_groups_free(out);
    if (code == ERR_OK && out->first != 0) {
        s->read_last = c.whole;
        s->read_accepted = c.whole_accepted;
    }
    return code;
}

/* With reader_lock held: a connection that a repair could not open again. */
static int ensure_reader(struct spool *s, struct error *e)
{
    return s->reader.db ? ERR_OK : spool_file_open(&s->reader, s->path, SPOOL_FILE_READER, e);
}

static int read_groups(struct spool *s, uint64_t after, size_t max_bytes, struct spool_groups *out,
                       struct error *e)
{
    int code = ensure_reader(s, e);
    if (code == ERR_OK)
        code = read_once(s, after, max_bytes, out, e);
    if (code == ERR_DAMAGED && (code = spool_repair(s, e)) == ERR_OK)
        code = read_once(s, after, max_bytes, out, e);
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
        pthread_mutex_lock(&s->reader_lock);
        int code = read_groups(s, after, max_bytes, out, e);
        pthread_mutex_unlock(&s->reader_lock);
        if (code != ERR_OK || out->first != 0 || leave)
            return code;
    }
}

void spool_groups_free(struct spool_groups *g)
{
    free(g->bytes);
    memset(g, 0, sizeof *g);
}

/* With file_lock held. */
static int delete_groups(struct spool *s, uint64_t last, unsigned grace_ms, struct spool_gone *gone,
                         struct error *e)
{
    struct spool_facts facts = s->facts;
    int64_t now = clock_wall_us();
    int code = spool_file_delete(&s->reader, last, now - (int64_t)grace_ms * 1000, now, &facts, gone, e);
    if (code == ERR_OK && gone->last > 0) {
        pthread_mutex_lock(&s->lock);
        s->facts = facts;
        pthread_mutex_unlock(&s->lock);
        spool_put_mark(s);
    }
    spool_file_checkpoint(&s->reader);
    if (gone->groups > 0 && s->stats.bytes - gone->bytes < SHRINK_BELOW)
        spool_file_shrink(&s->reader);
    return code;
}

static int delete_shipped(struct spool *s, uint64_t last, unsigned grace_ms, struct error *e)
{
    struct spool_gone gone = {0};
    uint64_t shipped = 0;
    int code = ERR_OK;
    if (last > s->shipped) /* only this thread writes it */
        code = spool_file_sizes(&s->reader, s->shipped, last, &shipped, e);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&s->file_lock);
    code = delete_groups(s, last, grace_ms, &gone, e);
    pthread_mutex_unlock(&s->file_lock);
    pthread_mutex_lock(&s->lock);
    if (last > s->shipped)
        s->shipped = last;
    s->unshipped_bytes -= shipped < s->unshipped_bytes ? shipped : s->unshipped_bytes;
    s->stats.groups -= gone.groups < s->stats.groups ? gone.groups : s->stats.groups;
    s->stats.bytes -= gone.bytes < s->stats.bytes ? gone.bytes : s->stats.bytes;
    s->stats.records -= gone.records < s->stats.records ? gone.records : s->stats.records;
    spool_update_level(s);
    pthread_mutex_unlock(&s->lock);
    return code;
}

int spool_delete(struct spool *s, uint64_t last, unsigned grace_ms, struct error *e)
{
    pthread_mutex_lock(&s->reader_lock);
    int code = ensure_reader(s, e);
    if (code == ERR_OK)
        code = delete_shipped(s, last, grace_ms, e);
    if (code == ERR_DAMAGED && (code = spool_repair(s, e)) == ERR_OK)
        code = delete_shipped(s, last, grace_ms, e);
    pthread_mutex_unlock(&s->reader_lock);
    return code;
}

void spool_wake(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_broadcast(&s->arrived);
    pthread_mutex_unlock(&s->lock);
}
