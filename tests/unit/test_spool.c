/* The spool keeps what it acknowledged, in order, refuses what it can't keep, and notices damage. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "spool/spool.h"

static char dir[64], path[96];

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/cohort-spool.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/spool.db", dir);
}

static void remove_file(const char *suffix)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    unlink(name);
}

static void tear_down(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir); /* a damaged file is kept under a name of its own */
    ck_assert_int_eq(system(command), 0);
}

static struct spool *open_spool(uint64_t max_bytes)
{
    struct spool_options o = {path, max_bytes, 500, 4096};
    struct spool *s = NULL;
    struct error e;
    int code = spool_open(&s, &o, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
    return s;
}

/* Waits for completions and checks that they come in the order of the pushes. */
struct results {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, failed, last_code;
    char last_text[768];
    bool in_order;
};

struct ticket {
    struct results *to;
    int number;
};

static void on_done(void *arg, int code, const struct error *e)
{
    struct ticket *t = arg;
    pthread_mutex_lock(&t->to->lock);
    if (t->number != t->to->done + t->to->failed)
        t->to->in_order = false;
    if (code == ERR_OK)
        t->to->done++;
    else
        t->to->failed++;
    t->to->last_code = code;
    snprintf(t->to->last_text, sizeof t->to->last_text, "%s", e->text);
    pthread_cond_broadcast(&t->to->changed);
    pthread_mutex_unlock(&t->to->lock);
    free(t);
}

static void results_init(struct results *r)
{
    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->in_order = true;
}

static void results_wait(struct results *r, int n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&r->lock);
    while (r->done + r->failed < n)
        ck_assert_int_eq(pthread_cond_timedwait(&r->changed, &r->lock, &until), 0);
    ck_assert(r->in_order);
    pthread_mutex_unlock(&r->lock);
}

static int push_bytes(struct spool *s, struct results *r, int number, const void *p, size_t n)
{
    struct ticket *t = malloc(sizeof *t);
    *t = (struct ticket){r, number};
    int code = spool_push(s, p, n, 1, on_done, t);
    if (code != ERR_OK)
        free(t);
    return code;
}

/* Pushes n texts, each waited for, so that each is a group of its own. */
static void push_groups(struct spool *s, int from, int n)
{
    struct results r;
    results_init(&r);
    for (int i = 0; i < n; i++) {
        char text[64];
        int len = snprintf(text, sizeof text, "record %06d;", from + i);
        ck_assert_int_eq(push_bytes(s, &r, i, text, (size_t)len), ERR_OK);
        results_wait(&r, i + 1);
    }
    ck_assert_int_eq(r.failed, 0);
}

static struct spool_groups read_all(struct spool *s, uint64_t after)
{
    struct spool_groups g;
    struct error e;
    int code = spool_read(s, after, 1 << 20, 0, &g, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
    return g;
}

static void check_text(const struct spool_groups *g, int from, int n)
{
    ck_assert_uint_eq(g->len, (size_t)n * 14);
    for (int i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "record %06d;", from + i);
        ck_assert(memcmp(g->bytes + (size_t)i * 14, text, 14) == 0);
    }
}

START_TEST(groups_come_back_in_order)
{
    struct spool *s = open_spool(1 << 20);
    push_groups(s, 0, 5);
    struct spool_groups g = read_all(s, 0);
    ck_assert_uint_eq(g.first, 1);
    ck_assert_uint_eq(g.last, 5);
    ck_assert_uint_eq(g.n_records, 5);
    check_text(&g, 0, 5);
    spool_groups_free(&g);
    struct error e;
    ck_assert_int_eq(spool_read(s, 2, 1, 0, &g, &e), ERR_OK); /* at least one group, however small max is */
    ck_assert_uint_eq(g.first, 3);
    ck_assert_uint_eq(g.last, 3);
    spool_groups_free(&g);
    ck_assert_int_eq(spool_read(s, 0, 300, 0, &g, &e), ERR_OK); /* a small record weighs 128 bytes */
    ck_assert_uint_eq(g.last, 3);
    ck_assert_uint_eq(g.weight, 3 * SPOOL_RECORD);
    spool_groups_free(&g);
    g = read_all(s, 5);
    ck_assert_uint_eq(g.first, 0);
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_eq(st.groups, 5);
    ck_assert_uint_eq(st.bytes, 70);
    ck_assert_uint_eq(st.commits, 5);
    ck_assert_uint_eq(st.pushed_records, 5);
    spool_close(s);
}
END_TEST

