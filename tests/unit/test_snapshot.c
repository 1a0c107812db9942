/* Snapshots never go back, and the newest three are kept. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "spool/snapshot.h"

static char dir[64];

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/cohort-snapshot.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static struct snapshots *open_it(void)
{
    struct snapshots *s = NULL;
    struct error e;
    int code = snapshots_open(&s, dir, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.text);
    return s;
}

static int save(struct snapshots *s, uint8_t database, int64_t version, int64_t stop_version)
{
    struct snapshot_info info = {.version = version, .stop_version = stop_version, .incarnation = {database}};
    struct error e;
    char text[32];
    int len = snprintf(text, sizeof text, "document %lld", (long long)version);
    int code = snapshots_save(s, &info, text, (size_t)len, &e);
    ck_assert(code == ERR_OK || strstr(e.text, dir));
    return code;
}

static void check_newest(struct snapshots *s, int64_t version)
{
    struct snapshot_info info;
    struct error e;
    char *document, want[32];
    size_t len;
    ck_assert_int_eq(snapshots_load(s, &info, &document, &len, &e), ERR_OK);
    snprintf(want, sizeof want, "document %lld", (long long)version);
    ck_assert_int_eq(info.version, version);
    ck_assert_str_eq(document, want);
    ck_assert_uint_eq(len, strlen(want));
    free(document);
}

static int count_files(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *entry; (entry = readdir(d));)
        n += strncmp(entry->d_name, "plan-", 5) == 0;
    closedir(d);
    return n;
}

START_TEST(a_save_never_goes_back)
{
    struct snapshots *s = open_it();
    ck_assert_int_eq(save(s, 1, 10, 5), ERR_OK);
    ck_assert_int_eq(save(s, 1, 11, 4), ERR_STATE); /* a stop would be unlearned */
    check_newest(s, 10);
    ck_assert_int_eq(save(s, 1, 9, 5), ERR_OK); /* definitions may be restored; stops are what counts */
    ck_assert_int_eq(save(s, 1, 12, 6), ERR_OK);
    snapshots_close(s);
    s = open_it();
    ck_assert_int_eq(save(s, 1, 13, 5), ERR_STATE); /* nor after a restart */
    check_newest(s, 12);
    ck_assert_int_eq(save(s, 2, 1, 0), ERR_OK); /* another database counts anew */
    check_newest(s, 1);
    snapshots_close(s);
}
END_TEST

START_TEST(three_are_kept)
{
    struct snapshots *s = open_it();
    for (int i = 1; i <= 7; i++) {
        ck_assert_int_eq(save(s, 1, i, i), ERR_OK);
        ck_assert_int_eq(count_files(), i < 3 ? i : 3);
    }
    check_newest(s, 7);
    snapshots_close(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *c = tcase_create("snapshot");
    log_set_level(LOG_ERROR - 1);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_save_never_goes_back);
    tcase_add_test(c, three_are_kept);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
