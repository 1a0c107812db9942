/* A file that SQLite can't read is made anew from the groups that are whole; the old one is kept beside it.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/group.h"
#include "spool/salvage.h"
#include "spool/spool_internal.h"

enum { PATH_ROOM = 4096, BATCH_BYTES = 4 << 20, ASIDE_KEPT = 3 };

struct copying {
    struct spool_file *to;
    int64_t now_us;
    size_t batch;    /* bytes in the transaction */
    uint64_t before; /* records up to the first group */
    uint64_t groups, records, last, accepted;
};

static int put_accepted_1(struct copying *c, const struct salvaged *g, struct error *e)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "create table if not exists accepted_1(number integer primary key, accepted integer not null);"
             "insert into accepted_1(number, accepted) values (%" PRIu64 ", %" PRIu64 ")",
             g->number, c->accepted);
    return spool_file_run(c->to, sql, "cannot be written", e);
}

static int copy_group(void *arg, const struct salvaged *g, struct error *e)
{
    struct copying *c = arg;
    struct group_content content;
    const char *why;
    int code = group_check(g->stored, g->n, g->number, &content, &why);
    if (code == ERR_OK && c->batch == 0)
        code = spool_file_run(c->to, "begin immediate", "cannot be written", e);
    if (code != ERR_OK)
        return code;
    c->accepted = content.has_accepted ? content.accepted : c->accepted + content.n_records;
    if (c->groups == 0)
        c->before = c->accepted - content.n_records;
    c->groups++;
    c->records += content.n_records;
    c->last = g->number;
    code = spool_file_append(c->to, g->number, content.n_records, c->now_us, g->stored, g->n, e);
    if (code == ERR_OK && !content.has_accepted)
        code = put_accepted_1(c, g, e);
    c->batch += g->n;
    if (code == ERR_OK && c->batch >= BATCH_BYTES) {
        code = spool_file_run(c->to, "commit", "cannot be written", e);
        spool_file_checkpoint(c->to);
        c->batch = 0;
    }
    return code;
}

static int copy_to(struct spool *s, const char *path, uint64_t gone, struct copying *c, struct error *e)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct spool_file to;
    char name[PATH_ROOM + 8];
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name); /* of an attempt that did not end */
    }
    int code = spool_file_open(&to, path, SPOOL_FILE_WRITER, e);
    if (code != ERR_OK)
        return code;
    *c = (struct copying){.to = &to, .now_us = clock_wall_us()};
    code = salvage(s->path, gone, copy_group, c, e);
    if (code == ERR_OK && c->batch > 0)
        code = spool_file_run(&to, "commit", "cannot be written", e);
    return spool_file_seal(&to, code, e);
}

/* What was in the file and is not any more. */
static void count_lost(struct spool_facts *facts, const struct spool_known *k, const struct copying *c)
{
    uint64_t last = k->last > c->last ? k->last : c->last;
    uint64_t groups = last > facts->gone ? last - facts->gone : 0;
    uint64_t accepted = k->accepted > c->accepted ? k->accepted : c->accepted;
    uint64_t records = accepted > facts->gone_accepted ? accepted - facts->gone_accepted : 0;
    facts->lost += groups > c->groups ? groups - c->groups : 0;
    facts->lost_records += records > c->records ? records - c->records : 0;
    facts->lost_to = last;
}

static int put_facts(const char *path, const uint8_t *id, const struct spool_facts *facts, struct error *e)
{
    struct spool_file f;
    int code = spool_file_open(&f, path, SPOOL_FILE_WRITER, e);
    if (code != ERR_OK)
        return code;
    code = spool_file_put_facts(&f, facts, e);
    if (code == ERR_OK && id)
        code = spool_file_put_meta(&f, "spool_id", id, 16, e);
    return spool_file_seal(&f, code, e);
}

static bool is_aside(const struct dirent *d, const char *prefix, uint64_t *made_us)
{
    size_t n = strlen(prefix);
    char *end;
    if (strncmp(d->d_name, prefix, n) != 0 || d->d_name[n] < '0' || d->d_name[n] > '9')
        return false;
    *made_us = strtoull(d->d_name + n, &end, 10);
    return *end == '\0';
}

