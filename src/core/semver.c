#include "core/semver.h"

#include <stdbool.h>
#include <string.h>

#define NUMBER_WIDTH 20u

/* A version as the characters of a text in which plain comparison gives the order: numbers are filled with
 * blanks on the left to one width, parts are joined by hyphens, and a version of three parts ends in "-~". */
struct reader {
    const char *at, *end;
    size_t pad;  /* blanks to give before the next character */
    size_t tail; /* of "-~": characters to give behind the end */
};

static bool parts_end(const struct reader *r, const char *s)
{
    return s == r->end || *s == '-' || *s == '.';
}

/* At the start of a part: how many blanks it needs. */
static void start_part(struct reader *r)
{
    const char *s = r->at;
    while (!parts_end(r, s) && *s >= '0' && *s <= '9')
        s++;
    size_t digits = (size_t)(s - r->at);
    r->pad = digits > 0 && parts_end(r, s) && digits < NUMBER_WIDTH ? NUMBER_WIDTH - digits : 0;
}

static struct reader open_version(const char *s, size_t len)
{
    if (len > 0 && s[0] == 'v') {
        s++;
        len--;
    }
    const char *build = memchr(s, '+', len);
    struct reader r = {.at = s, .end = build ? build : s + len};
    size_t parts = 1;
    for (const char *c = r.at; c < r.end; c++)
        parts += *c == '-' || *c == '.';
    r.tail = parts == 3 ? 2 : 0;
    start_part(&r);
    return r;
}

/* The next character, or -1 behind the last. */
static int next(struct reader *r)
{
    if (r->pad > 0) {
        r->pad--;
        return ' ';
    }
    if (r->at == r->end) {
        if (r->tail == 0)
            return -1;
        return r->tail-- == 2 ? '-' : '~';
    }
    unsigned char c = (unsigned char)*r->at++;
    if (c != '-' && c != '.')
        return c;
    start_part(r);
    return '-';
}

int semver_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct reader x = open_version(a, a_len), y = open_version(b, b_len);
    for (;;) {
        int p = next(&x), q = next(&y);
        if (p != q || p < 0)
            return (p > q) - (p < q);
    }
}
