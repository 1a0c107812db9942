#include "web/http_chunk.h"

enum {
    SIZE,
    EXTENSION,
    QUOTED, /* in a quoted value of an extension */
    ESCAPED,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    OVER
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int take_size(struct http_chunk *d, char c, struct http_refusal *why)
{
    int v = hex_value(c);
    if (v >= 0) {
        if (++d->digits > 8)
            return http_refuse(why, 400, "A chunk's size has more than 8 digits.");
        d->left = d->left << 4 | (uint32_t)v;
        return SIZE;
    }
    if (d->digits > 0 && c == '\r')
        return SIZE_LF;
    if (d->digits > 0 && c == ';')
        return EXTENSION;
    return http_refuse(why, 400, "A chunk's size is not hexadecimal digits and then CR LF.");
}

/* A line end in quotes is refused: a program that looks at quotes would read on where we stop. */
static int take_extension(struct http_chunk *d, char c, struct http_refusal *why)
{
    if (c == '\r' && d->state == EXTENSION)
        return SIZE_LF;
    if (!http_is_value_char((unsigned char)c))
        return http_refuse(why, 400, "A chunk's extension has a control character.");
    if (++d->extensions > HTTP_MAX_EXTENSIONS)
        return http_refuse(why, 400, "The chunks have too many extensions.");
    if (d->state == QUOTED && c == '\\')
        return ESCAPED;
    if (d->state == ESCAPED || (c == '"') != (d->state == QUOTED))
        return QUOTED;
    return EXTENSION;
}

static int end_size(struct http_chunk *d, char c, const struct buffer *out, size_t max,
                    struct http_refusal *why)
{
    if (c != '\n')
        return http_refuse(why, 400, "A chunk's size line does not end in CR LF.");
    d->line = 0;
    d->digits = 0;
    if (d->left == 0)
        return TRAILER_START;
    if (d->left > max - out->len)
        return http_refuse(why, 413, "The body is larger than this path takes.");
    return DATA;
}

static int take_trailer(struct http_chunk *d, char c, struct http_refusal *why)
{
    if (++d->trailers > HTTP_MAX_TRAILERS)
        return http_refuse(why, 431, "The trailer fields are too large.");
    switch (d->state) {
    case TRAILER_START:
        if (c == '\r')
            return LAST_LF;
        if (http_is_token_char((unsigned char)c))
            return TRAILER_NAME;
        break;
    case TRAILER_NAME:
        if (c == ':')
            return TRAILER_VALUE;
        if (http_is_token_char((unsigned char)c))
            return TRAILER_NAME;
        break;
    case TRAILER_VALUE:
        if (c == '\r')
            return TRAILER_LF;
        if (http_is_value_char((unsigned char)c))
            return TRAILER_VALUE;
        break;
    case TRAILER_LF:
        if (c == '\n')
            return TRAILER_START;
        break;
    default: /* LAST_LF */
        if (c == '\n')
            return OVER;
        break;
    }
    return http_refuse(why, 400, "What follows the last chunk is not trailer fields and an empty line.");
}

/* The state after one byte of framing, or -1. */
static int take_byte(struct http_chunk *d, char c, const struct buffer *out, size_t max,
                     struct http_refusal *why)
{
    if (d->state <= SIZE_LF && ++d->line > HTTP_MAX_CHUNK_LINE)
        return http_refuse(why, 400, "A chunk's size line is too long.");
    switch (d->state) {
    case SIZE:
        return take_size(d, c, why);
    case EXTENSION:
    case QUOTED:
    case ESCAPED:
        return take_extension(d, c, why);
    case SIZE_LF:
        return end_size(d, c, out, max, why);
    case DATA_CR:
        if (c == '\r')
            return DATA_LF;
        return http_refuse(why, 400, "A chunk is longer than its size says.");
    case DATA_LF:
        if (c == '\n')
            return SIZE;
        return http_refuse(why, 400, "A chunk does not end in CR LF.");
    default:
        return take_trailer(d, c, why);
    }
}

enum http_progress http_chunk_feed(struct http_chunk *d, const char *p, size_t n, size_t *used,
                                   struct buffer *out, size_t max, struct http_refusal *why)
{
    size_t i = 0;
    while (i < n && d->state != OVER) {
        if (d->state == DATA) {
            size_t take = n - i < d->left ? n - i : d->left;
            buffer_add(out, p + i, take);
            if (out->failed) {
                http_refuse(why, 503, "There is no memory for the body now.");
                return HTTP_REFUSED;
            }
            d->left -= (uint32_t)take;
            i += take;
            if (d->left == 0)
                d->state = DATA_CR;
            continue;
        }
        int next = take_byte(d, p[i++], out, max, why);
        if (next < 0)
            return HTTP_REFUSED;
        d->state = next;
    }
    *used = i;
    return d->state == OVER ? HTTP_DONE : HTTP_MORE;
}