/* What was set aside is for people to look at; the newest few are enough, and may be large. */
static void prune_aside(const char *path)
{
    uint64_t kept[ASIDE_KEPT] = {0}, made_us;
    const char *slash = strrchr(path, '/');
    char dir[PATH_ROOM], prefix[PATH_ROOM];
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    snprintf(prefix, sizeof prefix, "%s.damaged-", slash ? slash + 1 : path);
    for (int pass = 0; pass < 2; pass++) {
        DIR *d = opendir(dir);
        for (struct dirent *entry; d && (entry = readdir(d));) {
            char log[300];
            if (!is_aside(entry, prefix, &made_us))
                continue;
            for (int i = 0; pass == 0 && i < ASIDE_KEPT; i++) {
                uint64_t held = kept[i];
                kept[i] = held > made_us ? held : made_us;
                made_us = held > made_us ? made_us : held;
            }
            if (pass == 0 || made_us >= kept[ASIDE_KEPT - 1])
                continue;
            snprintf(log, sizeof log, "%s-wal", entry->d_name);
            unlinkat(dirfd(d), log, 0);
            if (unlinkat(dirfd(d), entry->d_name, 0) == 0)
                log_info("spool", "%s%s: removed; the newest %d damaged files are kept", dir, entry->d_name,
                         ASIDE_KEPT);
        }
        if (d)
            closedir(d);
    }
}

/* The old file gets a second name before the new one takes its place. Its log goes first: it must never meet
 * the new file. */
static int swap(struct spool *s, const char *fresh, char *aside, struct error *e)
{
    char log[PATH_ROOM], aside_log[PATH_ROOM], shm[PATH_ROOM];
    if (snprintf(aside, PATH_ROOM, "%s.damaged-%" PRId64, s->path, clock_wall_us()) >= PATH_ROOM - 8)
        return error_set(e, ERR_INVALID, s->path, "%s: the path is too long", s->path);
    snprintf(log, sizeof log, "%s-wal", s->path);
    snprintf(shm, sizeof shm, "%s-shm", s->path);
    snprintf(aside_log, sizeof aside_log, "%.*s-wal", PATH_ROOM - 8, aside);
    if (link(s->path, aside) != 0 || (link(log, aside_log) != 0 && errno != ENOENT) ||
        (unlink(log) != 0 && errno != ENOENT) || (unlink(shm) != 0 && errno != ENOENT) ||
        rename(fresh, s->path) != 0)
        return error_set(e, ERR_IO, s->path, "%s: it can't be set aside: %s", s->path, strerror(errno));
    return spool_sync_directory(s, e);
}

int spool_rebuild(struct spool *s, const struct spool_known *k, const uint8_t *id, struct spool_facts *facts,
                  struct error *e)
{
    char fresh[PATH_ROOM], aside[PATH_ROOM];
    struct copying c;
    if (snprintf(fresh, sizeof fresh, "%s.new", s->path) >= PATH_ROOM - 8)
        return error_set(e, ERR_INVALID, s->path, "%s: the path is too long", s->path);
    log_error("spool", "%s; what is whole in it is copied into a new file", e->text);
    int code = copy_to(s, fresh, facts->gone, &c, e);
    if (code != ERR_OK)
        return code;
    if (!k->exact && c.groups > 0) { /* then what is there is all that is known */
        facts->gone_accepted = c.before;
        facts->base = 0;
    }
    count_lost(facts, k, &c);
    code = put_facts(fresh, id, facts, e);
    if (code == ERR_OK)
        code = swap(s, fresh, aside, e);
    if (code == ERR_OK)
        prune_aside(s->path);
    if (code == ERR_OK)
        log_error("spool",
                  "%s: %" PRIu64 " groups with %" PRIu64 " records were saved, %" PRIu64
                  " groups with %" PRIu64 " records lost; the damaged file is kept as %s",
                  s->path, c.groups, c.records, facts->lost, facts->lost_records, aside);
    return code;
}

/* With reader_lock held and file_lock not. */
static int repair(struct spool *s, struct error *e)
{
    struct spool_known k = {true, s->last_group, s->accepted};
    struct spool_facts facts = s->facts;
    struct spool_totals t;
    facts.lost = facts.lost_records = 0; /* what is missing above `gone` is counted anew */
    spool_file_drop(&s->reader);
    spool_file_drop(&s->writer);
    int code = spool_rebuild(s, &k, s->id, &facts, e);
    if (code == ERR_OK)
        code = spool_file_open(&s->writer, s->path, SPOOL_FILE_WRITER, e);
    if (code == ERR_OK)
        code = spool_keep_place(s, e);
    if (code == ERR_OK)
        code = spool_file_totals(&s->writer, &t, e);
    if (code == ERR_OK)
        code = spool_file_open(&s->reader, s->path, SPOOL_FILE_READER, e);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&s->lock);
    s->facts = facts;
    s->stats.groups = t.groups;
    s->stats.bytes = t.bytes;
    s->stats.records = t.records;
    s->stats.damaged = t.aside;
    if (s->unshipped_bytes > t.bytes)
        s->unshipped_bytes = t.bytes;
    spool_update_level(s);
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

int spool_repair(struct spool *s, struct error *e)
{
    pthread_mutex_lock(&s->file_lock);
    int code = repair(s, e);
    pthread_mutex_unlock(&s->file_lock);
    if (code != ERR_OK)
        log_error("spool", "%s", e->text);
    return code;
}
