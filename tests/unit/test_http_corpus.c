/* Raw requests against a real server: each class of mistake and trick of tests/vectors/http_corpus.txt, what
 * is answered, and whether anything behind it was taken for a request. Each row is sent whole, byte by byte,
 * and cut in two at every byte; the answers must be the same. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http_bed.h"
#include "http_corpus.h"

#define AFTER "GET /after HTTP/1.1\r\nHost: h\r\n\r\n"
#define AFTER_ECHO "GET /after? [] 0"
#define AT_ONCE 64 /* clients */
#define MAX_CLASSES 32
#define TLS_STEP 83 /* a handshake costs more than a request */

static struct corpus corpus;
static struct {
    const char *name;
    size_t from, to, splits;
} classes[MAX_CLASSES];
static int n_classes;

/* Rows of one class stand together in the file. */
static void find_classes(void)
{
    for (size_t i = 0; i < corpus.n; i++) {
        const struct corpus_row *r = &corpus.rows[i];
        if (n_classes == 0 || strcmp(classes[n_classes - 1].name, r->class) != 0) {
            if (n_classes == MAX_CLASSES)
                abort();
            classes[n_classes].name = r->class;
            classes[n_classes++].from = i;
        }
        classes[n_classes - 1].to = i + 1;
        classes[n_classes - 1].splits += r->len + 1;
    }
}

static void print_classes(void)
{
    size_t splits = 0;
    printf("%-20s %6s %8s\n", "class", "cases", "sendings");
    for (int i = 0; i < n_classes; i++) {
        printf("%-20s %6zu %8zu\n", classes[i].name, classes[i].to - classes[i].from, classes[i].splits);
        splits += classes[i].splits;
    }
    printf("%-20s %6zu %8zu\n", "all", corpus.n, splits);
    fflush(stdout);
}

/* What is due from a client: the row's statuses, then the answer to AFTER. */
static const struct corpus_status *expected(const struct corpus_row *r, unsigned i)
{
    static const struct corpus_status after = {200, false, false};
    if (i < r->n_statuses)
        return &r->statuses[i];
    return i == r->n_statuses && r->keep ? &after : NULL;
}

/* True when the answers so far are all that are due. got: their statuses in words; last: the last of them. */
static bool compare(const struct client *c, const struct corpus_row *r, char *got, size_t cap,
                    struct answer *last)
{
    size_t at = 0, n = 0;
    bool same = true;
    unsigned i = 0;
    got[0] = '\0';
    for (;; i++) {
        const struct corpus_status *want = expected(r, i);
        const struct corpus_status *next = want && want->optional ? expected(r, i + 1) : want;
        if (!answer_next(c, &at, next && next->bare, last))
            break;
        if (want != next && want->status != last->status) {
            want = next;
            i++;
        }
        same = same && want && want->status == last->status;
        n += (size_t)snprintf(got + n, cap - n, "%s%d", n ? " " : "", last->status);
        ck_assert_uint_lt(n, cap);
    }
    return same && at == c->in.len && !expected(r, i);
}

static void check_answers(struct client *c, const struct corpus_row *r, const char *how, size_t cut)
{
    char got[256];
    struct answer last = {0};
    bool same;
    while (!(same = compare(c, r, got, sizeof got, &last)) && !c->eof)
        bed_turn(c->bed);
    if (!r->keep) {
        client_wait_eof(c);
        same = compare(c, r, got, sizeof got, &last);
    }
    ck_assert_msg(same, "http_corpus.txt:%u, %s %zu: got \"%s\"", r->line, how, cut, got);
    ck_assert_msg(!c->reset, "http_corpus.txt:%u, %s %zu: the connection was reset", r->line, how, cut);
    if (r->keep) {
        ck_assert_msg(last.body_len == strlen(AFTER_ECHO) &&
                          memcmp(last.body, AFTER_ECHO, last.body_len) == 0,
                      "http_corpus.txt:%u, %s %zu: behind it was read: %.*s", r->line, how, cut,
                      (int)last.body_len, last.body);
    } else if (last.status >= 400) {
        ck_assert(answer_has(&last, "Connection: close"));
        ck_assert(answer_has(&last, "Content-Type: application/problem+json"));
        if (!r->statuses[r->n_statuses - 1].bare)
            ck_assert_ptr_nonnull(memmem(last.body, last.body_len, "\"detail\":", 9));
    }
}

