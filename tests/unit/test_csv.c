/* CSV as it comes: quotes, line ends, marks, gzip, and rows that are broken. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cohortctl/csv.h"

static char path[] = "/tmp/cohort-csv.XXXXXX";

static struct csv *csv_of(const char *bytes, size_t len)
{
    struct csv *c = NULL;
    struct error e;
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
    ck_assert_int_eq(csv_open(&c, path, &e), 0);
    return c;
}

/* Every row as "line:field|field;", a broken one as "line N: reason;". */
static void expect(const char *text, const char *want)
{
    char got[4096] = "";
    struct csv *c = csv_of(text, strlen(text));
    struct csv_row row;
    struct error e;
    int rc;
    while ((rc = csv_next(c, &row, &e)) != 0) {
        size_t n = strlen(got);
        if (rc < 0) {
            ck_assert_int_eq(rc, ERR_INVALID);
            snprintf(got + n, sizeof got - n, "%s: %s;", e.place, e.text);
            continue;
        }
        n += (size_t)snprintf(got + n, sizeof got - n, "%zu:", row.line);
        for (size_t i = 0; i < row.n; i++)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%s", i ? "|" : "", row.fields[i]);
        snprintf(got + n, sizeof got - n, ";");
    }
    csv_close(c);
    ck_assert_str_eq(got, want);
}

START_TEST(rows_of_every_shape)
{
    expect("", "");
    expect("a,b\n1,2\n", "1:a|b;2:1|2;");
    expect("a,b\r\n1,2", "1:a|b;2:1|2;");
    expect("\xEF\xBB\xBF"
           "a\n1\n",
           "1:a;2:1;");
    expect("a,,\n,\n", "1:a||;2:|;");
    expect("a\n\n\r\nb\n", "1:a;4:b;");
    expect("a\n\"\"\nb\n", "1:a;2:;3:b;");
    expect("a b, c\t\n", "1:a b| c\t;");
    expect("a\rb\n", "1:a\rb;");
}
END_TEST

START_TEST(quotes_hold_anything)
{
    expect("\"a,b\",\"c\"\"d\"\n", "1:a,b|c\"d;");
    expect("\"a\nb\r\nc\",d\ne\n", "1:a\nb\r\nc|d;4:e;");
    expect("\"\"\"\",\"\"\n", "1:\"|;");
}
END_TEST

START_TEST(broken_rows_are_told_and_left_behind)
{
    expect(
        "a\n\"b\"c,d\ne\n",
        "1:a;line 2: has text behind a closing quote; a quote inside a quoted field is written twice;3:e;");
    expect("a\nb\"c\ne\n",
           "1:a;line 2: has a quote inside an unquoted field; quote the whole field and double the "
           "quote;3:e;");
    expect("a\n\"b\nc\n", "1:a;line 2: opens a quote that is never closed;");
    expect("a\n\xFF\nb\n", "1:a;line 2: is not valid UTF-8;3:b;");
}
END_TEST

START_TEST(a_nul_is_refused)
{
    struct csv *c = csv_of("a\0b\nc\n", 6);
    struct csv_row row;
    struct error e;
    ck_assert_int_eq(csv_next(c, &row, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "holds a NUL byte");
    ck_assert_int_eq(csv_next(c, &row, &e), 1);
    ck_assert_str_eq(row.fields[0], "c");
    csv_close(c);
}
END_TEST

START_TEST(a_row_without_end_is_refused)
{
    size_t n = CSV_ROW_MAX * 2;
    char *text = malloc(n);
    ck_assert_ptr_nonnull(text);
    memset(text, 'x', n);
    text[0] = '"';
    struct csv *c = csv_of(text, n);
    struct csv_row row;
    struct error e;
    ck_assert_int_eq(csv_next(c, &row, &e), ERR_INVALID);
    ck_assert_int_eq(csv_next(c, &row, &e), 0);
    csv_close(c);
    free(text);
}
END_TEST

/* 200,000 rows, more than one read of the file. */
static void write_gzip(void)
{
    gzFile f = gzopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 200000; i++)
        ck_assert_int_gt(gzprintf(f, "%d,\"row\r\n%d\"\r\n", i, i), 0);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

START_TEST(gzip_is_read)
{
    struct csv *c = NULL;
    struct csv_row row;
    struct error e;
    size_t n = 0;
    write_gzip();
    ck_assert_int_eq(csv_open(&c, path, &e), 0);
    while (csv_next(c, &row, &e) == 1) {
        ck_assert_uint_eq(row.n, 2);
        ck_assert_uint_eq(strtoul(row.fields[0], NULL, 10), n);
        ck_assert_uint_eq(row.line, 2 * n + 1);
        n++;
    }
    ck_assert_uint_eq(n, 200000);
    csv_close(c);
}
END_TEST

START_TEST(a_cut_gzip_file_is_an_error)
{
    struct csv *c = NULL;
    struct csv_row row;
    struct error e;
    int rc;
    write_gzip();
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    ck_assert_int_eq(ftruncate(fileno(f), ftell(f) / 2), 0);
    fclose(f);
    ck_assert_int_eq(csv_open(&c, path, &e), 0);
    while ((rc = csv_next(c, &row, &e)) == 1)
        ;
    ck_assert_int_eq(rc, ERR_IO);
    csv_close(c);
}
END_TEST

START_TEST(a_missing_file_is_an_error)
{
    struct csv *c = NULL;
    struct error e;
    ck_assert_int_eq(csv_open(&c, "/nonexistent/file.csv", &e), ERR_IO);
    ck_assert_str_eq(e.text, "No such file or directory");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("csv");
    TCase *c = tcase_create("csv");
    close(mkstemp(path));
    tcase_set_timeout(c, 60);
    tcase_add_test(c, rows_of_every_shape);
    tcase_add_test(c, quotes_hold_anything);
    tcase_add_test(c, broken_rows_are_told_and_left_behind);
    tcase_add_test(c, a_nul_is_refused);
    tcase_add_test(c, a_row_without_end_is_refused);
    tcase_add_test(c, gzip_is_read);
    tcase_add_test(c, a_cut_gzip_file_is_an_error);
    tcase_add_test(c, a_missing_file_is_an_error);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(path);
    return failed != 0;
}