START_TEST(a_crowd_of_pushes_shares_commits)
{
    struct spool *s = open_spool(1 << 20);
    struct results r;
    results_init(&r);
    char text[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "record %06d;", i);
        ck_assert_int_eq(push_bytes(s, &r, i, text, 14), ERR_OK);
    }
    results_wait(&r, 2000);
    struct spool_groups g = read_all(s, 0);
    check_text(&g, 0, 2000);
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_lt(st.commits, 1000);
    ck_assert_uint_eq(g.last, st.commits);
    spool_groups_free(&g);
    spool_close(s);
}
END_TEST

START_TEST(closing_commits_what_was_pushed)
{
    struct spool *s = open_spool(1 << 20);
    for (int i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof text, "record %06d;", i);
        ck_assert_int_eq(spool_push(s, (uint8_t *)text, 14, 1, NULL, NULL), ERR_OK);
    }
    spool_close(s);
    s = open_spool(1 << 20);
    struct spool_groups g = read_all(s, 0);
    check_text(&g, 0, 100);
    spool_groups_free(&g);
    spool_close(s);
}
END_TEST

START_TEST(numbers_and_identity_survive_deletion_and_reopening)
{
    uint8_t id[16], again[16];
    struct error e;
    struct spool *s = open_spool(1 << 20);
    spool_id(s, id);
    push_groups(s, 0, 3);
    ck_assert_int_eq(spool_delete(s, 3, 0, &e), ERR_OK);
    spool_close(s);
    s = open_spool(1 << 20);
    spool_id(s, again);
    ck_assert_mem_eq(id, again, 16);
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_eq(st.groups, 0);
    push_groups(s, 7, 1);
    struct spool_groups g = read_all(s, 0);
    ck_assert_uint_eq(g.first, 4);
    check_text(&g, 7, 1);
    spool_groups_free(&g);
    spool_close(s);
}
END_TEST

START_TEST(a_copied_file_is_another_spool)
{
    uint8_t id[16], again[16];
    char command[512];
    struct spool *s = open_spool(1 << 20);
    spool_id(s, id);
    push_groups(s, 0, 1);
    spool_close(s);
    snprintf(command, sizeof command, "cp %s %s.copy && mv %s.copy %s", path, path, path, path);
    ck_assert_int_eq(system(command), 0);
    s = open_spool(1 << 20);
    spool_id(s, again);
    ck_assert(memcmp(id, again, 16) != 0);
    struct spool_groups g = read_all(s, 0);
    check_text(&g, 0, 1);
    spool_groups_free(&g);
    spool_close(s);
}
END_TEST

START_TEST(one_process_at_a_time)
{
    struct spool *s = open_spool(1 << 20), *second = NULL;
    struct spool_options o = {path, 1 << 20, 500, 4096};
    struct error e;
    ck_assert_int_eq(spool_open(&second, &o, &e), ERR_STATE);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(e.text, path));
    ck_assert_ptr_nonnull(strstr(e.text, "open in another process"));
    spool_close(s);
    s = open_spool(1 << 20);
    spool_close(s);
}
END_TEST

START_TEST(a_grace_keeps_shipped_groups_but_frees_their_room)
{
    struct spool *s = open_spool(100);
    struct results r;
    struct error e;
    uint8_t big[60] = {0};
    results_init(&r);
    ck_assert_int_eq(push_bytes(s, &r, 0, big, sizeof big), ERR_OK);
    results_wait(&r, 1);
    ck_assert_int_eq(push_bytes(s, &r, 1, big, sizeof big), ERR_LIMIT);
    ck_assert_int_eq(spool_delete(s, 1, 3600 * 1000, &e), ERR_OK);
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_eq(st.groups, 1);
    ck_assert_int_eq(push_bytes(s, &r, 1, big, sizeof big), ERR_OK);
    results_wait(&r, 2);
    ck_assert_int_eq(spool_delete(s, 1, 0, &e), ERR_OK);
    spool_stats(s, &st);
    ck_assert_uint_eq(st.groups, 1);
    ck_assert_uint_eq(st.bytes, 60);
    ck_assert_uint_eq(st.records, 1);
    spool_close(s);
}
END_TEST

static void alter(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, &why) == SQLITE_OK, "%s", why ? why : "");
    sqlite3_close(db);
}

