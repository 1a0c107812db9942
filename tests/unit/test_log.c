/* Log lines: one line each, valid UTF-8 and valid JSON, whatever the message and the fields hold. */
#include <jansson.h>
#include <string.h>

#include "base/log_text.h"
#include "core/unit.h"
#include "suite.h"

static char line[LOG_LINE_MAX];

static struct log_entry entry(const char *message, const struct log_field *fields, size_t n)
{
    return (struct log_entry){.time = {.tv_sec = 1795822496, .tv_nsec = 7999999},
                              .level = LOG_WARN,
                              .part = "http",
                              .message = message,
                              .fields = fields,
                              .n_fields = n};
}

static const char *text(const char *message, const struct log_field *fields, size_t n)
{
    struct log_entry e = entry(message, fields, n);
    size_t len = log_write_text(line, &e);
    ck_assert_int_eq(line[len - 1], '\n');
    line[len - 1] = '\0';
    ck_assert_uint_eq(strlen(line), len - 1);
    ck_assert(utf8_valid(line, len - 1));
    return line;
}

static json_t *json(const char *message, const struct log_field *fields, size_t n)
{
    struct log_entry e = entry(message, fields, n);
    json_error_t why;
    size_t len = log_write_json(line, &e);
    ck_assert_uint_le(len, LOG_LINE_MAX);
    ck_assert_ptr_eq(memchr(line, '\n', len), line + len - 1);
    json_t *doc = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    ck_assert_msg(doc != NULL, "%s: %.*s", why.text, (int)len, line);
    return doc;
}

static const char *member(const json_t *doc, const char *name)
{
    return json_string_value(json_object_get(doc, name));
}

START_TEST(plain_lines)
{
    const struct log_field f[] = {{.name = "request_id", .text = "a-1"},
                                  {.name = "route", .text = "/v1/x y"},
                                  {.name = "status", .number = -503}};
    ck_assert_str_eq(text("all \"is\" well", f, 3),
                     "2026-11-27T23:34:56.007Z warn http: all \"is\" well request_id=a-1 route=\"/v1/x y\" "
                     "status=-503");
    json_t *doc = json("all \"is\" well", f, 3);
    ck_assert_str_eq(member(doc, "time"), "2026-11-27T23:34:56.007Z");
    ck_assert_str_eq(member(doc, "level"), "warn");
    ck_assert_str_eq(member(doc, "part"), "http");
    ck_assert_str_eq(member(doc, "message"), "all \"is\" well");
    ck_assert_str_eq(member(doc, "route"), "/v1/x y");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "status")), -503);
    json_decref(doc);
}
END_TEST

/* What a client could write to forge a line, to end one, or to steer a terminal. */
START_TEST(nothing_escapes)
{
    static const char evil[] =
        "a\nb\r\x1b[31m\x7f\"\\ \xc2\x9b\xe2\x80\xa8\xe2\x80\xa9\xff\xc3(\xed\xa0\x80 \xc3\xa4";
    const struct log_field f[] = {{.name = "x", .text = evil}};
    ck_assert_str_eq(text(evil, f, 1),
                     "2026-11-27T23:34:56.007Z warn http: a\\x0ab\\x0d\\x1b[31m\\x7f\"\\ "
                     "\\xc2\\x9b\\xe2\\x80\\xa8\\xe2\\x80\\xa9\\xff\\xc3(\\xed\\xa0\\x80 \xc3\xa4 "
                     "x=\"a\\x0ab\\x0d\\x1b[31m\\x7f\\\"\\\\ "
                     "\\xc2\\x9b\\xe2\\x80\\xa8\\xe2\\x80\\xa9\\xff\\xc3(\\xed\\xa0\\x80 \xc3\xa4\"");
    json_t *doc = json(evil, f, 1);
    for (const char *p = line; *p != '\n'; p++)
        ck_assert((unsigned char)*p >= 0x20 && *p != 0x7F);
    ck_assert_ptr_null(strstr(line, "\xe2\x80\xa8"));
    static const char seen[] =
        "a\nb\r\x1b[31m\x7f\"\\ \xc2\x9b\xe2\x80\xa8\xe2\x80\xa9\xef\xbf\xbd\xef\xbf\xbd("
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa4";
    ck_assert_str_eq(member(doc, "message"), seen);
    ck_assert_str_eq(member(doc, "x"), seen);
    json_decref(doc);
}
END_TEST

/* Every length around the room that there is: the line stays whole, and the fields come first. */
START_TEST(long_lines_are_cut)
{
    static const char *const units[] = {"x", "\n", "\xc3\xa4", "\xf0\x9f\x98\x80", "\""};
    static char message[8200], value[8200];
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t n = strlen(units[u]);
        for (size_t len = n; len <= 8100; len += len > 600 && len < 4200 ? n : 50 * n) {
            memset(message, 0, sizeof message);
            for (size_t i = 0; i + n <= len; i += n)
                memcpy(message + i, units[u], n);
            memcpy(value, message, sizeof value);
            const struct log_field f[] = {{.name = "request_id", .text = "r"}, {.name = "x", .text = value}};
            ck_assert_ptr_nonnull(strstr(text("m", f, 2), " request_id=r"));
            text(message, f, 2);
            json_t *doc = json(message, f, 2);
            ck_assert_str_eq(member(doc, "request_id"), "r");
            ck_assert(!json_object_get(doc, "x") || strcmp(member(doc, "x"), value) == 0);
            json_decref(doc);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("log");
    tcase_add_test(tc, plain_lines);
    tcase_add_test(tc, nothing_escapes);
    tcase_add_test(tc, long_lines_are_cut);
    return run_case("log", tc);
}
