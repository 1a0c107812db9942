#include "codec/json_tame.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

enum fit { FITS, TOO_LONG, TOO_LARGE };

/* token ends in a byte that is no part of a number, or NUL. */
static enum fit number_fit(const char *token, size_t n)
{
    bool integer = !memchr(token, '.', n) && !memchr(token, 'e', n) && !memchr(token, 'E', n);
    if (isinf(strtod(token, NULL)))
        return TOO_LARGE;
    if (!integer)
        return FITS;
    errno = 0;
    (void)strtoll(token, NULL, 10); /* whether it is out of range is all that is asked */
    return errno == ERANGE ? TOO_LONG : FITS;
}

static size_t string_end(const char *s, size_t i, size_t len)
{
    for (i++; i < len && s[i] != '"'; i++)
        if (s[i] == '\\')
            i++;
    return i < len ? i + 1 : len;
}

static size_t number_end(const char *s, size_t i, size_t len)
{
    while (i < len && number_byte(s[i]))
        i++;
    return i;
}

char *json_tame_numbers(const char *text, size_t len, size_t *out_len, size_t *n_strings)
{
    *n_strings = 0;
    /* A number that needs two more bytes has five itself ("9e308") and a separator behind it. */
    if (len > ((size_t)-1 - 4) / 2)
        return NULL;
    char *in = malloc(len + 1), *out = malloc(len + len / 2 + 4);
    if (!in || !out) {
        free(in);
        free(out);
        return NULL;
    }
    memcpy(in, text, len);
    in[len] = '\0';
    size_t i = 0, o = 0;
    while (i < len) {
        bool digit = in[i] == '-' || (in[i] >= '0' && in[i] <= '9');
        size_t end = digit ? number_end(in, i, len) : in[i] == '"' ? string_end(in, i, len) : i + 1;
        enum fit fit = digit ? number_fit(in + i, end - i) : FITS;
        if (fit == TOO_LARGE) {
            out[o++] = '"';
            (*n_strings)++;
        }
        memcpy(out + o, in + i, end - i);
        o += end - i;
        if (fit == TOO_LARGE) {
            out[o++] = '"';
        } else if (fit == TOO_LONG) {
            memcpy(out + o, "e0", 2);
            o += 2;
        }
        i = end;
    }
    out[o] = '\0';
    *out_len = o;
    free(in);
    return out;
}
