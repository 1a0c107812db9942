/* Reading strangers' JSON: bounds, strictness, clear errors that quote nothing; attributes from JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "suite.h"

static const struct json_limits limits = {.max_bytes = 65536, .max_depth = 32, .max_values = 1000};

/* A copy without room behind it, so that the sanitizer sees a read too far. */
static int parse(const char *text, size_t len, json_t **out, struct error *e)
{
    char *exact = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(exact);
    memcpy(exact, text, len);
    error_clear(e);
    int rc = json_in_parse(exact, len, &limits, out, e);
    free(exact);
    return rc;
}

START_TEST(every_type_is_read)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "null",
                                        "true",
                                        "false",
                                        "0",
                                        "-1.5e3",
                                        "\"\"",
                                        " \t\r\n1 ",
                                        "[1,[2,{\"a\":[]}]]",
                                        "{\"\xC3\xBC\":\"\xF0\x9F\x98\x80\"}",
                                        "\"\\ud83d\\ude00\"",
                                        "{\"a\":1,\"A\":2}",
                                        "\"\\\\u0000\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *v;
        struct error e;
        ck_assert_msg(parse(texts[i], strlen(texts[i]), &v, &e) == 0, "%s: %s", texts[i], e.text);
        ck_assert_ptr_nonnull(v);
        json_decref(v);
    }
}
END_TEST

