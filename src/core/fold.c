#include "core/fold.h"

#include <stdint.h>
#include <string.h>

/* Capital letters: of every step-th character from first to last, the small one is `add` further. */
struct capitals {
    uint16_t first, last, step;
    int16_t add;
};

static const struct capitals table[] = {
    {0x0041, 0x005A, 1, 32}, /* ASCII */
    {0x00C0, 0x00D6, 1, 32}, /* Latin-1 */
    {0x00D8, 0x00DE, 1, 32}, /* but for the multiplication sign */
    {0x0100, 0x012E, 2, 1},  /* Latin Extended-A: pairs */
    {0x0132, 0x0136, 2, 1},  {0x0139, 0x0147, 2, 1},  {0x014A, 0x0176, 2, 1},  {0x0178, 0x0178, 1, -121},
    {0x0179, 0x017D, 2, 1},  {0x01A0, 0x01A4, 2, 1}, /* Latin Extended-B */
    {0x01AF, 0x01AF, 1, 1},  {0x01CD, 0x01DB, 2, 1},  {0x01DE, 0x01EE, 2, 1},  {0x01F8, 0x021E, 2, 1},
    {0x0222, 0x0232, 2, 1},  {0x0386, 0x0386, 1, 38}, /* Greek */
    {0x0388, 0x038A, 1, 37}, {0x038C, 0x038C, 1, 64}, {0x038E, 0x038F, 1, 63}, {0x0391, 0x03A1, 1, 32},
    {0x03A3, 0x03AB, 1, 32}, {0x0400, 0x040F, 1, 80}, /* Cyrillic */
    {0x0410, 0x042F, 1, 32}, {0x0460, 0x0480, 2, 1},  {0x048A, 0x04BE, 2, 1},  {0x04C0, 0x04C0, 1, 15},
    {0x04C1, 0x04CD, 2, 1},  {0x04D0, 0x052E, 2, 1},  {0x0531, 0x0556, 1, 48}, /* Armenian */
    {0x1E00, 0x1E94, 2, 1},                                                    /* Latin Extended Additional */
    {0x1EA0, 0x1EFE, 2, 1},  {0xFF21, 0xFF3A, 1, 32},                          /* full width */
};

static uint32_t lower(uint32_t c)
{
    for (size_t i = 0; i < sizeof table / sizeof *table && c >= table[i].first; i++)
        if (c <= table[i].last)
            return (c - table[i].first) % table[i].step == 0 ? (uint32_t)((int32_t)c + table[i].add) : c;
    return c;
}

static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    out[0] = (char)(0xE0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3F));
    out[2] = (char)(0x80 | (c & 0x3F));
    return 3;
}

static uint32_t tail(const char *s, size_t i)
{
    return (uint32_t)(unsigned char)s[i] & 0x3F;
}

static int is_tail(const char *s, size_t i)
{
    return ((unsigned char)s[i] & 0xC0) == 0x80;
}

size_t fold_next(const char **s, const char *end, char out[FOLD_BYTES])
{
    const char *at = *s;
    unsigned char first = (unsigned char)*at;
    size_t left = (size_t)(end - at);
    if (first < 0x80) {
        *s = at + 1;
        out[0] = (char)(first >= 'A' && first <= 'Z' ? first + 32 : first);
        return 1;
    }
    if (first >= 0xC2 && first < 0xE0 && left >= 2 && is_tail(at, 1)) {
        *s = at + 2;
        return encode(lower((uint32_t)(first & 0x1F) << 6 | tail(at, 1)), out);
    }
    if (first >= 0xE0 && first < 0xF0 && left >= 3 && is_tail(at, 1) && is_tail(at, 2)) {
        uint32_t c = (uint32_t)(first & 0x0F) << 12 | tail(at, 1) << 6 | tail(at, 2);
        if (c >= 0x800 && lower(c) != c) {
            *s = at + 3;
            return encode(lower(c), out);
        }
    }
    *s = at + 1; /* as it is: no character beyond these has a lower case here */
    out[0] = (char)first;
    return 1;
}

size_t fold_text(const char *s, size_t len, char *out)
{
    const char *end = s + len;
    char one[FOLD_BYTES];
    size_t n = 0;
    while (s < end) {
        size_t size = fold_next(&s, end, one);
        if (out)
            memcpy(out + n, one, size);
        n += size;
    }
    return n;
}

int fold_compare(const char *s, size_t len, const char *folded, size_t folded_len)
{
    const char *end = s + len;
    char one[FOLD_BYTES];
    size_t at = 0;
    while (s < end) {
        size_t size = fold_next(&s, end, one);
        size_t n = folded_len - at < size ? folded_len - at : size;
        int order = memcmp(one, folded + at, n);
        if (order != 0)
            return order;
        if (n < size)
            return 1;
        at += size;
    }
    return at < folded_len ? -1 : 0;
}