static void check_damaged_second(const char *sql)
{
    set_up();
    struct spool *s = open_spool(1 << 20);
    push_groups(s, 0, 3);
    spool_close(s);
    alter(sql);
    s = open_spool(1 << 20);
    struct spool_groups g = read_all(s, 0);
    ck_assert_uint_eq(g.first, 1);
    ck_assert_uint_eq(g.last, 3);
    ck_assert_uint_eq(g.len, 28);
    ck_assert(memcmp(g.bytes + 14, "record 000002;", 14) == 0);
    spool_groups_free(&g);
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_eq(st.damaged, 1);
    ck_assert_uint_eq(st.groups, 2);
    ck_assert_uint_eq(st.bytes, 28);
    spool_close(s);
    s = open_spool(1 << 20);
    spool_stats(s, &st);
    ck_assert_uint_eq(st.damaged, 1);
    spool_close(s);
    tear_down();
}

START_TEST(a_damaged_group_is_set_aside)
{
    log_set_level(LOG_ERROR - 1);
    check_damaged_second(
        "update grp set data = cast(substr(data, 1, 40) || x'ff' || substr(data, 42) as blob) "
        "where number = 2");
    check_damaged_second("update grp set data = substr(data, 1, 44) where number = 2");
    check_damaged_second("update grp set data = x'00' where number = 2");
    check_damaged_second("update grp set data = (select data from grp where number = 1) where number = 2");
    log_set_level(LOG_INFO);
}
END_TEST

START_TEST(a_file_that_is_no_spool_is_refused_by_name)
{
    struct spool_options o = {path, 1 << 20, 500, 4096};
    struct spool *s = NULL;
    struct error e;
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    ck_assert_int_eq(spool_open(&s, &o, &e), ERR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(e.text, path));
    unlink(path);
    alter("create table t(a)");
    ck_assert_int_eq(spool_open(&s, &o, &e), ERR_DAMAGED);
    ck_assert_ptr_nonnull(strstr(e.text, "not a spool"));
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(a_newer_format_is_refused)
{
    struct spool_options o = {path, 1 << 20, 500, 4096};
    struct spool *s = open_spool(1 << 20);
    struct error e;
    spool_close(s);
    alter("pragma user_version = 3");
    ck_assert_int_eq(spool_open(&s, &o, &e), ERR_STATE);
    ck_assert_ptr_nonnull(strstr(e.text, "newer"));
}
END_TEST

START_TEST(no_directory_is_an_error_with_the_path)
{
    struct spool_options o = {"/nowhere/at/all/spool.db", 1 << 20, 500, 4096};
    struct spool *s = NULL;
    struct error e;
    ck_assert_int_eq(spool_open(&s, &o, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.text, "/nowhere/at/all/spool.db"));
}
END_TEST

/* A limit on the size of files is a full disk that needs no root. */
static void limit_files(rlim_t bytes)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

START_TEST(a_full_disk_fails_pushes_and_heals)
{
    static uint8_t big[200000];
    struct results r;
    results_init(&r);
    signal(SIGXFSZ, SIG_IGN);
    struct spool *s = open_spool(1 << 30);
    push_groups(s, 0, 1);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    limit_files(100000);
    ck_assert_int_eq(push_bytes(s, &r, 0, big, sizeof big), ERR_OK);
    results_wait(&r, 1);
    ck_assert_int_eq(r.failed, 1);
    ck_assert_int_eq(r.last_code, ERR_IO);
    ck_assert_msg(strstr(r.last_text, path) != NULL, "%s", r.last_text);
    limit_files(before.rlim_cur);
    push_groups(s, 1, 1);
    struct spool_groups g = read_all(s, 0);
    ck_assert_uint_eq(g.last, 2);
    check_text(&g, 0, 2);
    spool_groups_free(&g);
    struct spool_stats st;
    spool_stats(s, &st);
    ck_assert_uint_eq(st.failed_records, 1);
    spool_close(s);
}
END_TEST

START_TEST(waiting_bytes_are_bounded)
{
    struct spool *s = open_spool(1ull << 40);
    size_t n = (64 << 20) + 1;
    uint8_t *huge = calloc(1, n);
    ck_assert_int_eq(spool_push(s, huge, n, 1, NULL, NULL), ERR_LIMIT);
    free(huge);
    spool_close(s);
}
END_TEST

START_TEST(the_log_does_not_grow_for_ever)
{
    static uint8_t group[65536];
    struct results r;
    struct error e;
    struct stat st;
    char wal[128];
    results_init(&r);
    struct spool *s = open_spool(1ull << 40);
    for (int i = 0; i < 480; i++) {
        ck_assert_int_eq(push_bytes(s, &r, i, group, sizeof group), ERR_OK);
        results_wait(&r, i + 1);
        if (i % 16 == 15)
            ck_assert_int_eq(spool_delete(s, (uint64_t)i, 0, &e), ERR_OK);
    }
    snprintf(wal, sizeof wal, "%s-wal", path);
    ck_assert_int_eq(stat(wal, &st), 0);
    ck_assert_int_lt(st.st_size, 12 << 20);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(st.st_size, 12 << 20);
    spool_close(s);
}
END_TEST

static void *wake_it(void *arg)
{
    spool_wake(arg);
    return NULL;
}

START_TEST(a_read_waits_and_can_be_woken)
{
    struct spool *s = open_spool(1 << 20);
    struct spool_groups g;
    struct error e;
    pthread_t t;
    int64_t start = clock_monotonic_us();
    ck_assert_int_eq(spool_read(s, 0, 1000, 20, &g, &e), ERR_OK);
    ck_assert_int_ge(clock_monotonic_us() - start, 19000);
    ck_assert_int_eq(pthread_create(&t, NULL, wake_it, s), 0);
    ck_assert_int_eq(spool_read(s, 0, 1000, 60000, &g, &e), ERR_OK);
    ck_assert_uint_eq(g.first, 0);
    pthread_join(t, NULL);
    ck_assert_int_lt(clock_monotonic_us() - start, 30 * 1000000);
    spool_close(s);
}
END_TEST

static size_t load(uint8_t *to, size_t cap)
{
    FILE *f = fopen(path, "rb");
    size_t n = fread(to, 1, cap, f);
    fclose(f);
    return n;
}

static void store(const uint8_t *from, size_t n)
{
    remove_file("-wal");
    remove_file("-shm");
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(from, 1, n, f), n);
    fclose(f);
}

