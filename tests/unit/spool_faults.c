/* What the spool and the snapshots acknowledged survives:
 *   death at each call that writes, syncs or renames (F2), with and without what a power cut takes;
 *   a disk that is full or broken from each call on (F8);
 *   flipped bits and cut files (F15): intact, or reported.
 * COHORT_FAULTS=long tries every call, bit and length; otherwise a sample. Built with EXPECT_LOSS from
 * mutated sources, it succeeds when it finds the fault in them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fault_shim.h"
#include "spool/snapshot.h"
#include "spool/spool.h"

#ifdef EXPECT_LOSS
static const bool expect_loss = true;
#else
static const bool expect_loss = false;
#endif

enum { RECORD = 14, GROUPS = 9, SAVES = 5 };
static char base[64];
static bool long_form;
static unsigned violations;

static void violation(const char *what, const char *where, unsigned n)
{
    violations++;
    printf("%s: %s, at %u\n", expect_loss ? "caught" : "FAILED", what, n);
    if (strcmp(where, "") != 0)
        printf("  %s\n", where);
    if (!expect_loss)
        return;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", base);
    exit(system(command) != 0);
}

static void run(const char *format, const char *a, const char *b)
{
    char command[400];
    snprintf(command, sizeof command, format, a, b);
    if (system(command) != 0)
        exit(2);
}

static const char *in_base(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", base, name);
    return path;
}

/* What a child told before it died. */
struct told {
    unsigned acked;   /* groups 0 … acked − 1 were acknowledged */
    unsigned shipped; /* and so many were to be deleted */
    unsigned saved;   /* the last snapshot's version acknowledged */
    unsigned stops;
    uint8_t id[16];
};

static struct told *told; /* in memory shared with the child, through a file that is not below root */

/* One push at a time. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    int code;
    unsigned number;
    bool tell;
};

static void on_done(void *arg, int code, const struct error *e)
{
    struct waiter *w = arg;
    (void)e;
    pthread_mutex_lock(&w->lock);
    if (code == ERR_OK && w->tell)
        told->acked = w->number + 1;
    w->done = true;
    w->code = code;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static int push_one(struct spool *s, unsigned number, bool tell)
{
    static struct waiter w;
    char text[32];
    w = (struct waiter){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, number, tell};
    snprintf(text, sizeof text, "record %06u;", number);
    int code = spool_push(s, (uint8_t *)text, RECORD, 1, on_done, &w);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    return w.code;
}

static int open_spool(struct spool **s, const char *dir, struct error *e)
{
    char path[160];
    snprintf(path, sizeof path, "%s/spool.db", dir);
    struct spool_options o = {path, 1 << 20, 100, 4096};
    return spool_open(s, &o, e);
}

static void spool_life(const char *dir)
{
    struct spool *s;
    struct error e;
    if (open_spool(&s, dir, &e) != ERR_OK)
        _exit(5);
    spool_id(s, told->id);
    for (unsigned i = 0; i < GROUPS; i++) {
        if (push_one(s, i, true) != ERR_OK)
            _exit(6);
        if (i % 4 == 3) {
            struct spool_groups g;
            if (spool_read(s, told->shipped, 1 << 20, 0, &g, &e) != ERR_OK)
                _exit(7);
            told->shipped = (unsigned)g.last;
            spool_groups_free(&g);
            spool_delete(s, told->shipped, 0, &e);
        }
    }
    spool_close(s);
}

static void snapshot_life(const char *dir)
{
    struct snapshots *s;
    struct error e;
    char text[64];
    if (snapshots_open(&s, dir, &e) != ERR_OK)
        _exit(8);
    for (unsigned i = 1; i <= SAVES; i++) {
        struct snapshot_info info = {.version = i, .stop_version = i, .saved_us = 1};
        struct snapshot_stop stop = {.at_us = i};
        snprintf(text, sizeof text, "document %06u", i);
        if (snapshots_save(s, &info, text, strlen(text), &e) != ERR_OK)
            _exit(9);
        told->saved = i;
        stop.salt[0] = (uint8_t)i;
        if (i % 2 == 0 && snapshots_add_stop(s, &stop, &e) == ERR_OK)
            told->stops = i;
    }
    snapshots_close(s);
}

/* Marks what is there; false when the reading end reports an error. *damaged: it says that something is lost.
 */
