/* The files of a spool with any bytes in them: it opens, or says why not; no group comes out that was not put
 * in; and what is pushed afterwards is kept. The first byte says whether the rest is a whole file or patches
 * of a good one (offset, 2 bytes, length, 1 byte, and the bytes), and of which file. */
#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "spool/spool.h"

enum { GROUPS = 3, GROUP = 40, FILES = 3, RAW = 1, OPEN = 2 };

static char dir[64], path[96];
static const char *const suffixes[FILES] = {"", "-wal", "-mark"};
/* The files as a closed spool leaves them, and as one that was killed does. */
static struct file {
    uint8_t *bytes;
    size_t len;
} good[2][FILES];

static void path_of(char out[128], const char *suffix)
{
    snprintf(out, 128, "%s%s", path, suffix);
}

static void clean(void)
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

static void clean_up(void)
{
    clean();
    rmdir(dir);
}

static void keep(struct file *f, const char *suffix)
{
    char name[128];
    path_of(name, suffix);
    FILE *in = fopen(name, "rb");
    if (!in)
        return;
    f->bytes = malloc(1 << 20);
    f->len = f->bytes ? fread(f->bytes, 1, 1 << 20, in) : 0;
    fclose(in);
}

static void put(const char *suffix, const uint8_t *bytes, size_t len)
{
    char name[128];
    if (!bytes)
        return;
    path_of(name, suffix);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

struct told {
    sem_t once;
    int what;
};

static void on_done(void *arg, int code, const struct error *e)
{
    struct told *t = arg;
    FUZZ_CHECK(code == ERR_OK || (e && e->text[0]));
    t->what = code == ERR_OK ? 1 : 2;
    sem_post(&t->once);
}

/* 1: kept, 2: not, after it was told so. */
static int push(struct spool *s, unsigned fill)
{
    uint8_t bytes[GROUP];
    struct told told;
    memset(bytes, (int)fill, sizeof bytes);
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
    FUZZ_CHECK(rc == ERR_OK || e->text[0]);
    return rc == ERR_OK ? s : NULL;
}

static void prepare(void)
{
    struct error e;
    fuzz_plans(); /* quiet, and sodium is ready */
    snprintf(dir, sizeof dir, "%s/cohort-fuzz.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spool.db", dir);
    atexit(clean_up);
    struct spool *s = open_spool(&e);
    for (unsigned i = 1; i <= GROUPS; i++)
        FUZZ_CHECK(push(s, i) == 1);
    for (int f = 0; f < FILES; f++)
        keep(&good[1][f], suffixes[f]);
    spool_close(s);
    for (int f = 0; f < FILES; f++)
        keep(&good[0][f], suffixes[f]);
}

/* A copy of a good file with the patches that the input names. */
static void put_patched(struct fuzz_input *in, const struct file *f, const char *suffix)
{
    uint8_t *bytes = malloc(f->len ? f->len : 1);
    size_t len = f->len;
    FUZZ_CHECK(bytes);
    if (len > 0)
        memcpy(bytes, f->bytes, len);
    while (in->left > 3 && len > 0) {
        size_t at = fuzz_u16(in), n = fuzz_byte(in);
        if (n == 0) { /* cut off here */
            len = at < len ? at : len;
            continue;
        }
        const uint8_t *from = fuzz_take(in, &n);
        at %= len;
        memcpy(bytes + at, from, n < len - at ? n : len - at);
    }
    put(suffix, bytes, len);
    free(bytes);
}

/* Groups of one byte GROUP times, none of them twice, each one that was pushed. */
static void check_groups(struct spool *s, bool *last_is_there)
{
    struct spool_groups g;
    struct error e;
    error_clear(&e);
    int rc = spool_read(s, 0, 1 << 20, 0, &g, &e);
    *last_is_there = false;
    if (rc != ERR_OK) {
        FUZZ_CHECK(e.text[0]);
        return;
    }
    FUZZ_CHECK(g.len % GROUP == 0);
    for (size_t i = 0, before = 0; i < g.len; i += GROUP) {
        FUZZ_CHECK(g.bytes[i] > before && g.bytes[i] <= GROUPS + 1);
        for (size_t j = 0; j < GROUP; j++)
            FUZZ_CHECK(g.bytes[i + j] == g.bytes[i]);
        before = g.bytes[i];
        *last_is_there = before == GROUPS + 1;
    }
    spool_groups_free(&g);
}

void fuzz_spool(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    struct error e;
    bool there;
    unsigned how = fuzz_byte(&in), which = (how >> 2) % FILES;
    if (!dir[0])
        prepare();
    clean();
    for (unsigned f = 0; f < FILES; f++) {
        const struct file *file = &good[how & OPEN ? 1 : 0][f];
        if (f != which)
            put(suffixes[f], file->bytes, file->len);
        else if (how & RAW)
            put(suffixes[f], in.p, in.left);
        else
            put_patched(&in, file, suffixes[f]);
    }
    struct spool *s = open_spool(&e);
    if (!s)
        return;
    check_groups(s, &there);
    int kept = push(s, GROUPS + 1);
    check_groups(s, &there);
    FUZZ_CHECK(kept != 1 || there);
    spool_close(s);
}
