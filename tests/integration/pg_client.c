/* What pg.c makes of a real server's errors, and that a blocked call can be interrupted. */
#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/pg.h"

static struct pg *open_it(int statement_ms)
{
    struct pg *p = NULL;
    struct pg_error e;
    int code = pg_open(&p, getenv("DSN"), "pg_client test", statement_ms, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.error.text);
    return p;
}

static int run(struct pg *p, const char *sql, struct pg_error *e)
{
    return pg_exec(p, sql, 0, NULL, NULL, e);
}

static void check_value(struct pg *p, const char *sql, const char *want)
{
    PGresult *res;
    struct pg_error e;
    ck_assert_msg(pg_exec(p, sql, 0, NULL, &res, &e) == ERR_OK, "%s", e.error.text);
    ck_assert_str_eq(PQgetvalue(res, 0, 0), want);
    PQclear(res);
}

START_TEST(a_session_is_set_up)
{
    struct pg *p = open_it(1234);
    check_value(p, "show timezone", "UTC");
    check_value(p, "show search_path", "cohort, public");
    check_value(p, "show statement_timeout", "1234ms");
    check_value(p, "show lock_timeout", "1234ms");
    check_value(p, "show client_encoding", "UTF8");
    check_value(p, "show application_name", "pg_client test");
    pg_close(p);
}
END_TEST

START_TEST(no_server_is_unavailable_and_leaves_nothing)
{
    struct pg *p = NULL;
    struct pg_error e;
    ck_assert_int_eq(pg_open(&p, "host=/nowhere/at/all", "test", 0, &e), ERR_UNAVAILABLE);
    ck_assert_ptr_null(p);
    ck_assert_ptr_nonnull(strstr(e.error.text, "/nowhere/at/all"));
    ck_assert_ptr_null(strchr(e.error.text, '\n'));
    ck_assert_int_eq(pg_open(&p, "no=such keyword", "test", 0, &e), ERR_UNAVAILABLE);
    ck_assert_ptr_null(p);
}
END_TEST

/* A server that lets in who asks, and then says nothing more (a host that stops at the worst moment). With
 * `silent`, it says nothing at all. */
struct mute {
    int fd;
    bool silent;
};