static bool read_back(const char *dir, bool there[GROUPS], bool *damaged, uint64_t *last, uint8_t id[16],
                      char *why, size_t room)
{
    struct spool *s = NULL;
    struct spool_groups g;
    struct spool_stats st;
    struct error e;
    memset(there, 0, GROUPS * sizeof *there);
    if (open_spool(&s, dir, &e) != ERR_OK) {
        snprintf(why, room, "%s", e.text);
        return false;
    }
    spool_id(s, id);
    *last = spool_last(s);
    bool good = true;
    for (uint64_t after = 0; (good = spool_read(s, after, 1 << 20, 0, &g, &e) == ERR_OK) && g.first;) {
        after = g.last;
        for (size_t i = 0; i + RECORD <= g.len; i += RECORD) {
            unsigned n = GROUPS;
            if (sscanf((char *)g.bytes + i, "record %06u;", &n) != 1 || n >= GROUPS)
                violation("bytes that nobody wrote were believed", "", n);
            else
                there[n] = true;
        }
        spool_groups_free(&g);
    }
    if (!good)
        snprintf(why, room, "%s", e.text);
    spool_stats(s, &st);
    *damaged = st.damaged > 0;
    spool_close(s);
    return good;
}

static void check_spool(const char *dir, const char *what, unsigned n)
{
    bool there[GROUPS], damaged = false;
    uint64_t last = 0;
    uint8_t id[16];
    char why[800] = "";
    if (!read_back(dir, there, &damaged, &last, id, why, sizeof why)) {
        violation("the spool can't be read afterwards", why, n);
        return;
    }
    for (unsigned i = told->shipped; i < told->acked; i++) {
        if (!there[i])
            violation(what, "an acknowledged group is not in the spool", n);
    }
    if (damaged)
        violation(what, "a whole spool was called damaged", n);
    if (told->acked > 0 && last < told->acked && memcmp(id, told->id, 16) == 0)
        violation(what, "a number would be given twice", n);
}

static int count_stop(void *arg, const struct snapshot_stop *stop)
{
    unsigned *seen = arg;
    if (stop->salt[0] > *seen)
        *seen = stop->salt[0];
    return ERR_OK;
}

static void check_snapshots(const char *dir, const char *what, unsigned n)
{
    struct snapshots *s;
    struct snapshot_info info = {0};
    struct error e;
    char *text = NULL;
    size_t len;
    unsigned stops = 0;
    if (snapshots_open(&s, dir, &e) != ERR_OK) {
        violation("the snapshots can't be opened afterwards", e.text, n);
        return;
    }
    int code = snapshots_load(s, &info, &text, &len, &e);
    if (told->saved > 0 && (code != ERR_OK || info.version < (int64_t)told->saved))
        violation(what, "an acknowledged snapshot is lost", n);
    snapshots_each_stop(s, count_stop, &stops);
    if (stops < told->stops)
        violation(what, "an acknowledged stop is lost", n);
    free(text);
    snapshots_close(s);
}

