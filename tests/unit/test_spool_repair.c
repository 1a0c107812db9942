/* The spool over what happens to its file: damage while it is open, an older format, a great drain; and the
 * levels it says of itself. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/spool.h"

enum { PAGE = 4096, BIG = 3000 };
static char dir[64], path[96];

/* Memory is fast, and in a container it may be small: a great drain needs some. */
static bool has_memory(void)
{
    struct statvfs v;
    return access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &v) == 0 &&
           (uint64_t)v.f_bavail * v.f_frsize >= (uint64_t)512 << 20;
}

static void set_up(void)
{
    snprintf(dir, sizeof dir, "%s/cohort-repair.XXXXXX", has_memory() ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spool.db", dir);
    log_set_level(LOG_ERROR - 1);
}

static void tear_down(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static struct spool *open_spool(uint64_t max_bytes)
{
    struct spool_options o = {path, max_bytes, 100, 4096};
    struct spool *s = NULL;
    struct error e;
    int code = spool_open(&s, &o, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
    return s;
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    int code;
};

static void on_done(void *arg, int code, const struct error *e)
{
    struct waiter *w = arg;
    (void)e;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->code = code;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* One group of len bytes, all of them `fill`, with two records. */
static void push_group(struct spool *s, int fill, size_t len)
{
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
    uint8_t *bytes = malloc(len);
    memset(bytes, fill, len);
    ck_assert_int_eq(spool_push(s, bytes, len, 2, on_done, &w), ERR_OK);
    free(bytes);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    ck_assert_int_eq(w.code, ERR_OK);
}

/* Groups first to last, each of BIG bytes, all of them its number. */
static void check_groups(struct spool *s, uint64_t first, uint64_t last)
{
    struct spool_groups g;
    struct error e;
    int code = spool_read(s, 0, 1 << 20, 0, &g, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
    ck_assert_uint_eq(g.first, first);
    ck_assert_uint_eq(g.last, last);
    ck_assert_uint_eq(g.len, (last - first + 1) * BIG);
    ck_assert_uint_eq(g.n_records, (last - first + 1) * 2);
    for (size_t i = 0; i < g.len; i++)
        ck_assert_uint_eq(g.bytes[i], first + i / BIG);
    spool_groups_free(&g);
}

static int64_t ask(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

static void spoil_page(const char *name, off_t header, off_t step, uint32_t page)
{
    uint8_t no[4], zeros[8] = {0};
    int fd = open(name, O_RDWR);
    for (off_t at = header; fd >= 0 && pread(fd, no, 4, at) == 4; at += step) {
        uint32_t is = (uint32_t)no[0] << 24 | (uint32_t)no[1] << 16 | (uint32_t)no[2] << 8 | no[3];
        if (is == page && pwrite(fd, zeros, sizeof zeros, at + 24) != sizeof zeros)
            _exit(1);
    }
}

/* The root of the tree of groups becomes no page at all, wherever it is written. By another process: closing
 * a descriptor here would drop SQLite's locks. */
static void spoil_root(void)
{
    int status;
    uint32_t root = (uint32_t)ask("select rootpage from sqlite_schema where name = 'grp'");
    pid_t child = fork();
    if (child == 0) {
        char log[128];
        uint8_t zeros[8] = {0};
        snprintf(log, sizeof log, "%s-wal", path);
        spoil_page(log, 32, 24 + PAGE, root);
        int fd = open(path, O_RDWR);
        if (lseek(fd, 0, SEEK_END) >= (off_t)root * PAGE &&
            pwrite(fd, zeros, sizeof zeros, (off_t)(root - 1) * PAGE) != sizeof zeros)
            _exit(1);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static int count_aside(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *entry; (entry = readdir(d));)
        n += strstr(entry->d_name, ".damaged-") != NULL && !strstr(entry->d_name, "-wal");
    closedir(d);
    return n;
}

START_TEST(damage_while_it_is_open_is_repaired_under_the_same_identity)
{
    uint8_t id[16], again[16];
    struct spool_stats st;
    struct spool *s = open_spool(1 << 20);
    spool_id(s, id);
    for (int i = 1; i <= 8; i++)
        push_group(s, i, BIG);
    spoil_root();
    check_groups(s, 1, 8); /* the reader meets it */
    ck_assert_int_eq(count_aside(), 1);
    push_group(s, 9, BIG);
    check_groups(s, 1, 9);
    spool_id(s, again);
    ck_assert_mem_eq(id, again, 16);
    spool_stats(s, &st);
    ck_assert_uint_eq(st.damaged, 0);
    ck_assert_uint_eq(st.accepted_records, 18);
    ck_assert_uint_eq(st.groups, 9);
    ck_assert_int_eq(spool_level(s), SPOOL_OK);
    spool_close(s);
    s = open_spool(1 << 20);
    spool_id(s, again);
    ck_assert_mem_eq(id, again, 16);
    check_groups(s, 1, 9);
    spool_close(s);
}
END_TEST

START_TEST(damage_met_by_the_writer_is_repaired_before_it_answers)
{
    struct spool *s = open_spool(1 << 20);
    for (int i = 1; i <= 8; i++)
        push_group(s, i, BIG);
    struct error e;
    ck_assert_int_eq(spool_delete(s, 1, 0, &e), ERR_OK); /* another connection wrote: the writer reads anew */
    spoil_root();
    push_group(s, 9, BIG);
    ck_assert_int_eq(count_aside(), 1);
    check_groups(s, 2, 9);
    spool_close(s);
}
END_TEST

START_TEST(only_the_newest_damaged_files_are_kept)
{
    struct spool *s = open_spool(1 << 20);
    for (int i = 1; i <= 4; i++)
        push_group(s, i, BIG);
    for (int i = 0; i < 5; i++) {
        spool_close(s);
        spoil_root();
        s = open_spool(1 << 20);
        check_groups(s, 1, 4);
        ck_assert_int_eq(count_aside(), i < 3 ? i + 1 : 3);
    }
    spool_close(s);
}
END_TEST

static void put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

/* A group as format 1 sealed it: the length where the count of accepted records is now. */
static void put_group_1(sqlite3 *db, unsigned number)
{
    uint8_t stored[32 + BIG], no[8] = {0};
    sqlite3_stmt *st;
    crypto_generichash_state state;
    memset(stored, 0, 32);
    memset(stored + 32, (int)number, BIG);
    memcpy(stored, "cspl", 4);
    put_u32(stored + 4, 1);
    put_u32(stored + 8, 2);
    put_u32(stored + 12, BIG);
    put_u32(no, number);
    crypto_generichash_init(&state, NULL, 0, 16);
    crypto_generichash_update(&state, no, sizeof no);
    crypto_generichash_update(&state, stored, 16);
    crypto_generichash_update(&state, stored + 32, BIG);
    crypto_generichash_final(&state, stored + 16, 16);
    ck_assert_int_eq(sqlite3_prepare_v2(db, "insert into grp values (?1, 1, 2, ?2)", -1, &st, NULL),
                     SQLITE_OK);
    sqlite3_bind_int(st, 1, (int)number);
    sqlite3_bind_blob(st, 2, stored, sizeof stored, SQLITE_STATIC);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_DONE);
    sqlite3_finalize(st);
}

static void put_meta_1(sqlite3 *db, const char *key, const void *value)
{
    sqlite3_stmt *st;
    ck_assert_int_eq(sqlite3_prepare_v2(db, "insert into meta values (?1, ?2)", -1, &st, NULL), SQLITE_OK);
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, value, 16, SQLITE_STATIC);
    ck_assert_int_eq(sqlite3_step(st), SQLITE_DONE);
    sqlite3_finalize(st);
}

START_TEST(a_file_of_format_1_is_upgraded_and_keeps_its_identity)
{
    static const char tables[] =
        "pragma journal_mode = wal; pragma application_id = 1668509804;"
        "create table meta(key text primary key, value blob not null) without rowid;"
        "create table grp(number integer primary key autoincrement, committed_us integer not null,"
        " records integer not null, data blob not null);"
        "create table damaged(number integer not null, found_us integer not null, why text not null,"
        " data blob);"
        "pragma user_version = 1";
    uint8_t id[16] = "an old identity", again[16];
    sqlite3 *db;
    struct stat st;
    struct spool_stats stats;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, tables, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    uint64_t place[2] = {(uint64_t)st.st_dev, (uint64_t)st.st_ino};
    put_meta_1(db, "spool_id", id);
    put_meta_1(db, "place", place);
    for (unsigned i = 5; i <= 7; i++) /* the first four were shipped and deleted */
        put_group_1(db, i);
    sqlite3_close(db);
    struct spool *s = open_spool(1 << 20);
    spool_id(s, again);
    ck_assert_mem_eq(id, again, 16);
    check_groups(s, 5, 7);
    push_group(s, 8, BIG);
    check_groups(s, 5, 8);
    spool_stats(s, &stats);
    ck_assert_uint_eq(stats.damaged, 0);
    ck_assert_uint_eq(stats.accepted_records, 8);
    spool_close(s);
    s = open_spool(1 << 20);
    spool_id(s, again);
    ck_assert_mem_eq(id, again, 16);
    check_groups(s, 5, 8);
    spool_close(s);
}
END_TEST

START_TEST(a_great_drain_gives_the_room_back)
{
    struct stat st;
    struct error e;
    struct spool *s = open_spool(1ull << 40);
    for (int i = 1; i <= 80; i++)
        push_group(s, i, 1 << 20);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_gt(st.st_size, 64 << 20);
    ck_assert_int_eq(spool_delete(s, 80, 0, &e), ERR_OK);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(st.st_size, 1 << 20);
    push_group(s, 81, BIG);
    ck_assert_uint_eq(spool_last(s), 81);
    spool_close(s);
}
END_TEST

START_TEST(the_level_says_how_full_it_is)
{
    struct error e;
    struct spool *s = open_spool(10000);
    uint8_t more[200] = {0};
    push_group(s, 1, 7900);
    ck_assert_int_eq(spool_level(s), SPOOL_OK);
    push_group(s, 2, 200);
    ck_assert_int_eq(spool_level(s), SPOOL_HIGH);
    push_group(s, 3, 1800);
    ck_assert_int_eq(spool_level(s), SPOOL_FULL);
    ck_assert_int_eq(spool_push(s, more, sizeof more, 1, NULL, NULL), ERR_LIMIT);
    ck_assert_int_eq(spool_delete(s, 2, 3600 * 1000, &e), ERR_OK); /* shipped is room, kept or not */
    ck_assert_int_eq(spool_level(s), SPOOL_OK);
    spool_close(s);
    s = open_spool(10000); /* what was shipped is not known any more */
    ck_assert_int_eq(spool_level(s), SPOOL_FULL);
    ck_assert_int_eq(spool_delete(s, 3, 0, &e), ERR_OK);
    ck_assert_int_eq(spool_level(s), SPOOL_OK);
    spool_close(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_repair");
    TCase *c = tcase_create("spool_repair");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, damage_while_it_is_open_is_repaired_under_the_same_identity);
    tcase_add_test(c, damage_met_by_the_writer_is_repaired_before_it_answers);
    tcase_add_test(c, only_the_newest_damaged_files_are_kept);
    tcase_add_test(c, a_file_of_format_1_is_upgraded_and_keeps_its_identity);
    tcase_add_test(c, a_great_drain_gives_the_room_back);
    tcase_add_test(c, the_level_says_how_full_it_is);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
