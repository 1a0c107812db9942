#include "base/log_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/unit.h"

#define CLOSING 4 /* bytes kept free for a quote, a brace and the line feed */

static const char *const words[] = {"error", "warn", "info", "debug"};

/* A line being written. What does not fit is left out in whole pieces, and nothing after it. */
struct line {
    char *out;
    size_t len;
    bool full;
};

static void put(struct line *l, const char *p, size_t n)
{
    if (l->full || l->len + n > LOG_LINE_MAX - CLOSING) {
        l->full = true;
        return;
    }
    memcpy(l->out + l->len, p, n);
    l->len += n;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* C1 controls, and what some readers take for a line's end. */
static bool is_hidden(const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    return (n == 2 && u[0] == 0xC2 && u[1] < 0xA0) ||
           (n == 3 && u[0] == 0xE2 && u[1] == 0x80 && (u[2] | 1) == 0xA9);
}

static void put_time(struct line *l, const struct timespec *t)
{
    char text[40];
    struct tm tm;
    gmtime_r(&t->tv_sec, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03ldZ", t->tv_nsec / 1000000);
    put_str(l, text);
}

/* Text: what is no plain character becomes \xNN. quoted: for a value between quotes. */
static void put_plain(struct line *l, const char *s, bool quoted)
{
    while (*s && !l->full) {
        size_t n = utf8_sequence(s, strnlen(s, 4));
        unsigned char c = (unsigned char)*s;
        if (n == 0 || is_hidden(s, n) || c < 0x20 || c == 0x7F) {
            char escaped[8];
            snprintf(escaped, sizeof escaped, "\\x%02x", c);
            put(l, escaped, 4);
            n = 1;
        } else if (quoted && (c == '"' || c == '\\')) {
            char escaped[2] = {'\\', *s};
            put(l, escaped, 2);
        } else {
            put(l, s, n);
        }
        s += n;
    }
}

/* A number or a word stands as it is, anything else between quotes. */
static void put_value(struct line *l, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:{}+-";
    if (*text && text[strspn(text, plain)] == '\0') {
        put_str(l, text);
        return;
    }
    put(l, "\"", 1);
    put_plain(l, text, true);
    put(l, "\"", 1);
}

static void put_number(struct line *l, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    put_str(l, text);
}

size_t log_write_text(char out[LOG_LINE_MAX], const struct log_entry *e)
{
    struct line l = {.out = out};
    put_time(&l, &e->time);
    put(&l, " ", 1);
    put_str(&l, words[e->level]);
    put(&l, " ", 1);
    put_str(&l, e->part);
    put(&l, ": ", 2);
    put_plain(&l, e->message, false);
    for (size_t i = 0; i < e->n_fields && !l.full; i++) {
        size_t before = l.len;
        put(&l, " ", 1);
        put_str(&l, e->fields[i].name);
        put(&l, "=", 1);
        if (e->fields[i].text)
            put_value(&l, e->fields[i].text);
        else
            put_number(&l, e->fields[i].number);
        if (l.full)
            l.len = before;
    }
    out[l.len++] = '\n';
    return l.len;
}

static void put_unicode(struct line *l, unsigned c)
{
    char escaped[8];
    snprintf(escaped, sizeof escaped, "\\u%04x", c);
    put(l, escaped, 6);
}

/* Between quotes; bytes that are not UTF-8 become U+FFFD. */
static void put_escaped(struct line *l, const char *s)
{
    while (*s && !l->full) {
        size_t n = utf8_sequence(s, strnlen(s, 4));
        unsigned char c = (unsigned char)*s;
        if (n == 0) {
            put(l, "\xEF\xBF\xBD", 3);
            n = 1;
        } else if (is_hidden(s, n)) {
            put_unicode(l, n == 2 ? (unsigned char)s[1] : 0x2000u | ((unsigned char)s[2] & 0x3Fu));
        } else if (c < 0x20 || c == 0x7F) {
            put_unicode(l, c);
        } else if (c == '"' || c == '\\') {
            char escaped[2] = {'\\', *s};
            put(l, escaped, 2);
        } else {
            put(l, s, n);
        }
        s += n;
    }
}

static void put_member(struct line *l, const struct log_field *f)
{
    size_t before = l->len;
    put(l, ",\"", 2);
    put_str(l, f->name);
    put(l, "\":", 2);
    if (f->text) {
        put(l, "\"", 1);
        put_escaped(l, f->text);
        put(l, "\"", 1);
    } else {
        put_number(l, f->number);
    }
    if (l->full)
        l->len = before;
}

/* The fields come before the message: a long message must not push out the request it is about. */
size_t log_write_json(char out[LOG_LINE_MAX], const struct log_entry *e)
{
    struct line l = {.out = out};
    put_str(&l, "{\"time\":\"");
    put_time(&l, &e->time);
    put(&l, "\"", 1);
    put_member(&l, &(struct log_field){.name = "level", .text = words[e->level]});
    put_member(&l, &(struct log_field){.name = "part", .text = e->part});
    for (size_t i = 0; i < e->n_fields && !l.full; i++)
        put_member(&l, &e->fields[i]);
    l.full = false;
    put_str(&l, ",\"message\":\"");
    bool message = !l.full;
    put_escaped(&l, e->message);
    memcpy(out + l.len, message ? "\"}\n" : "}\n", message ? 3 : 2);
    return l.len + (message ? 3 : 2);
}