/* Runs a life in a child that meets the fault; true while it did not come to its end. */
static bool live(void (*life)(const char *), enum shim_mode mode, unsigned at)
{
    int status;
    run("rm -rf %s/root %s/disk", base, base);
    run("mkdir -p %s/root/a %s/disk", base, base);
    memset(told, 0, sizeof *told);
    pid_t child = fork();
    if (child == 0) {
        shim_start(in_base("root"), in_base("disk"));
        shim_arm(mode, at, EIO);
        life(in_base("root/a"));
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        violation("a life without faults failed", "", (unsigned)WEXITSTATUS(status));
    return !WIFEXITED(status);
}

static void die_everywhere(const char *name, void (*life)(const char *),
                           void (*check)(const char *, const char *, unsigned))
{
    unsigned step = long_form ? 1 : expect_loss ? 6 : 3, n = 1, lives = 0;
    for (bool died = true; died; n += step, lives++) {
        died = live(life, SHIM_KILL, n);
        run("rm -rf %s/cut%s", base, "");
        shim_after_power_cut(in_base("disk"), "a", in_base("cut"));
        check(in_base("root/a"), "killed", n);
        check(in_base("cut"), "power cut", n);
    }
    printf("%s: killed at %u of %u calls, with and without a power cut\n", name, lives - 1, n - step);
}

/* Everything fails from call n on, for a while. */
static void fail_from(unsigned n, int error)
{
    struct spool *s;
    struct error e;
    bool failed = false;
    run("rm -rf %s/root && mkdir -p %s/root/a", base, base);
    memset(told, 0, sizeof *told);
    shim_start(in_base("root"), "");
    shim_arm(SHIM_OFF, 0, 0);
    if (open_spool(&s, in_base("root/a"), &e) != ERR_OK)
        exit(2);
    unsigned i = 0;
    shim_arm(SHIM_FAIL, n, error);
    for (; i < 4; i++)
        failed |= push_one(s, i, true) != ERR_OK; /* a failed one was not told; the next may be */
    if (failed && spool_level(s) != SPOOL_FAILING)
        violation("a failing disk is not said", "", n);
    bool there[GROUPS] = {0}, damaged;
    unsigned acked = told->acked;
    shim_arm(SHIM_OFF, 0, 0);
    int64_t until = clock_monotonic_us() + 60000000;
    struct spool_groups g;
    while (n % 4 == 1 && spool_level(s) == SPOOL_FAILING && clock_monotonic_us() < until)
        if (spool_read(s, 1000, 1, 100, &g, &e) == ERR_OK) /* nobody pushes: it must heal by itself */
            spool_groups_free(&g);
    if (n % 4 == 1 && spool_level(s) == SPOOL_FAILING)
        violation("it did not heal by itself", "", n);
    if (push_one(s, i, true) != ERR_OK)
        violation("it did not heal", "", n);
    spool_close(s);
    uint64_t last;
    uint8_t id[16];
    char why[800] = "";
    if (!read_back(in_base("root/a"), there, &damaged, &last, id, why, sizeof why))
        violation("unreadable after a failing disk", why, n);
    if (!there[i] || (!failed && acked != 4))
        violation("lost after a failing disk", "", n);
    for (unsigned k = 0; !failed && k < acked; k++) {
        if (!there[k])
            violation("lost after a failing disk", "", n);
    }
}

static void fail_everywhere(void)
{
    unsigned most = long_form ? 40 : 10;
    for (unsigned n = 1; n <= most; n++)
        fail_from(n, n % 2 ? ENOSPC : EIO);
    shim_start("", "");
    printf("a full or broken disk: from each of %u calls on, never acknowledged, healed\n", most);
}

/* A close that meets a disk that does not answer; in a child, beside the rest. */
static pid_t start_hang(void)
{
    run("mkdir -p %s/hang/a%s", base, "");
    pid_t child = fork();
    if (child == 0) {
        struct spool *s;
        struct error e;
        static struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, false};
        shim_start(in_base("hang"), "");
        if (open_spool(&s, in_base("hang/a"), &e) != ERR_OK)
            _exit(2);
        shim_arm(SHIM_HANG, 1, 0);
        spool_push(s, (const uint8_t *)"x", 1, 1, on_done, &w);
        int64_t start = clock_monotonic_us();
        spool_close(s);
        _exit(clock_monotonic_us() - start < 60000000 && w.done && w.code == ERR_IO ? 0 : 1);
    }
    return child;
}

static void end_hang(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        violation("closing waits for a disk that hangs", "", 0);
    printf("a disk that hangs: closed without it, and said\n");
}

/* Numbers and identity over a file that was emptied. */
static void drain(void)
{
    struct spool *s;
    struct spool_stats st;
    struct error e;
    uint8_t id[16], again[16];
    run("rm -rf %s/root && mkdir -p %s/root/a", base, base);
    memset(told, 0, sizeof *told);
    if (open_spool(&s, in_base("root/a"), &e) != ERR_OK)
        exit(2);
    spool_id(s, id);
    for (unsigned i = 0; i < 4; i++)
        push_one(s, i, true);
    spool_delete(s, 4, 0, &e);
    spool_close(s);
    if (open_spool(&s, in_base("root/a"), &e) != ERR_OK)
        exit(2);
    spool_id(s, again);
    spool_stats(s, &st);
    if (memcmp(id, again, 16) != 0 || spool_last(s) != 4 || st.damaged != 0 || st.accepted_records != 4)
        violation("an emptied spool forgot where it was", "", (unsigned)spool_last(s));
    if (spool_renew_id(s, &e) != ERR_OK)
        violation("no new identity", e.text, 0);
    spool_id(s, again);
    spool_stats(s, &st);
    if (memcmp(id, again, 16) == 0 || st.accepted_records != 0)
        violation("a new identity starts with what was accepted under the old one", "", 0);
    spool_close(s);
    printf("an emptied spool keeps its numbers, its identity and its counts\n");
}

