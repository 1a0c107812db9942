/* Raw ids, unit types, UTF-8 and the hash that makes a unit of them. */
#include <stdlib.h>
#include <string.h>

#include "core/unit.h"
#include "suite.h"

static char *repeated(char c, size_t n)
{
    char *s = malloc(n + 1);
    ck_assert_ptr_nonnull(s);
    memset(s, c, n);
    s[n] = '\0';
    return s;
}

START_TEST(raw_ids_have_1_to_512_bytes)
{
    static const struct {
        size_t len;
        int rc;
    } cases[] = {{0, ERR_INVALID}, {1, 0}, {511, 0}, {512, 0}, {513, ERR_INVALID}, {100000, ERR_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e;
        char *raw = repeated('x', cases[i].len);
        ck_assert_int_eq(unit_raw_check(raw, cases[i].len, &e), cases[i].rc);
        if (cases[i].rc)
            ck_assert_int_eq(e.code, ERR_INVALID);
        ck_assert_int_eq(unit_raw_check(raw, cases[i].len, NULL), cases[i].rc);
        free(raw);
    }
}
END_TEST

START_TEST(raw_ids_are_text_without_nul)
{
    struct error e;
    ck_assert_int_eq(unit_raw_check("a\0b", 3, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "NUL"));
    ck_assert_int_eq(unit_raw_check("\0", 1, &e), ERR_INVALID);
    ck_assert_int_eq(unit_raw_check("a\xFF", 2, &e), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(e.text, "UTF-8"));
    ck_assert_int_eq(unit_raw_check(" a ", 3, &e), 0);
    ck_assert_int_eq(unit_raw_check("\xC3\xBC", 2, &e), 0);
    ck_assert_int_eq(unit_raw_check("\x01\x7F", 2, &e), 0);
}
END_TEST

/* The last character must not be cut by the end: 511 bytes and half of a two-byte one. */
START_TEST(a_character_cut_at_the_end_is_invalid)
{
    char *raw = repeated('x', 512);
    raw[510] = (char)0xC3;
    raw[511] = (char)0xBC;
    ck_assert_int_eq(unit_raw_check(raw, 512, NULL), 0);
    ck_assert_int_eq(unit_raw_check(raw, 511, NULL), ERR_INVALID);
    free(raw);
}
END_TEST

static const struct {
    const char *bytes;
    size_t len;
    int valid;
} utf8_cases[] = {
    {"", 0, 1},
    {"a\0b", 3, 1},
    {"\x7F", 1, 1},
    {"\xC2\x80", 2, 1},     /* U+0080, the first of two bytes */
    {"\xDF\xBF", 2, 1},     /* U+07FF */
    {"\xE0\xA0\x80", 3, 1}, /* U+0800 */
    {"\xED\x9F\xBF", 3, 1}, /* U+D7FF */
    {"\xEE\x80\x80", 3, 1}, /* U+E000 */
    {"\xEF\xBF\xBF", 3, 1},
    {"\xF0\x90\x80\x80", 4, 1}, /* U+10000 */
    {"\xF4\x8F\xBF\xBF", 4, 1}, /* U+10FFFF */
    {"\x80", 1, 0},             /* continuation alone */
    {"\xBF", 1, 0},
    {"\xC0\x80", 2, 0}, /* overlong NUL */
    {"\xC1\xBF", 2, 0},
    {"\xE0\x80\xAF", 3, 0},     /* overlong slash */
    {"\xE0\x9F\xBF", 3, 0},     /* overlong */
    {"\xF0\x80\x80\xAF", 4, 0}, /* overlong */
    {"\xF0\x8F\xBF\xBF", 4, 0},
    {"\xED\xA0\x80", 3, 0}, /* surrogates */
    {"\xED\xBF\xBF", 3, 0},
    {"\xF4\x90\x80\x80", 4, 0}, /* beyond U+10FFFF */
    {"\xF5\x80\x80\x80", 4, 0},
    {"\xF8\x88\x80\x80\x80", 5, 0},
    {"\xFE", 1, 0},
    {"\xFF", 1, 0},
    {"\xC3", 1, 0}, /* cut */
    {"\xE2\x82", 2, 0},
    {"\xF0\x9F\x98", 3, 0},
    {"\xC3\x28", 2, 0}, /* wrong continuation */
    {"\xE2\x28\xA1", 3, 0},
    {"\xE2\x82\x28", 3, 0},
    {"\xF0\x9F\x28\x80", 4, 0},
};

START_TEST(utf8_forms)
{
    char padded[64];
    for (size_t i = 0; i < sizeof utf8_cases / sizeof *utf8_cases; i++) {
        size_t len = utf8_cases[i].len;
        ck_assert_msg(utf8_valid(utf8_cases[i].bytes, len) == utf8_cases[i].valid, "case %zu", i);
        /* Behind any number of plain bytes and before some: the fast path must not change the answer. */
        for (size_t before = 0; before < 20; before++) {
            memset(padded, 'a', sizeof padded);
            memcpy(padded + before, utf8_cases[i].bytes, len);
            ck_assert_msg(utf8_valid(padded, before + len) == utf8_cases[i].valid, "case %zu", i);
            ck_assert_msg(utf8_valid(padded, before + len + 9) == utf8_cases[i].valid, "case %zu", i);
        }
    }
}
END_TEST

START_TEST(utf8_sequences_have_a_length)
{
    ck_assert_uint_eq(utf8_sequence("", 0), 0);
    ck_assert_uint_eq(utf8_sequence("ab", 2), 1);
    ck_assert_uint_eq(utf8_sequence("\xC3\xBCx", 3), 2);
    ck_assert_uint_eq(utf8_sequence("\xE2\x82\xACx", 4), 3);
    ck_assert_uint_eq(utf8_sequence("\xF0\x9F\x98\x80x", 5), 4);
    ck_assert_uint_eq(utf8_sequence("\xF0\x9F\x98\x80x", 3), 0);
    ck_assert_uint_eq(utf8_sequence("\x80", 1), 0);
}
END_TEST

/* Every code point in turn: accepted exactly when it is no surrogate. */
START_TEST(every_code_point)
{
    for (unsigned c = 0x80; c <= 0x110000; c++) {
        char s[4];
        size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = n - 1; i > 0; i--)
            s[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3F));
        s[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c >> 6 * (n - 1));
        int valid = (c < 0xD800 || c > 0xDFFF) && c <= 0x10FFFF;
        if (utf8_valid(s, n) != valid)
            ck_abort_msg("U+%04X", c);
    }
}
END_TEST