START_TEST(mistakes_have_a_place_and_a_sentence)
{
    static const struct {
        const char *text, *place, *says;
    } cases[] = {
        {"", "line 1, column 1", "empty"},
        {"   ", "line 1", "ends before"},
        {"{\"a\":1", "line 1", "ends before"},
        {"[1,\n 2,\n x]", "line 3, column 2", "not JSON"},
        {"{\"a\":1}\n{}", "line 2, column 1", "more text behind"},
        {"1 2", "line 1, column 3", "more text behind"},
        {"{\"a\":1,\"a\":2}", "line 1", "two fields of this name"},
        {"{\"a\":1,\"\\u0061\":2}", "line 1", "two fields of this name"},
        {"[\"\\u0000\"]", "line 1, column 3", "NUL character"},
        {"{\"a\\u0000b\":1}", "line 1, column 4", "NUL character"},
        {"\"\xFF\"", "line 1", "UTF-8"},
        {"\"\xED\xA0\x80\"", "line 1", "UTF-8"},
        {"\"\xC3", "line 1", "UTF-8"},
        {"[123456789012345678901234567890]", "line 1", "too large"},
        {"[1e999]", "line 1", "too large"},
        {"\"\\ud800\"", "line 1", "not JSON"},
        {"\"a\nb\"", "line 1", "not JSON"},
        {"'a'", "line 1", "not JSON"},
        {"{a:1}", "line 1", "not JSON"},
        {"[1,]", "line 1", "not JSON"},
        {"NaN", "line 1", "not JSON"},
        {"[01]", "line 1", "not JSON"},
        {"\xEF\xBB\xBF{}", "line 1", "not JSON"},
        {"// x\n1", "line 1", "not JSON"},
        {"]", "line 1", "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *v;
        struct error e;
        ck_assert_msg(parse(cases[i].text, strlen(cases[i].text), &v, &e) == ERR_INVALID, "%s",
                      cases[i].text);
        ck_assert_ptr_null(v);
        ck_assert_int_eq(e.code, ERR_INVALID);
        ck_assert_msg(strncmp(e.place, cases[i].place, strlen(cases[i].place)) == 0, "%s: %s, not %s",
                      cases[i].text, e.place, cases[i].place);
        ck_assert_msg(strstr(e.text, cases[i].says) != NULL, "%s: %s", cases[i].text, e.text);
    }
}
END_TEST

START_TEST(nul_bytes_are_refused)
{
    json_t *v;
    struct error e;
    ck_assert_int_eq(parse("\"a\0b\"", 5, &v, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "NUL byte"));
    ck_assert_str_eq(e.place, "line 1, column 3");
    ck_assert_int_eq(parse("1\0", 2, &v, &e), ERR_INVALID);
    ck_assert_str_eq(e.place, "line 1, column 2");
    ck_assert_int_eq(parse("{}\0{}", 5, &v, &e), ERR_INVALID);
    ck_assert_int_eq(parse("\0", 1, &v, &e), ERR_INVALID);
    ck_assert_int_eq(json_in_parse(NULL, 0, &limits, &v, &e), ERR_INVALID);
}
END_TEST

/* An error is answered, kept and logged; a raw id must not travel with it. */
START_TEST(errors_quote_nothing)
{
    static const char *const texts[] = {"{\"user\":\"secret-id\" x}", "{\"secret-id\":1,\"secret-id\":2}",
                                        "[\"secret-id\\u0000\"]",     "secret-id",
                                        "{\"a\":secret-id}",          "\"secret-id\" \"secret-id\"",
                                        "{\"user\":\"secret-id\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *v;
        struct error e;
        ck_assert_int_eq(parse(texts[i], strlen(texts[i]), &v, &e), ERR_INVALID);
        ck_assert_ptr_null(strstr(e.text, "secret"));
        ck_assert_ptr_null(strstr(e.place, "secret"));
    }
}
END_TEST

START_TEST(columns_count_characters)
{
    json_t *v;
    struct error e;
    static const char text[] = "[1,\n\"\xC3\xBC\xE2\x82\xAC\\u0000\"]";
    ck_assert_int_eq(parse(text, sizeof text - 1, &v, &e), ERR_INVALID);
    ck_assert_str_eq(e.place, "line 2, column 4");
}
END_TEST

/* --- bounds --- */

static int parse_repeated(const char *begin, size_t n, const char *each, const char *end,
                          const struct json_limits *lim, struct error *e)
{
    size_t len = strlen(begin) + n * strlen(each) + strlen(end);
    char *text = malloc(len + 1), *p = text;
    json_t *v;
    ck_assert_ptr_nonnull(text);
    p = stpcpy(p, begin);
    for (size_t i = 0; i < n; i++)
        p = stpcpy(p, each);
    stpcpy(p, end);
    error_clear(e);
    int rc = json_in_parse(text, len, lim, &v, e);
    if (rc == 0)
        json_decref(v);
    else
        ck_assert_ptr_null(v);
    free(text);
    return rc;
}

START_TEST(depth_is_bounded)
{
    struct error e;
    char deep[129];
    json_t *v;
    struct json_limits lim = {.max_bytes = 1 << 24, .max_depth = 64, .max_values = 1 << 24};
    memset(deep, '[', 64);
    memset(deep + 64, ']', 64);
    ck_assert_int_eq(json_in_parse(deep, 128, &lim, &v, &e), 0);
    json_decref(v);
    lim.max_depth = 63;
    ck_assert_int_eq(json_in_parse(deep, 128, &lim, &v, &e), ERR_LIMIT);
    ck_assert_str_eq(e.place, "line 1, column 64");
    ck_assert_str_eq(e.text, "arrays and objects are nested more than 63 deep");
    ck_assert_int_eq(parse_repeated("", 1000000, "[", "", &lim, &e), ERR_LIMIT);
    ck_assert_int_eq(parse_repeated("", 1000000, "{\"a\":", "", &lim, &e), ERR_LIMIT);
    lim.max_depth = 1000000; /* then the parser's own bound */
    ck_assert_int_eq(parse_repeated("", 3000, "[", "", &lim, &e), ERR_LIMIT);
    ck_assert_int_eq(parse_repeated("]]]]]]]]", 50, "[", "", &limits, &e), ERR_LIMIT);
}
END_TEST

/* Brackets in strings nest nothing. */
START_TEST(strings_hide_brackets)
{
    struct error e;
    ck_assert_int_eq(parse_repeated("\"", 1000, "[{", "\"", &limits, &e), 0);
    ck_assert_int_eq(parse_repeated("\"", 1000, "\\\"[", "\"", &limits, &e), 0);
    ck_assert_int_eq(parse_repeated("\"", 1000, "\\\\", "\"", &limits, &e), 0);
    ck_assert_int_eq(parse_repeated("[\"\\\\\"", 33, ",[", "", &limits, &e), ERR_LIMIT);
}
END_TEST

START_TEST(values_are_counted_names_are_not)
{
    struct error e;
    struct json_limits lim = {.max_bytes = 1 << 24, .max_depth = 8, .max_values = 101};
    ck_assert_int_eq(parse_repeated("[1", 99, ",{}", "]", &lim, &e), 0);
    ck_assert_int_eq(parse_repeated("[1", 100, ",{}", "]", &lim, &e), ERR_LIMIT);
    ck_assert_str_eq(e.text, "there are more than 101 values");
    ck_assert_int_eq(parse_repeated("[1", 1000000, ",{}", "]", &lim, &e), ERR_LIMIT);
    ck_assert_int_eq(parse_repeated("[1", 1000000, ",\"\"", "]", &lim, &e), ERR_LIMIT);
    ck_assert_int_eq(parse_repeated("[1", 1000000, ",null", "]", &lim, &e), ERR_LIMIT);
    ck_assert_int_eq(parse_repeated("[1", 1000000, ",-1e3", "]", &lim, &e), ERR_LIMIT);
    /* {"a" : [{"b" : 1}, …]}: 2 values for each item and 2 around them. */
    lim.max_values = 102;
    ck_assert_int_eq(parse_repeated("{\"a\" : [{\"b\" : 1}", 49, " , {\"b\" : 1}", "]}", &lim, &e), 0);
    lim.max_values = 101;
    ck_assert_int_eq(parse_repeated("{\"a\" : [{\"b\" : 1}", 49, " , {\"b\" : 1}", "]}", &lim, &e),
                     ERR_LIMIT);
    lim.max_values = 1;
    ck_assert_int_eq(parse_repeated("", 1, "\"x\"", "", &lim, &e), 0);
    lim.max_values = 0;
    ck_assert_int_eq(parse_repeated("", 1, "\"x\"", "", &lim, &e), ERR_LIMIT);
}
END_TEST

START_TEST(bytes_are_bounded)
{
    struct error e;
    json_t *v;
    struct json_limits lim = {.max_bytes = 4, .max_depth = 8, .max_values = 8};
    ck_assert_int_eq(json_in_parse("1234", 4, &lim, &v, &e), 0);
    json_decref(v);
    ck_assert_int_eq(json_in_parse("12345", 5, &lim, &v, &e), ERR_LIMIT);
    ck_assert_str_eq(e.text, "the text has 5 bytes; at most 4 are read");
}
END_TEST

/* A valid text with each byte changed to each other one, and cut everywhere: an answer, whatever it is. */
START_TEST(every_byte_changed_and_every_cut)
{
    static const char text[] = "{\"a\":[1,-2.5e1,\"\\u00fc\xC3\xBC\",null,true],\"b\":{\"c\":\"\\\\\"}}";
    char changed[sizeof text];
    size_t len = sizeof text - 1, accepted = 0;
    json_t *v;
    struct error e;
    for (size_t i = 0; i < len; i++) {
        memcpy(changed, text, sizeof text);
        for (int byte = 0; byte < 256; byte++) {
            changed[i] = (char)byte;
            if (parse(changed, len, &v, &e) == 0) {
                accepted++;
                json_decref(v);
            }
        }
        ck_assert_int_ne(parse(text, i, &v, &e), 0);
    }
    ck_assert_uint_gt(accepted, len);
}
END_TEST

/* --- attributes --- */

START_TEST(attributes_are_copied)
{
    static const char text[] =
        "{\"s\":\"\xC3\xBC\",\"e\":\"\",\"n\":-1.5,\"i\":7,\"t\":true,\"f\":false,\"z\":null,"
        "\"a\":[1,\"x\"],\"o\":{\"k\":{}}}";
    struct arena *a = arena_new();
    struct attr root;
    json_t *v;
    struct error e;
    ck_assert_int_eq(parse(text, sizeof text - 1, &v, &e), 0);
    ck_assert_int_eq(json_in_attr(a, v, &root, &e), 0);
    json_decref(v);
    ck_assert_int_eq(root.type, ATTR_OBJECT);
    ck_assert_uint_eq(root.u.object.n, 9);
    ck_assert_str_eq(attr_get(&root, "s", 1)->u.string.s, "\xC3\xBC");
    ck_assert_uint_eq(attr_get(&root, "s", 1)->u.string.len, 2);
    ck_assert_str_eq(attr_get(&root, "e", 1)->u.string.s, "");
    ck_assert_double_eq(attr_get(&root, "n", 1)->u.number, -1.5);
    ck_assert_double_eq(attr_get(&root, "i", 1)->u.number, 7);
    ck_assert(attr_get(&root, "t", 1)->u.boolean);
    ck_assert(!attr_get(&root, "f", 1)->u.boolean);
    ck_assert_int_eq(attr_get(&root, "f", 1)->type, ATTR_BOOL);
    ck_assert_int_eq(attr_get(&root, "z", 1)->type, ATTR_NULL);
    ck_assert_uint_eq(attr_get(&root, "a", 1)->u.array.n, 2);
    ck_assert_str_eq(attr_get(&root, "a", 1)->u.array.items[1].u.string.s, "x");
    ck_assert_int_eq(attr_get(attr_get(&root, "o", 1), "k", 1)->type, ATTR_OBJECT);
    arena_free(a);
}
END_TEST

START_TEST(attributes_too_deep)
{
    struct arena *a = arena_new();
    struct attr out;
    struct error e;
    json_t *v = json_array();
    for (int i = 0; i < 512; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, v);
        v = outer;
    }
    ck_assert_int_eq(json_in_attr(a, v, &out, &e), 0);
    json_t *outer = json_array();
    json_array_append_new(outer, v);
    ck_assert_int_eq(json_in_attr(a, outer, &out, &e), ERR_LIMIT);
    json_decref(outer);
    arena_free(a);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("json_in");
    tcase_add_test(tc, every_type_is_read);
    tcase_add_test(tc, mistakes_have_a_place_and_a_sentence);
    tcase_add_test(tc, nul_bytes_are_refused);
    tcase_add_test(tc, errors_quote_nothing);
    tcase_add_test(tc, columns_count_characters);
    tcase_add_test(tc, depth_is_bounded);
    tcase_add_test(tc, strings_hide_brackets);
    tcase_add_test(tc, values_are_counted_names_are_not);
    tcase_add_test(tc, bytes_are_bounded);
    tcase_add_test(tc, every_byte_changed_and_every_cut);
    tcase_add_test(tc, attributes_are_copied);
    tcase_add_test(tc, attributes_too_deep);
    return run_case("json_in", tc);
}
