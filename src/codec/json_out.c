#include "codec/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "core/unit.h"

void json_out_init(struct json_out *o, char *buf, size_t cap)
{
    *o = (struct json_out){.buf = buf, .cap = cap};
}

static void put(struct json_out *o, const char *s, size_t n)
{
    if (!o->overflow && n <= o->cap - o->len)
        memcpy(o->buf + o->len, s, n);
    else
        o->overflow = true;
    o->len += n;
}

static void put_char(struct json_out *o, char c)
{
    if (!o->overflow && o->len < o->cap)
        o->buf[o->len] = c;
    else
        o->overflow = true;
    o->len++;
}

static void before_value(struct json_out *o)
{
    if (o->need_comma)
        put_char(o, ',');
    o->need_comma = true;
}

static void open_with(struct json_out *o, char c)
{
    before_value(o);
    put_char(o, c);
    o->need_comma = false;
}

static void close_with(struct json_out *o, char c)
{
    put_char(o, c);
    o->need_comma = true;
}

void json_out_begin_object(struct json_out *o)
{
    open_with(o, '{');
}

void json_out_end_object(struct json_out *o)
{
    close_with(o, '}');
}

void json_out_begin_array(struct json_out *o)
{
    open_with(o, '[');
}

void json_out_end_array(struct json_out *o)
{
    close_with(o, ']');
}

static void put_escape(struct json_out *o, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_names[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char text[6] = {'\\', (char)c, '0', '0'};
    if (c >= 0x20) {
        put(o, text, 2);
    } else if (short_names[c]) {
        text[1] = short_names[c];
        put(o, text, 2);
    } else {
        text[1] = 'u';
        text[4] = hex[c >> 4];
        text[5] = hex[c & 15];
        put(o, text, 6);
    }
}

static int is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Has one of eight bytes the value zero? (A byte above one that has may be taken for it, too.) */
static uint64_t zero_among(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

static bool all_plain(uint64_t word)
{
    const uint64_t each = UINT64_C(0x0101010101010101), high = 0x80 * each;
    return !((word & high) | ((word - 0x20 * each) & ~word & high) | zero_among(word ^ '"' * each) |
             zero_among(word ^ '\\' * each));
}

/* Nearly every text means what it shows. False: it does not, or there is no room, and nothing is put. */
static bool put_plain(struct json_out *o, const char *s, size_t n)
{
    if (o->overflow || n + 2 > o->cap - o->len)
        return false;
    char *to = o->buf + o->len;
    size_t i = 0;
    *to++ = '"';
    for (uint64_t word; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        if (!all_plain(word))
            return false;
        memcpy(to + i, &word, sizeof word);
    }
    for (; i < n; i++) {
        if (!is_plain((unsigned char)s[i]))
            return false;
        to[i] = s[i];
    }
    to[n] = '"';
    o->len += n + 2;
    return true;
}

static void put_quoted(struct json_out *o, const char *s, size_t n)
{
    size_t i = 0;
    if (put_plain(o, s, n))
        return;
    put_char(o, '"');
    while (i < n) {
        size_t begin = i;
        while (i < n && is_plain((unsigned char)s[i]))
            i++;
        if (i > begin)
            put(o, s + begin, i - begin);
        if (i == n)
            break;
        if ((unsigned char)s[i] < 0x80) {
            put_escape(o, (unsigned char)s[i++]);
            continue;
        }
        size_t sequence = utf8_sequence(s + i, n - i);
        if (sequence)
            put(o, s + i, sequence);
        else
            put(o, "\xEF\xBF\xBD", 3);
        i += sequence ? sequence : 1;
    }
    put_char(o, '"');
}

void json_out_key(struct json_out *o, const char *key)
{
    before_value(o);
    put_quoted(o, key, strlen(key));
    put_char(o, ':');
    o->need_comma = false;
}

void json_out_name(struct json_out *o, const char *quoted, size_t n)
{
    before_value(o);
    put(o, quoted, n);
    o->need_comma = false;
}

void json_out_string(struct json_out *o, const char *s)
{
    json_out_string_n(o, s, strlen(s));
}

void json_out_string_n(struct json_out *o, const char *s, size_t n)
{
    before_value(o);
    put_quoted(o, s, n);
}

void json_out_int(struct json_out *o, int64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[--i] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        digits[--i] = '-';
    before_value(o);
    put(o, digits + i, sizeof digits - i);
}

void json_out_double(struct json_out *o, double v)
{
    char text[40];
    int n = 0;
    if (!isfinite(v)) {
        json_out_null(o);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text - 2, "%.*g", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    bool real = false;
    for (int i = 0; i < n; i++) {
        /* Whatever the locale calls its decimal point. */
        if ((text[i] < '0' || text[i] > '9') && text[i] != '-' && text[i] != '+' && text[i] != 'e')
            text[i] = '.';
        real = real || text[i] == '.' || text[i] == 'e';
    }
    before_value(o);
    put(o, text, (size_t)n);
    if (!real)
        put(o, ".0", 2);
}

void json_out_bool(struct json_out *o, bool v)
{
    before_value(o);
    put(o, v ? "true" : "false", v ? 4 : 5);
}

void json_out_null(struct json_out *o)
{
    before_value(o);
    put(o, "null", 4);
}

void json_out_raw(struct json_out *o, const char *json)
{
    before_value(o);
    put(o, json, strlen(json));
}

void json_out_behind(struct json_out *o, const char *text, size_t n)
{
    put(o, text, n);
}

void json_out_uuid(struct json_out *o, const uint8_t b[16])
{
    char text[38];
    text[0] = '"';
    uuid_format(b, text + 1);
    text[37] = '"';
    before_value(o);
    put(o, text, sizeof text);
}
