#include "cohortd/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

/* Two places, written in turn: one that a crash left half written has a seal that doesn't fit, and the other
 * is whole. Nothing is synced. An old mark is as true as the newest: its sums belong to its watermark. */
struct kept_mark {
    struct ship_mark mark;
    uint64_t turn;
    uint8_t seal[32];
};

struct kept_marks {
    struct kept_mark place[2];
};

static void seal(const struct kept_mark *k, uint8_t out[32])
{
    crypto_generichash(out, 32, (const uint8_t *)k, offsetof(struct kept_mark, seal), NULL, 0);
}

static bool is_whole(const struct kept_mark *k)
{
    uint8_t want[32];
    seal(k, want);
    return k->turn > 0 && memcmp(want, k->seal, 32) == 0;
}

static const struct kept_mark *newest(const struct kept_marks *kept)
{
    const struct kept_mark *best = NULL;
    for (int i = 0; i < 2; i++) {
        const struct kept_mark *k = &kept->place[i];
        if (is_whole(k) && (!best || k->turn > best->turn))
            best = k;
    }
    return best;
}

static void source_remember(void *arg, const struct ship_mark *m)
{
    struct source *s = arg;
    const struct kept_mark *last = newest(s->kept);
    struct kept_mark k = {.mark = *m, .turn = last ? last->turn + 1 : 1};
    seal(&k, k.seal);
    s->kept->place[k.turn % 2] = k;
}

static bool source_recall(void *arg, struct ship_mark *out)
{
    struct source *s = arg;
    const struct kept_mark *last = newest(s->kept);
    if (last)
        *out = last->mark;
    return last != NULL;
}

/* posix_fallocate: on a full disk a hole would end the process when it is written to. */
static struct kept_marks *map_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return NULL;
    int failed = posix_fallocate(fd, 0, sizeof(struct kept_marks));
    void *p = failed ? MAP_FAILED
                     : mmap(NULL, sizeof(struct kept_marks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (failed)
        errno = failed;
    close(fd);
    return p == MAP_FAILED ? NULL : p;
}

void source_open(struct source *s, struct spool *spool, unsigned grace_ms, const char *path)
{
    *s = (struct source){.spool = spool, .grace_ms = grace_ms, .kept = map_file(path)};
    if (!s->kept)
        log_warn("shipper", "%s: %s; the books of the spool begin when the database answers", path,
                 strerror(errno));
}

void source_close(struct source *s)
{
    if (s->kept)
        munmap(s->kept, sizeof *s->kept);
    s->kept = NULL;
}

static void source_id(void *arg, uint8_t out[16])
{
    struct source *s = arg;
    spool_id(s->spool, out);
}

static int source_read(void *arg, uint64_t after, size_t max_bytes, unsigned wait_ms,
                       struct source_groups *out, struct error *e)
{
    struct source *s = arg;
    struct spool_groups g;
    int code = spool_read(s->spool, after, max_bytes, wait_ms, &g, e);
    if (code == ERR_OK) /* the bytes are released by source_release */
        *out = (struct source_groups){g.first, g.last, g.accepted, g.n_records, g.bytes, g.len, g.weight};
    return code;
}

static void source_release(void *arg, uint8_t *bytes)
{
    (void)arg;
    struct spool_groups g = {.bytes = bytes};
    spool_groups_free(&g);
}

static int source_forget(void *arg, uint64_t last, struct error *e)
{
    struct source *s = arg;
    return spool_delete(s->spool, last, s->grace_ms, e);
}

static uint64_t source_last(void *arg)
{
    struct source *s = arg;
    return spool_last(s->spool);
}

static int source_renew(void *arg, struct error *e)
{
    struct source *s = arg;
    return spool_renew_id(s->spool, e);
}

static void source_counts(void *arg, struct source_counts *out)
{
    struct source *s = arg;
    struct spool_stats stats;
    spool_stats(s->spool, &stats);
    *out = (struct source_counts){stats.accepted_records, stats.deleted_records, stats.failed_records,
                                  stats.damaged};
}

struct group_source source_for_shipper(struct source *s)
{
    return (struct group_source){.arg = s,
                                 .id = source_id,
                                 .read = source_read,
                                 .release = source_release,
                                 .forget = source_forget,
                                 .last = source_last,
                                 .renew = source_renew,
                                 .counts = source_counts,
                                 .remember = s->kept ? source_remember : NULL,
                                 .recall = s->kept ? source_recall : NULL};
}
