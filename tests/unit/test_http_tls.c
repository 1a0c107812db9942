/* TLS: what is spoken and what is not, files that can't be used, handshakes that take too long or fail, ends.
 */
#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_bed.h"
#include "http_bed_tls.h"
#include "suite.h"
#include "web/http_tls.h"
#include "web/openssl.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void setup(void)
{
    bed_over_tls = true;
}

/* A client that speaks something else, or says which protocols it speaks. */
static void open_as(struct client *c, struct bed *b, bool plain, const char *protocols)
{
    bed_over_tls = false;
    client_open(c, b);
    bed_over_tls = true;
    if (!plain)
        c->secure = bed_secure_new(c->fd, protocols);
}

static int64_t failed(const struct bed *b)
{
    return counter_get(&b->counters, tls_failed);
}

static void expect_protocol(struct bed *b, const char *offered, const char *chosen)
{
    struct client c;
    char text[128];
    open_as(&c, b, false, offered);
    client_ready(&c);
    bed_secure_describe(c.secure, text, sizeof text);
    ck_assert_msg(strncmp(text, "TLSv1.3 ", 8) == 0 && strstr(text, " x25519 "), "%s", text);
    ck_assert_str_eq(strrchr(text, ' ') + 1, chosen);
    client_say(&c, GET("/"));
    ck_assert_int_eq(answer_wait(&c, 0).status, 200);
    client_close(&c);
}

START_TEST(protocols)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    expect_protocol(&b, NULL, "");
    expect_protocol(&b, "\x02h2\x08http/1.1", "http/1.1");
    expect_protocol(&b, "\x08http/1.0", "http/1.0");
    open_as(&c, &b, false, "\x02h2");
    client_wait_eof(&c);
    ck_assert_int_eq(failed(&b), 1);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* Who speaks plain HTTP is told so; who speaks anything else is shown the door. */
START_TEST(not_tls)
{
    struct bed b;
    struct client c;
    static const char *const others[] = {"\x16\x03\x01junk that is no handshake", "SSH-2.0-x\r\n",
                                         "\n\n\n\n\n\n"};
    bed_start(&b, NULL);
    open_as(&c, &b, true, NULL);
    client_say(&c, GET("/smuggled") GET("/smuggled"));
    struct answer a = answer_wait(&c, 0);
    ck_assert_int_eq(a.status, 400);
    ck_assert(answer_has(&a, "Connection: close"));
    ck_assert_ptr_nonnull(memmem(a.body, a.body_len, "https://", 8));
    client_wait_eof(&c);
    ck_assert(!c.reset);
    ck_assert_uint_eq(answers(&c), 1);
    client_close(&c);
    for (int i = 0; i < 3; i++) {
        open_as(&c, &b, true, NULL);
        client_say(&c, others[i]);
        client_wait_eof(&c);
        client_close(&c);
    }
    ck_assert_int_eq(failed(&b), 4);
    ck_assert_uint_eq(b.handled, 0);
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    bed_stop(&b);
}
END_TEST

/* A handshake that does not come, stops halfway, or trickles has as long as a head. */
START_TEST(slow_handshakes)
{
    enum { N = 60 };
    static struct client c[N];
    struct http_options o;
    struct bed b;
    struct client good;
    http_options_default(&o);
    o.header_s = 1;
    bed_start(&b, &o);
    int64_t from = clock_monotonic_us();
    for (int i = 0; i < N; i++) {
        open_as(&c[i], &b, true, NULL);
        client_send(&c[i], "\x16\x03\x01\x02\x00\x01\x00\x01", (size_t)(i % 8));
    }
    client_open(&good, &b);
    client_say(&good, GET("/"));
    ck_assert_int_eq(answer_wait(&good, 0).status, 200);
    for (int i = 0; i < N; i++) {
        client_wait_eof(&c[i]);
        client_close(&c[i]);
    }
    int64_t took = clock_monotonic_us() - from;
    ck_assert_int_ge(took, 990000);
    ck_assert(!good.eof);
    client_close(&good);
    bed_stop(&b);
}
END_TEST