static void *mute_server(void *arg)
{
    const struct mute *m = arg;
    static const char welcome[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'};
    char ignored[1024];
    int fd = accept(m->fd, NULL, NULL);
    if (fd >= 0 && !m->silent && read(fd, ignored, sizeof ignored) > 0 &&
        write(fd, welcome, sizeof welcome) < 0)
        abort();
    while (fd >= 0 && read(fd, ignored, sizeof ignored) > 0)
        continue;
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* After a few seconds; on a machine that halts, after more. */
static void check_mute(bool silent)
{
    char dir[] = "/tmp/cohort-mute.XXXXXX", conninfo[128];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct mute m = {socket(AF_UNIX, SOCK_STREAM, 0), silent};
    struct pg *p = NULL;
    struct pg_error e;
    pthread_t t;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", dir);
    snprintf(conninfo, sizeof conninfo, "host=%s dbname=d user=u sslmode=disable gssencmode=disable", dir);
    ck_assert_int_eq(bind(m.fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(m.fd, 1), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, mute_server, &m), 0);
    int64_t start = clock_monotonic_us();
    ck_assert_int_eq(pg_open(&p, conninfo, "test", 1000, &e), ERR_UNAVAILABLE);
    int64_t ms = (clock_monotonic_us() - start) / 1000;
    ck_assert_msg(ms < 60000, "%lld ms", (long long)ms);
    ck_assert_ptr_null(p);
    pthread_join(t, NULL);
    close(m.fd);
    unlink(address.sun_path);
    rmdir(dir);
}

START_TEST(a_server_that_says_nothing_is_given_up)
{
    check_mute(true);
    check_mute(false);
}
END_TEST

START_TEST(errors_say_what_the_caller_can_do)
{
    static const struct {
        const char *sql;
        int code;
        const char *sqlstate, *constraint;
    } cases[] = {
        {"insert into t values (1, 1)", ERR_INVALID, "23505", "t_once"},
        {"insert into t values (2, -1)", ERR_INVALID, "23514", "t_positive"},
        {"select 'x'::jsonb", ERR_INVALID, "22P02", ""},
        {"do $$ begin raise exception 'no' using constraint = 'a_rule', hint = 'do so'; end $$", ERR_INVALID,
         "P0001", "a_rule"},
        {"do $$ begin raise exception 'no' using errcode = 'CO001'; end $$", ERR_INVALID, "CO001", ""},
        {"select * from nothing_here", ERR_IO, "42P01", ""},
        {"do $$ begin raise exception 'no' using errcode = '42501'; end $$", ERR_STATE, "42501", ""},
        {"do $$ begin raise exception 'no' using errcode = '40001'; end $$", ERR_UNAVAILABLE, "40001", ""},
        {"do $$ begin raise exception 'no' using errcode = '53100'; end $$", ERR_UNAVAILABLE, "53100", ""},
        {"do $$ begin raise exception 'no' using errcode = '55P03'; end $$", ERR_UNAVAILABLE, "55P03", ""},
        {"set statement_timeout = 20; select pg_sleep(60)", ERR_UNAVAILABLE, "57014", ""},
    };
    struct pg *p = open_it(0);
    struct pg_error e;
    ck_assert_int_eq(run(p,
                         "create temp table t(a int constraint t_once unique, b int constraint t_positive "
                         "check (b > 0)); insert into t values (1, 1)",
                         &e),
                     ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        PGresult *res = (PGresult *)p;
        ck_assert_int_eq(pg_exec(p, cases[i].sql, 0, NULL, &res, &e), cases[i].code);
        ck_assert_ptr_null(res);
        ck_assert_str_eq(e.sqlstate, cases[i].sqlstate);
        ck_assert_str_eq(e.constraint, cases[i].constraint);
        ck_assert_uint_gt(strlen(e.error.text), 0);
        ck_assert(pg_alive(p));
    }
    ck_assert_int_eq(run(p, "insert into t values (1, 1)", &e), ERR_INVALID);
    ck_assert_str_eq(e.detail, "Key (a)=(1) already exists.");
    ck_assert_int_eq(run(p, "do $$ begin raise exception 'no' using hint = 'do so'; end $$", &e),
                     ERR_INVALID);
    ck_assert_str_eq(e.error.text, "no");
    ck_assert_str_eq(e.hint, "do so");
    pg_close(p);
}
END_TEST

START_TEST(parameters_and_nulls)
{
    struct pg *p = open_it(0);
    struct pg_error e;
    const char *const params[] = {"a'b", NULL};
    PGresult *res;
    ck_assert_int_eq(pg_exec(p, "select $1 || '!', $2::text is null", 2, params, &res, &e), ERR_OK);
    ck_assert_str_eq(PQgetvalue(res, 0, 0), "a'b!");
    ck_assert_str_eq(PQgetvalue(res, 0, 1), "t");
    PQclear(res);
    pg_close(p);
}
END_TEST

START_TEST(a_long_text_is_cut_at_a_character)
{
    struct pg *p = open_it(0);
    struct pg_error e;
    ck_assert_int_eq(
        run(p, "do $$ begin raise exception 'x' using detail = 'a' || repeat('\u00e9', 2000); end $$", &e),
        ERR_INVALID);
    size_t n = strlen(e.detail);
    ck_assert_uint_eq(n % 2, 1);
    ck_assert_uint_gt(n, 700);
    pg_close(p);
}
END_TEST

START_TEST(a_lost_connection_is_noticed)
{
    struct pg *p = open_it(0), *other = open_it(0);
    struct pg_error e;
    char sql[64];
    snprintf(sql, sizeof sql, "select pg_terminate_backend(%d, 10000)", PQbackendPID(pg_conn(p)));
    ck_assert_int_eq(run(other, sql, &e), ERR_OK);
    ck_assert_int_eq(run(p, "select 1", &e), ERR_UNAVAILABLE);
    ck_assert(!pg_alive(p));
    pg_close(p);
    pg_close(other);
}
END_TEST

static void *interrupt_when_asleep(void *arg)
{
    struct pg *p = arg, *other = open_it(0);
    struct pg_error e;
    PGresult *res = NULL;
    int64_t until = clock_monotonic_us() + 30 * 1000000;
    bool asleep = false;
    while (!asleep && clock_monotonic_us() < until) {
        ck_assert_int_eq(pg_exec(other, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'",
                                 0, NULL, &res, &e),
                         ERR_OK);
        asleep = strcmp(PQgetvalue(res, 0, 0), "0") != 0;
        PQclear(res);
    }
    pg_interrupt(p);
    /* The server is told as well: nothing of it goes on. */
    while (asleep && clock_monotonic_us() < until) {
        ck_assert_int_eq(pg_exec(other, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'",
                                 0, NULL, &res, &e),
                         ERR_OK);
        asleep = strcmp(PQgetvalue(res, 0, 0), "0") != 0;
        PQclear(res);
    }
    pg_close(other);
    return asleep ? p : NULL;
}

START_TEST(a_blocked_call_can_be_interrupted)
{
    struct pg *p = open_it(0);
    struct pg_error e;
    pthread_t t;
    void *still_asleep;
    ck_assert_int_eq(pthread_create(&t, NULL, interrupt_when_asleep, p), 0);
    int64_t begin = clock_monotonic_us();
    ck_assert_int_eq(run(p, "select pg_sleep(300)", &e), ERR_UNAVAILABLE);
    ck_assert_int_lt(clock_monotonic_us() - begin, 60 * 1000000);
    ck_assert(!pg_alive(p));
    pthread_join(t, &still_asleep);
    ck_assert_ptr_null(still_asleep);
    pg_interrupt(p); /* once more is harmless */
    pg_close(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pg");
    TCase *c = tcase_create("pg");
    tcase_set_timeout(c, 300);
    tcase_add_test(c, a_session_is_set_up);
    tcase_add_test(c, no_server_is_unavailable_and_leaves_nothing);
    tcase_add_test(c, a_server_that_says_nothing_is_given_up);
    tcase_add_test(c, errors_say_what_the_caller_can_do);
    tcase_add_test(c, parameters_and_nulls);
    tcase_add_test(c, a_long_text_is_cut_at_a_character);
    tcase_add_test(c, a_lost_connection_is_noticed);
    tcase_add_test(c, a_blocked_call_can_be_interrupted);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