/* Requests that handlers must have seen of each sending of this row. */
static unsigned handled(const struct corpus_row *r)
{
    unsigned n = r->keep;
    for (unsigned i = 0; i < r->n_statuses; i++)
        n += r->statuses[i].status == 200;
    return n;
}

/* Sends the row and AFTER in two pieces, cut at from, from + 1, … to - 1, each on a connection of its own; at
 * 0 it is whole. */
static void run_cuts(struct bed *b, const struct corpus_row *r, size_t from, size_t to)
{
    static struct client c[AT_ONCE];
    unsigned before = b->handled;
    b->started_us = clock_monotonic_us();
    for (size_t cut = from; cut < to; cut++) {
        client_open(&c[cut - from], b);
        client_send(&c[cut - from], r->text, cut);
    }
    bed_settle(b);
    for (size_t cut = from; cut < to; cut++) {
        client_send(&c[cut - from], r->text + cut, r->len - cut);
        client_say(&c[cut - from], AFTER);
    }
    for (size_t cut = from; cut < to; cut++)
        check_answers(&c[cut - from], r, "cut", cut);
    ck_assert_msg(b->handled - before == handled(r) * (to - from),
                  "http_corpus.txt:%u: handlers saw %u requests of %zu sendings", r->line,
                  b->handled - before, to - from);
    for (size_t cut = from; cut < to; cut++)
        client_close(&c[cut - from]);
}

START_TEST(whole_and_cut_anywhere)
{
    struct bed b;
    bed_start(&b, NULL);
    for (size_t i = classes[_i].from; i < classes[_i].to; i++)
        for (size_t cut = 0; cut < corpus.rows[i].len; cut += AT_ONCE)
            run_cuts(&b, &corpus.rows[i], cut,
                     cut + AT_ONCE < corpus.rows[i].len ? cut + AT_ONCE : corpus.rows[i].len);
    ck_assert_uint_eq(b.smuggled, 0);
    bed_stop(&b);
}
END_TEST

/* All rows of a class in step, a byte each. */
static void send_by_bytes(int class)
{
    size_t from = classes[class].from, n = classes[class].to - from, longest = 0;
    struct client *c = calloc(n, sizeof *c);
    struct bed b;
    bed_start(&b, NULL);
    for (size_t i = 0; i < n; i++) {
        client_open(&c[i], &b);
        longest = corpus.rows[from + i].len > longest ? corpus.rows[from + i].len : longest;
    }
    for (size_t at = 0; at < longest; at++) {
        for (size_t i = 0; i < n; i++)
            if (at < corpus.rows[from + i].len)
                client_send(&c[i], corpus.rows[from + i].text + at, 1);
        bed_settle(&b);
    }
    for (size_t i = 0; i < n; i++) {
        client_say(&c[i], AFTER);
        check_answers(&c[i], &corpus.rows[from + i], "bytes", 1);
        client_close(&c[i]);
    }
    ck_assert_uint_eq(b.smuggled, 0);
    free(c);
    bed_stop(&b);
}

START_TEST(by_bytes)
{
    send_by_bytes(_i);
}
END_TEST

/* Every row as it is, and cut in two at a few places. */
START_TEST(over_tls)
{
    struct bed b;
    bed_over_tls = true;
    bed_start(&b, NULL);
    for (size_t i = classes[_i].from; i < classes[_i].to; i++)
        for (size_t cut = 0; cut < corpus.rows[i].len; cut += TLS_STEP)
            run_cuts(&b, &corpus.rows[i], cut, cut + 1);
    ck_assert_uint_eq(b.smuggled, 0);
    bed_stop(&b);
}
END_TEST

START_TEST(bytes_over_tls)
{
    bed_over_tls = true;
    send_by_bytes(_i);
}
END_TEST

int main(void)
{
    corpus_load(&corpus);
    find_classes();
    print_classes();
    Suite *s = suite_create("http corpus");
    TCase *t = tcase_create("corpus");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, whole_and_cut_anywhere, 0, n_classes);
    tcase_add_loop_test(t, by_bytes, 0, n_classes);
    tcase_add_loop_test(t, over_tls, 0, n_classes);
    tcase_add_loop_test(t, bytes_over_tls, 0, n_classes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    corpus_free(&corpus);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