/* New connections get the new certificate, those that are there go on. */
START_TEST(another_certificate)
{
    struct bed b;
    struct client before, after;
    bed_start(&b, NULL);
    client_open(&before, &b);
    client_say(&before, GET("/"));
    answer_wait(&before, 0);
    struct http_tls *other = bed_tls();
    http_server_set_tls(b.server, other);
    http_tls_unref(other);
    client_open(&after, &b);
    client_say(&after, GET("/"));
    client_say(&before, GET("/"));
    ck_assert_int_eq(answer_wait(&after, 0).status, 200);
    ck_assert_int_eq(answer_wait(&before, 1).status, 200);
    unsigned char *keys[2];
    int n[2];
    n[0] = bed_secure_peer_key(before.secure, &keys[0]);
    n[1] = bed_secure_peer_key(after.secure, &keys[1]);
    ck_assert(n[0] > 0 && n[0] == n[1] && memcmp(keys[0], keys[1], (size_t)n[0]) != 0);
    OPENSSL_free(keys[0]);
    OPENSSL_free(keys[1]);
    client_close(&before);
    client_close(&after);
    bed_stop(&b);
}
END_TEST

/* A peer that does not read and asks for new keys again and again makes us hold no more than anyone else. */
START_TEST(key_updates)
{
    struct http_options o;
    struct bed b;
    struct client c;
    http_options_default(&o);
    o.write_s = 1;
    bed_start(&b, &o);
    b.reply_len = 20000000;
    client_open_small(&c, &b, 4096);
    client_ready(&c);
    client_pause(&c, true);
    client_say(&c, GET("/large"));
    BED_UNTIL(&b, b.handled == 1);
    for (int i = 0; i < 50 && http_server_connections(b.server) == 1; i++) {
        bed_secure_update_keys(c.secure);
        client_try(&c, "\r\n", 2);
        bed_settle(&b);
    }
    BED_UNTIL(&b, http_server_connections(b.server) == 0);
    client_close(&c);
    /* and one that reads is served as before */
    b.reply_len = 300000;
    client_open(&c, &b);
    client_ready(&c);
    bed_secure_update_keys(c.secure);
    client_say(&c, GET("/large"));
    ck_assert_uint_eq(answer_wait(&c, 0).body_len, 300000);
    client_close(&c);
    bed_stop(&b);
}
END_TEST