static uint8_t *load(const char *path, size_t *n)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st) != 0)
        exit(2);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    *n = fread(bytes, 1, (size_t)st.st_size, f);
    fclose(f);
    return bytes;
}

static void store(const char *path, const uint8_t *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        exit(2);
}

static void check_damaged_spool(const char *dir, const char *what, unsigned n)
{
    bool there[GROUPS], damaged = false;
    uint64_t last = 0;
    uint8_t id[16];
    char why[800] = "";
    if (!read_back(dir, there, &damaged, &last, id, why, sizeof why)) {
        if (!strstr(why, "spool.db"))
            violation(what, "an error without the file's name", n);
        return;
    }
    unsigned missing = 0;
    for (unsigned i = told->shipped; i < told->acked; i++)
        missing += !there[i];
    if (missing > 0 && !damaged)
        violation(what, "groups are lost and nobody says so", n);
    if (last < told->acked && memcmp(id, told->id, 16) == 0)
        violation(what, "a number would be given twice", n);
}

static void check_damaged_snapshots(const char *dir, const char *what, unsigned n)
{
    struct snapshots *s;
    struct snapshot_info info;
    struct error e;
    char *text = NULL, expected[64];
    size_t len = 0;
    unsigned stops = 0;
    if (snapshots_open(&s, dir, &e) != ERR_OK)
        return;
    int code = snapshots_load(s, &info, &text, &len, &e);
    snprintf(expected, sizeof expected, "document %06u", code == ERR_OK ? (unsigned)info.version : 0);
    if (code == ERR_OK && (len != strlen(expected) || memcmp(text, expected, len) != 0))
        violation(what, "a damaged snapshot was believed", n);
    snapshots_each_stop(s, count_stop, &stops);
    bool keyless = code == ERR_NOT_FOUND && strstr(e.text, "(0 damaged)") == NULL;
    if (!keyless && (code != ERR_OK || info.version < SAVES - 1 || stops != 4))
        violation(what, "more was lost than one file", n);
    free(text);
    snapshots_close(s);
}