/* What comes out of a damaged file is either what went in, or reported. */
static void check_no_lie(void)
{
    struct spool_options o = {path, 1 << 20, 500, 4096};
    struct spool *s = NULL;
    struct error e;
    if (spool_open(&s, &o, &e) != ERR_OK) {
        ck_assert_ptr_nonnull(strstr(e.text, path));
        return;
    }
    struct spool_groups g;
    if (spool_read(s, 0, 1 << 20, 0, &g, &e) == ERR_OK) {
        ck_assert_uint_eq(g.len % 14, 0);
        for (size_t i = 0; i < g.len; i += 14) {
            char one[15] = "";
            int n = -1;
            memcpy(one, g.bytes + i, 14);
            ck_assert_int_eq(sscanf(one, "record %06d;", &n), 1);
            ck_assert(n >= 0 && n < 4);
        }
        spool_groups_free(&g);
    }
    spool_close(s);
}

START_TEST(no_flipped_bit_and_no_truncation_is_believed)
{
    static uint8_t whole[1 << 17];
    log_set_level(LOG_ERROR - 1);
    struct spool *s = open_spool(1 << 20);
    push_groups(s, 0, 4);
    spool_close(s);
    size_t n = load(whole, sizeof whole);
    ck_assert_uint_lt(n, sizeof whole);
    for (size_t bit = 0; bit < 8 * n; bit += 8 * 97 + 1) {
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
        store(whole, n);
        check_no_lie();
        whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut += 701) {
        store(whole, cut);
        check_no_lie();
    }
    log_set_level(LOG_INFO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool");
    TCase *c = tcase_create("spool");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, groups_come_back_in_order);
    tcase_add_test(c, a_crowd_of_pushes_shares_commits);
    tcase_add_test(c, closing_commits_what_was_pushed);
    tcase_add_test(c, numbers_and_identity_survive_deletion_and_reopening);
    tcase_add_test(c, a_copied_file_is_another_spool);
    tcase_add_test(c, one_process_at_a_time);
    tcase_add_test(c, a_grace_keeps_shipped_groups_but_frees_their_room);
    tcase_add_test(c, a_file_that_is_no_spool_is_refused_by_name);
    tcase_add_test(c, a_newer_format_is_refused);
    tcase_add_test(c, no_directory_is_an_error_with_the_path);
    tcase_add_test(c, a_full_disk_fails_pushes_and_heals);
    tcase_add_test(c, waiting_bytes_are_bounded);
    tcase_add_test(c, the_log_does_not_grow_for_ever);
    tcase_add_test(c, a_read_waits_and_can_be_woken);
    tcase_add_test(c, no_flipped_bit_and_no_truncation_is_believed);
    suite_add_tcase(suite, c);
    TCase *damage = tcase_create("damage");
    tcase_add_test(damage, a_damaged_group_is_set_aside);
    suite_add_tcase(suite, damage);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