/* TLS 1.2 has forward secrecy and no renegotiation; nothing before it is spoken; nothing is ever resumed. */
START_TEST(old_versions)
{
    static const struct {
        int version;
        const char *ciphers;
        bool good;
    } rows[] = {{TLS1_2_VERSION, "ALL:@SECLEVEL=0", true},
                {TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
                {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", false},
                {TLS1_2_VERSION, "AES128-GCM-SHA256:@SECLEVEL=0", false},
                {TLS1_1_VERSION, "ALL:@SECLEVEL=0", false}};
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_as(&c, &b, true, NULL);
        c.secure = bed_secure_version(c.fd, rows[i].version, rows[i].ciphers);
        BED_UNTIL(&b, c.eof || bed_secure_open(c.secure));
        ck_assert_msg(!c.eof == rows[i].good, "row %zu", i);
        if (rows[i].good) {
            ck_assert(!bed_secure_resumable(c.secure));
            client_say(&c, GET("/"));
            ck_assert_int_eq(answer_wait(&c, 0).status, 200);
            bed_secure_renegotiate(c.secure);
            client_say(&c, GET("/"));
            client_wait_eof(&c);
            ck_assert_uint_eq(answers(&c), 1);
        }
        client_close(&c);
    }
    bed_stop(&b);
}
END_TEST

START_TEST(tickets)
{
    struct bed b;
    struct client c;
    bed_start(&b, NULL);
    client_open(&c, &b);
    client_say(&c, GET("/"));
    answer_wait(&c, 0);
    ck_assert(!bed_secure_resumable(c.secure));
    client_close(&c);
    bed_stop(&b);
}
END_TEST

static void expect_error(const char *cert, const char *key, const char *words)
{
    struct http_tls *t;
    struct error e;
    ck_assert_int_eq(http_tls_new(&t, cert, key, &e), ERR_INVALID);
    ck_assert_ptr_null(t);
    ck_assert_msg(strstr(e.text, words) != NULL, "\"%s\" lacks \"%s\"", e.text, words);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

/* Takes key over. phrase NULL: it is not encrypted. */
static void write_key(char path[64], EVP_PKEY *key, const char *phrase)
{
    strcpy(path, "/tmp/cohort-bed-XXXXXX");
    FILE *f = fdopen(mkstemp(path), "w");
    ck_assert(f && key);
    ck_assert_int_eq(
        PEM_write_PrivateKey(f, key, phrase ? EVP_aes_256_cbc() : NULL, NULL, 0, NULL, (void *)phrase), 1);
    fclose(f);
    EVP_PKEY_free(key);
}

/* Of sanitizers, which have an allocator of their own. */
size_t __sanitizer_get_current_allocated_bytes(void)
    __attribute__((weak)); /* NOLINT(bugprone-reserved-identifier) */

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                   : mallinfo2().uordblks;
}

/* A server that drains ends all its connections at once, and each waits for its peer's end. */
START_TEST(ended_ones_hold_no_buffers)
{
    enum { N = 20 };
    struct bed b;
    static struct client c[N];
    bed_start(&b, NULL);
    for (unsigned i = 0; i < N; i++) {
        client_open(&c[i], &b);
        for (unsigned n = 0; n < 2; n++) {
            client_say(&c[i], GET("/"));
            answer_wait(&c[i], n);
        }
    }
    size_t before = allocated();
    for (unsigned i = 0; i < N; i++) {
        client_say(&c[i], "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        client_wait_eof(&c[i]);
    }
    size_t after = allocated();
    ck_assert_uint_eq(http_server_connections(b.server), N);
    ck_assert_msg(after < before + (size_t)N * 2048, "%zu bytes each", (after - before) / N);
    for (unsigned i = 0; i < N; i++)
        client_close(&c[i]);
    bed_stop(&b);
}
END_TEST

START_TEST(files)
{
    char one[64], two[64], other[64], locked[64], junk[] = "/tmp/cohort-bed-XXXXXX";
    struct http_tls *t;
    struct error e;
    bed_make_certificate(one, 30);
    bed_make_certificate(two, -30);
    close(mkstemp(junk));
    write_key(other, EVP_RSA_gen(2048), NULL);
    write_key(locked, EVP_EC_gen("P-256"), "a passphrase");
    expect_error("/nonexistent/cert.pem", "", "tls_cert /nonexistent/cert.pem: No such file");
    expect_error("/tmp", "", "this is not a file");
    expect_error(junk, one, "there is no certificate in PEM form in it");
    expect_error(one, "/nonexistent/key.pem", "tls_key /nonexistent/key.pem: No such file");
    expect_error(one, junk, "there is no private key in PEM form in it");
    expect_error(one, two, "the key in it is not that of the certificate in /tmp/cohort-bed-");
    expect_error(one, other, "the key in it is not that of the certificate in /tmp/cohort-bed-");
    expect_error(one, locked, "the key in it has a passphrase");
    /* one that has expired is served all the same, with a warning */
    ck_assert_int_eq(http_tls_new(&t, two, "", &e), 0);
    ck_assert_int_lt(http_tls_expires(t), clock_wall_us() / 1000000);
    http_tls_unref(t);
    unlink(one);
    unlink(two);
    unlink(other);
    unlink(junk);
    unlink(locked);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tls");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, protocols);
    tcase_add_test(t, not_tls);
    tcase_add_test(t, slow_handshakes);
    tcase_add_test(t, another_certificate);
    tcase_add_test(t, key_updates);
    tcase_add_test(t, old_versions);
    tcase_add_test(t, tickets);
    tcase_add_test(t, ended_ones_hold_no_buffers);
    tcase_add_test(t, files);
    return run_case("http over TLS", t);
}