/* Makes the directory `to` what `from` is. */
static void restore(const char *from, const char *to)
{
    char path[600];
    mkdir(to, 0700);
    for (int pass = 0; pass < 2; pass++) {
        DIR *dir = opendir(pass == 0 ? to : from);
        for (struct dirent *d; dir && (d = readdir(dir));) {
            size_t n;
            if (d->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", pass == 0 ? to : from, d->d_name);
            uint8_t *bytes = pass == 0 ? NULL : load(path, &n);
            if (pass == 0) {
                unlink(path);
                continue;
            }
            snprintf(path, sizeof path, "%s/%s", to, d->d_name);
            store(path, bytes, n);
            free(bytes);
        }
        if (dir)
            closedir(dir);
    }
}

/* Damage to one file of a directory: bits flipped and lengths cut, one a case. */
struct damage {
    const char *dir, *name;
    uint8_t *bytes;
    size_t n, stride, cut;
    void (*check)(const char *, const char *, unsigned);
};

static size_t case_count(const struct damage *d)
{
    return (8 * d->n + d->stride - 1) / d->stride + (d->n + d->cut - 1) / d->cut;
}

static void try_case(const struct damage *d, size_t i, const char *to)
{
    size_t flips = (8 * d->n + d->stride - 1) / d->stride;
    size_t bit = i * d->stride, len = i < flips ? d->n : (i - flips) * d->cut;
    char target[300];
    snprintf(target, sizeof target, "%s/%s", to, d->name);
    restore(d->dir, to);
    if (i < flips)
        d->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    store(target, d->bytes, len);
    if (i < flips)
        d->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    d->check(to, d->name, (unsigned)(i < flips ? bit : len));
}

/* Every so many-th case, in a directory of its own. */
static void try_cases(const struct damage *d, unsigned worker, unsigned workers)
{
    char name[32], to[128];
    snprintf(name, sizeof name, "try.%u", worker);
    snprintf(to, sizeof to, "%s", in_base(name));
    for (size_t i = worker; i < case_count(d); i += workers)
        try_case(d, i, to);
}

enum { WORKERS = 4 };

/* The cases are many and apart: several processes share them. A mutant is caught by the first. */
static void share_cases(const struct damage *d)
{
    pid_t children[WORKERS];
    if (expect_loss) {
        try_cases(d, 0, 1);
        return;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            violations = 0;
            try_cases(d, i, WORKERS);
            _exit(violations > 0);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status = 1;
        if (children[i] < 0 || waitpid(children[i], &status, 0) < 0 || status != 0)
            violations++;
    }
}

/* How many cases were tried. */
static size_t damage_file(const char *dir, const char *name, size_t cases,
                          void (*check)(const char *, const char *, unsigned))
{
    char source[300], from[128];
    struct damage d = {.dir = from, .name = name, .check = check};
    snprintf(from, sizeof from, "%s", dir);
    snprintf(source, sizeof source, "%s/%s", from, name);
    d.bytes = load(source, &d.n);
    d.stride = long_form ? 1 : (8 * d.n / cases) | 1;
    d.cut = long_form ? 1 : d.n / (cases / 8 + 1) + 1;
    if (d.n > 0)
        share_cases(&d);
    free(d.bytes);
    return d.n > 0 ? case_count(&d) : 0;
}

/* A spool that was killed: its last groups are in the log only. */
static void spool_to_damage(const char *dir)
{
    struct spool *s;
    struct spool_groups g;
    struct error e;
    if (open_spool(&s, dir, &e) != ERR_OK)
        _exit(5);
    spool_id(s, told->id);
    for (unsigned i = 0; i < 4; i++)
        push_one(s, i, true);
    spool_close(s);
    if (open_spool(&s, dir, &e) != ERR_OK)
        _exit(5);
    for (unsigned i = 4; i < GROUPS; i++)
        push_one(s, i, true);
    told->shipped = 1;
    if (spool_read(s, 0, 1, 0, &g, &e) != ERR_OK || spool_delete(s, 1, 0, &e) != ERR_OK)
        _exit(6);
    abort();
}

static void damage_everything(void)
{
    size_t tried = 0, cases = expect_loss ? 1000 : 150;
    live(spool_to_damage, SHIM_OFF, 0);
    run("rm -f %s/root/a/*-shm %s/root/a/*-lock", base, base);
    run("cp -r %s/root/a %s/whole", base, base);
    static const char *const files[] = {"spool.db-wal", "spool.db", "spool.db-mark"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[300];
        struct stat st;
        snprintf(path, sizeof path, "%s/whole/%s", base, files[i]);
        if (stat(path, &st) == 0)
            tried += damage_file(in_base("whole"), files[i], cases, check_damaged_spool);
    }
    printf("a damaged spool: %zu flipped bits and cuts, nothing lost in silence, nothing invented\n", tried);
}

static void damage_snapshots(void)
{
    size_t tried = 0;
    char name[300];
    live(snapshot_life, SHIM_OFF, 0);
    run("rm -rf %s/whole%s", base, "");
    run("mv %s/root/a %s/whole", base, base);
    DIR *dir = opendir(in_base("whole"));
    for (struct dirent *d; dir && (d = readdir(dir));) {
        snprintf(name, sizeof name, "%s", d->d_name);
        if (name[0] != '.')
            tried += damage_file(in_base("whole"), name, 60, check_damaged_snapshots);
    }
    if (dir)
        closedir(dir);
    printf("damaged snapshots: %zu flipped bits and cuts, none believed, no other file lost\n", tried);
}

int main(void)
{
    const char *form = getenv("COHORT_FAULTS");
    long_form = form && strcmp(form, "long") == 0;
    /* Faults are made between the process and the disk, so memory will do for one, and is faster. */
    snprintf(base, sizeof base, "%s/cohort-faults.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(base))
        return 2;
    FILE *shared = fopen(in_base("told"), "w+");
    if (!shared || ftruncate(fileno(shared), sizeof *told) != 0)
        return 2;
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(shared), 0);
    log_set_level(LOG_ERROR - 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    pid_t hang = expect_loss ? 0 : start_hang();
    drain();
    shim_arm(SHIM_FAST, 0, 0); /* children arm anew */
    die_everywhere("spool", spool_life, check_spool);
    die_everywhere("snapshots", snapshot_life, check_snapshots);
    damage_everything();
    damage_snapshots();
    fail_everywhere();
    if (!expect_loss)
        end_hang(hang);
    run("rm -rf %s%s", base, "");
    if (expect_loss)
        printf("FAILED: the mutant was not caught\n");
    return violations > 0 || expect_loss;
}
