/* Addresses, what counts as one, and whose word is taken for one. */
#include <string.h>

#include "suite.h"
#include "web/http_address.h"

static struct http_address address(const char *text)
{
    struct http_address a;
    ck_assert_msg(http_address_parse(&a, text, strlen(text)), "%s", text);
    return a;
}

START_TEST(only_addresses)
{
    static const char *const bad[] = {
        "",         "1.2.3",   "1.2.3.4 ", "1.2.3.4:80", "[::1]", "::1%lo", "1.2.3.256", "0x7f.1",
        "01.2.3.4", "unknown", "_hidden",  "1.2.3.4/32", "1:2:3", "::1::",  "localhost", "1.2.3.4\n"};
    struct http_address a;
    char text[HTTP_ADDRESS_TEXT];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!http_address_parse(&a, bad[i], strlen(bad[i])), "%s", bad[i]);
    ck_assert(!http_address_parse(&a, "1.2.3.4\0x", 9));
    a = address("2001:DB8::1");
    http_address_text(&a, text);
    ck_assert_str_eq(text, "2001:db8::1");
    a = address("::ffff:10.0.0.1");
    http_address_text(&a, text);
    ck_assert_str_eq(text, "10.0.0.1");
}
END_TEST

static bool one(const char *a, const char *b)
{
    struct http_address x = address(a), y = address(b);
    uint8_t k[HTTP_ADDRESS_KEY], l[HTTP_ADDRESS_KEY];
    http_address_key(&x, k);
    http_address_key(&y, l);
    return memcmp(k, l, sizeof k) == 0;
}

START_TEST(what_counts_as_one)
{
    ck_assert(one("10.0.0.1", "::ffff:10.0.0.1"));
    ck_assert(!one("10.0.0.1", "10.0.0.2"));
    ck_assert(one("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
    ck_assert(!one("2001:db8:0:1::1", "2001:db8:0:2::1"));
    ck_assert(!one("::1", "0.0.0.0"));
}
END_TEST

START_TEST(lists)
{
    static const struct {
        const char *list, *in, *out;
    } good[] = {
        {"10.0.0.0/8 192.0.2.7", "10.255.0.1", "11.0.0.1"},
        {"10.0.0.0/8 192.0.2.7", "192.0.2.7", "192.0.2.8"},
        {"192.0.2.64/26", "192.0.2.127", "192.0.2.128"},
        {"  2001:db8::/33\t", "2001:db8:7fff::1", "2001:db8:8000::1"},
        {"10.0.0.0/8", "::ffff:10.1.1.1", "::10.1.1.1"},
        {"0.0.0.0/0", "255.255.255.255", "2001:db8::1"},
        {"::/0", "1.2.3.4", NULL},
        {"::1", "::1", "::2"},
        {"", NULL, "127.0.0.1"},
    };
    static const char *const bad[] = {"10.0.0.1/8",     "10.0.0.0/33", "10.0.0.0/",      "10.0.0.0/08",
                                      "proxy",          "10.0.0.0/-1", "2001:db8::1/64", "2001:db8::/129",
                                      "10.0.0.0/8,::1", "unix/1",      "10.0.0.0/8/8"};
    struct http_trust *t;
    struct error e;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(http_trust_new(&t, good[i].list, &e), ERR_OK);
        struct http_address in = {0}, out = {0}, local = {.local = true};
        ck_assert(!good[i].in || (in = address(good[i].in), http_trusts(t, &in)));
        ck_assert(!good[i].out || (out = address(good[i].out), !http_trusts(t, &out)));
        ck_assert(!http_trusts(t, &local));
        http_trust_free(t);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(http_trust_new(&t, bad[i], &e) == ERR_INVALID, "%s", bad[i]);
        ck_assert_ptr_null(t);
    }
}
END_TEST

/* Who asked, when 10.0.0.1 hands on a request with this X-Forwarded-For. */
static const char *client(const char *field)
{
    static char text[HTTP_ADDRESS_TEXT];
    struct http_trust *t;
    struct error e;
    struct http_address a = address("10.0.0.1");
    ck_assert_int_eq(http_trust_new(&t, "10.0.0.0/24 2001:db8::1 unix", &e), ERR_OK);
    http_forwarded_for(&a, t, field);
    http_address_text(&a, text);
    http_trust_free(t);
    return text;
}

START_TEST(forwarded)
{
    ck_assert_str_eq(client("192.0.2.1"), "192.0.2.1");
    ck_assert_str_eq(client("  192.0.2.1\t"), "192.0.2.1");
    /* what the client wrote itself counts for nothing */
    ck_assert_str_eq(client("203.0.113.9, 192.0.2.1"), "192.0.2.1");
    ck_assert_str_eq(client("10.0.0.2, 192.0.2.1"), "192.0.2.1");
    ck_assert_str_eq(client("192.0.2.1, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
    ck_assert_str_eq(client("192.0.2.1,2001:db8::1,10.0.0.2"), "192.0.2.1");
    /* all are proxies: the first of them asked for itself */
    ck_assert_str_eq(client("10.0.0.3, 10.0.0.2"), "10.0.0.3");
    /* what is no address: whoever was before it on the way */
    ck_assert_str_eq(client(""), "10.0.0.1");
    ck_assert_str_eq(client("unknown"), "10.0.0.1");
    ck_assert_str_eq(client("192.0.2.1:4711"), "10.0.0.1");
    ck_assert_str_eq(client("192.0.2.1,"), "10.0.0.1");
    ck_assert_str_eq(client("192.0.2.1, evil, 10.0.0.2"), "10.0.0.2");
    ck_assert_str_eq(client("192.0.2.1, 10.0.0.2 10.0.0.3"), "10.0.0.1");
    ck_assert_str_eq(client(",,,"), "10.0.0.1");
}
END_TEST

START_TEST(strangers_are_not_believed)
{
    struct http_trust *t;
    struct error e;
    struct http_address a = address("192.0.2.66"), local = {.local = true};
    char text[HTTP_ADDRESS_TEXT];
    ck_assert_int_eq(http_trust_new(&t, "10.0.0.0/24 unix", &e), ERR_OK);
    http_forwarded_for(&a, t, "203.0.113.9");
    http_address_text(&a, text);
    ck_assert_str_eq(text, "192.0.2.66");
    http_forwarded_for(&local, t, "203.0.113.9");
    http_address_text(&local, text);
    ck_assert_str_eq(text, "203.0.113.9");
    http_trust_free(t);
    a = address("10.0.0.1");
    http_forwarded_for(&a, NULL, "203.0.113.9");
    http_address_text(&a, text);
    ck_assert_str_eq(text, "10.0.0.1");
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("http_address");
    tcase_add_test(tc, only_addresses);
    tcase_add_test(tc, what_counts_as_one);
    tcase_add_test(tc, lists);
    tcase_add_test(tc, forwarded);
    tcase_add_test(tc, strangers_are_not_believed);
    return run_case("http_address", tc);
}
