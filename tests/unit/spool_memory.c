/* Each allocation fails in turn, of ours and of SQLite's, while a spool is opened, written, read and closed,
 * and while snapshots are: an error that says so, or success; what was acknowledged is there afterwards, and
 * nothing leaks. Of the many of a spool every fifth is tried; "spool_memory all" tries each. */
#include <dirent.h>
#include <malloc.h>
#include <semaphore.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "failing_alloc.h"
#include "spool/snapshot.h"
#include "spool/spool.h"

enum { GROUP = 3000 };
static char dir[64], path[96];
static unsigned long n_failed, n_wrong;
static long stride = 5;

#define EXPECT(condition, n)                                                                                 \
    do {                                                                                                     \
        if (!(condition) && n_wrong++ < 40)                                                                  \
            printf("line %d, allocation %ld: does not hold: %s\n", __LINE__, n, #condition);                 \
    } while (0)

/* --- SQLite's memory --- */

static int size_of(void *p)
{
    return p ? (int)malloc_usable_size(p) : 0;
}

static void *sqlite_malloc(int n)
{
    return failing_malloc((size_t)n);
}

static void *sqlite_realloc(void *p, int n)
{
    return failing_realloc(p, (size_t)n);
}

static int round_up(int n)
{
    return (n + 7) & ~7;
}

static int start(void *arg)
{
    (void)arg;
    return SQLITE_OK;
}

static void stop(void *arg)
{
    (void)arg;
}

/* --- the directory --- */

static void empty_dir(void)
{
    char name[400];
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        snprintf(name, sizeof name, "%s/%s", dir, entry->d_name);
        unlink(name);
    }
    if (d)
        closedir(d);
}

/* --- the spool --- */

struct told {
    sem_t once;
    int what;
};

static void on_done(void *arg, int code, const struct error *e)
{
    (void)e;
    struct told *t = arg;
    t->what = code == ERR_OK ? 1 : 2;
    sem_post(&t->once);
}

/* 1: kept; 2: it was told that it is not. */
static int push(struct spool *s, int fill)
{
    uint8_t bytes[GROUP];
    memset(bytes, fill, sizeof bytes);
    struct told told;
    sem_init(&told.once, 0, 0);
    if (spool_push(s, bytes, sizeof bytes, 1, on_done, &told) != ERR_OK)
        return 2;
    while (sem_wait(&told.once) != 0)
        ; /* a signal came */
    return told.what;
}

static struct spool *open_spool(struct error *e)
{
    struct spool_options o = {path, 1 << 20, 0, 4096};
    struct spool *s = NULL;
    error_clear(e);
    int rc = spool_open(&s, &o, e);
    return rc == ERR_OK ? s : NULL;
}

/* What was acknowledged is read once, in order, and what was not may be there or not. */
static void check_kept(const int *kept, int n_groups, long n)
{
    struct error e;
    struct spool_groups g;
    struct spool *s = open_spool(&e);
    EXPECT(s, n);
    if (!s)
        return;
    int rc = spool_read(s, 0, 1 << 20, 0, &g, &e);
    EXPECT(rc == ERR_OK, n);
    size_t at = 0;
    for (int i = 0; rc == ERR_OK && i < n_groups; i++) {
        bool there = at + GROUP <= g.len && g.bytes[at] == i + 1 && g.bytes[at + GROUP - 1] == i + 1;
        EXPECT(there || kept[i] != 1, n);
        at += there ? GROUP : 0;
    }
    if (rc == ERR_OK) {
        EXPECT(at == g.len, n);
        spool_groups_free(&g);
    }
    spool_close(s);
}

static bool spool_round(long n)
{
    enum { GROUPS = 3 };
    int kept[GROUPS] = {0};
    struct error e;
    struct spool_groups g = {0};
    empty_dir();
    failing_arm(FAIL_ONE, n);
    struct spool *s = open_spool(&e);
    if (s) {
        for (int i = 0; i < GROUPS; i++)
            kept[i] = push(s, i + 1);
        error_clear(&e);
        if (spool_read(s, 0, 1 << 20, 0, &g, &e) == ERR_OK)
            spool_groups_free(&g);
        else
            EXPECT(e.text[0], n);
        spool_close(s);
    } else {
        EXPECT(e.text[0], n);
    }
    bool failed = failing_disarm();
    EXPECT(failed || (kept[0] == 1 && kept[GROUPS - 1] == 1), n);
    check_kept(kept, GROUPS, n);
    return failed;
}

/* --- snapshots --- */

#define DOCUMENT "{\"a\":1}"

static int count_stop(void *n, const struct snapshot_stop *stop)
{
    *(unsigned *)n += strcmp(stop->experiment, "checkout") == 0;
    return ERR_OK;
}

static void check_snapshot(bool saved, bool stopped, long n)
{
    struct snapshots *s = NULL;
    struct snapshot_info info;
    struct error e;
    char *document = NULL;
    size_t len;
    unsigned stops = 0;
    int rc = snapshots_open(&s, dir, &e);
    EXPECT(rc == ERR_OK, n);
    if (rc != ERR_OK)
        return;
    rc = snapshots_load(s, &info, &document, &len, &e);
    EXPECT(rc == ERR_OK ? strcmp(document, DOCUMENT) == 0 : rc == ERR_NOT_FOUND && !saved, n);
    snapshots_each_stop(s, count_stop, &stops);
    EXPECT(stops <= 1 && (stops == 1 || !stopped), n);
    free(document);
    snapshots_close(s);
}

static bool snapshot_round(long n)
{
    static const struct snapshot_stop a_stop = {"production", "checkout", {5}, 7, "It did harm."};
    struct snapshots *s = NULL;
    struct snapshot_info info = {.version = 1, .stop_version = 1};
    struct error e;
    char *document = NULL;
    size_t len;
    bool saved = false, stopped = false;
    empty_dir();
    failing_arm(FAIL_ONE, n);
    int rc = snapshots_open(&s, dir, &e);
    if (rc == ERR_OK) {
        saved = snapshots_save(s, &info, DOCUMENT, strlen(DOCUMENT), &e) == ERR_OK;
        stopped = snapshots_add_stop(s, &a_stop, &e) == ERR_OK;
        rc = snapshots_load(s, &info, &document, &len, &e);
        free(document);
        snapshots_close(s);
    }
    bool failed = failing_disarm();
    EXPECT(rc == ERR_OK || e.text[0], n);
    EXPECT(failed || (saved && stopped), n);
    check_snapshot(saved, stopped, n);
    return failed;
}

static void each(const char *what, bool (*round_of)(long n))
{
    long n = 0;
    while (n < 5000 && round_of(n)) {
        n_failed++;
        n += n < 100 ? 1 : stride;
    }
    n_wrong += n >= 5000;
    printf("%s: about %ld allocations\n", what, n);
}

int main(int argc, char **argv)
{
    static sqlite3_mem_methods methods = {sqlite_malloc, free,  sqlite_realloc, size_of,
                                          round_up,      start, stop,           NULL};
    if (sodium_init() < 0 || sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        return 1;
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        stride = 1;
    log_set_level(LOG_ERROR - 1);
    snprintf(dir, sizeof dir, "%s/cohort-memory.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/spool.db", dir);
    each("a spool", spool_round);
    each("snapshots", snapshot_round);
    empty_dir();
    rmdir(dir);
    printf("%lu times an allocation failed, %lu times with a wrong outcome\n", n_failed, n_wrong);
    return n_wrong > 0 || n_failed < 50;
}
