/* A directory of snapshots in which a file holds any bytes: it opens, a document that was not written is not
 * believed, and no stop is made up. The first byte says which file, and whether its seal is right. */
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "spool/snapshot.h"
#include "spool/snapshot_file.h"

static const char *const names[] = {"plan-00000000000000000002", "stops", "stops.2", "key",
                                    "plan-00000000000000000003"};
#define NAMES (sizeof names / sizeof *names)
#define WRITTEN "{\"written\":true}"

static char dir[64], path[128];
static uint8_t key[SNAPSHOT_KEY];
static struct snapshot_stop stop = {"production", "checkout", {5}, 7, "It did harm."};

static void clean(void)
{
    static const char *const more[] = {"plan-00000000000000000001", "plan-00000000000000000004"};
    for (size_t i = 0; i < NAMES + 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i < NAMES ? names[i] : more[i - NAMES]);
        unlink(path);
    }
}

static void clean_up(void)
{
    clean();
    rmdir(dir);
}

/* What is there before: a snapshot, and a stop. */
static void prepare(void)
{
    struct snapshots *s;
    struct error e;
    struct snapshot_info info = {.version = 1, .stop_version = 1};
    if (!dir[0]) {
        fuzz_plans();
        snprintf(dir, sizeof dir, "%s/cohort-fuzz.XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(dir));
        atexit(clean_up);
    }
    clean();
    FUZZ_CHECK(snapshots_open(&s, dir, &e) == ERR_OK);
    FUZZ_CHECK(snapshots_save(s, &info, WRITTEN, strlen(WRITTEN), &e) == ERR_OK);
    FUZZ_CHECK(snapshots_add_stop(s, &stop, &e) == ERR_OK);
    snapshots_close(s);
    FUZZ_CHECK(snapshot_key(dir, key, &e) == ERR_OK);
}

static void put(const char *name, const uint8_t *bytes, size_t len)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    close(fd);
}

static int count_stop(void *n, const struct snapshot_stop *found)
{
    FUZZ_CHECK(strcmp(found->environment, stop.environment) == 0 &&
               strcmp(found->experiment, stop.experiment) == 0 &&
               strcmp(found->sentence, stop.sentence) == 0 && found->at_us == stop.at_us &&
               memcmp(found->salt, stop.salt, sizeof stop.salt) == 0);
    ++*(unsigned *)n;
    return ERR_OK;
}

void fuzz_snapshot(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    unsigned how = fuzz_byte(&in), n = 0;
    size_t which = how % NAMES, got;
    bool sealed = (how & 0x80) && which != 3;
    struct snapshots *s;
    struct snapshot_info info;
    struct error e;
    char *document;
    prepare();
    if (sealed)
        FUZZ_CHECK(snapshot_write(dir, names[which], key, in.p, in.left, &e) == ERR_OK);
    else
        put(names[which], in.p, in.left);
    FUZZ_CHECK(snapshots_open(&s, dir, &e) == ERR_OK);
    FUZZ_CHECK(snapshots_each_stop(s, count_stop, &n) == ERR_OK);
    FUZZ_CHECK(n == 1 || which == 3); /* the other copy has it */
    int rc = snapshots_load(s, &info, &document, &got, &e);
    FUZZ_CHECK(rc == ERR_OK || (rc == ERR_NOT_FOUND && which == 3));
    if (rc == ERR_OK && !sealed)
        FUZZ_CHECK(got == strlen(WRITTEN) && memcmp(document, WRITTEN, got) == 0);
    free(document);
    snapshots_close(s);
}