START_TEST(unit_types)
{
    static const char *const good[] = {"user", "u", "device_2", "a0", "abcdefghijklmnopqrstuvwxyz_01234"};
    static const char *const bad[] = {
        "",      "User", "1user", "_user",  "us er",
        "us-er", "usér", "user ", "user\n", "abcdefghijklmnopqrstuvwxyz_012345"};
    struct error e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(unit_type_check(good[i], strlen(good[i]), &e) == 0, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(unit_type_check(bad[i], strlen(bad[i]), &e) == ERR_INVALID, "%s", bad[i]);
    ck_assert_int_eq(unit_type_check("us\0er", 5, NULL), ERR_INVALID);
}
END_TEST

static void unit_of(const char *key, const char *type, const char *raw, size_t len, struct unit *out)
{
    struct unit_key k;
    unit_key_init(&k, (const uint8_t *)key, strlen(key));
    unit_from_raw(&k, type, strlen(type), raw, len, out);
}

/* Worked with Python: hmac.new(b"Jefe", b"user\0c-1", "sha256").digest()[:16]. */
START_TEST(a_unit_is_the_hmac)
{
    static const uint8_t expected[16] = {0x13, 0x32, 0xB0, 0x70, 0xD2, 0x39, 0x93, 0x9F,
                                         0x4E, 0x3A, 0x18, 0xC4, 0x02, 0x91, 0xA6, 0x1D};
    struct unit u;
    unit_of("Jefe", "user", "c-1", 3, &u);
    ck_assert_mem_eq(u.bytes, expected, 16);
}
END_TEST

/* The separator keeps ("ab", "c") from being ("a", "bc"); nothing is trimmed, folded or normalised. */
START_TEST(different_ids_are_different_units)
{
    static const struct {
        const char *type, *raw;
    } ids[] = {{"ab", "c"},    {"a", "bc"},     {"user", "A"},        {"user", "a"},        {"user", "a "},
               {"user", " a"}, {"device", "a"}, {"user", "\xC3\xBC"}, {"user", "u\xCC\x88"}};
    struct unit units[sizeof ids / sizeof *ids];
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        unit_of("key", ids[i].type, ids[i].raw, strlen(ids[i].raw), &units[i]);
        for (size_t k = 0; k < i; k++)
            ck_assert_mem_ne(units[k].bytes, units[i].bytes, 16);
    }
}
END_TEST

START_TEST(a_key_can_be_used_again_and_again)
{
    struct unit_key k;
    struct unit first, again;
    unit_key_init(&k, (const uint8_t *)"0123456789abcdef0123456789abcdef", 32);
    unit_from_raw(&k, "user", 4, "c-1", 3, &first);
    unit_from_raw(&k, "user", 4, "c-2", 3, &again);
    ck_assert_mem_ne(first.bytes, again.bytes, 16);
    unit_from_raw(&k, "user", 4, "c-1", 3, &again);
    ck_assert_mem_eq(first.bytes, again.bytes, 16);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("unit");
    tcase_add_test(tc, raw_ids_have_1_to_512_bytes);
    tcase_add_test(tc, raw_ids_are_text_without_nul);
    tcase_add_test(tc, a_character_cut_at_the_end_is_invalid);
    tcase_add_test(tc, utf8_forms);
    tcase_add_test(tc, utf8_sequences_have_a_length);
    tcase_add_test(tc, every_code_point);
    tcase_add_test(tc, unit_types);
    tcase_add_test(tc, a_unit_is_the_hmac);
    tcase_add_test(tc, different_ids_are_different_units);
    tcase_add_test(tc, a_key_can_be_used_again_and_again);
    return run_case("unit", tc);
}
