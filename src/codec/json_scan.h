/* Pieces of JSON's grammar, for readers that take a text apart without a tree of values. */
#ifndef COHORT_CODEC_JSON_SCAN_H
#define COHORT_CODEC_JSON_SCAN_H

#include <stdbool.h>

#include "codec/record.h"

/* Each function skips blanks, takes what it is named after and moves behind it; false: something else is
 * there, and the cursor may stand anywhere. */
struct json_cursor {
    const char *at, *end;
};

/* To the next byte that is no blank; false at the end. */
static inline bool json_skip_blanks(struct json_cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n'))
        c->at++;
    return c->at < c->end;
}

static inline bool json_take(struct json_cursor *c, char byte)
{
    if (!json_skip_blanks(c) || *c->at != byte)
        return false;
    c->at++;
    return true;
}

/* A string as it is written between its quotes. */
struct json_string {
    struct record_text raw;
    bool escapes;   /* it has some */
    bool non_ascii; /* it has bytes above 0x7F; whether they are UTF-8 nobody has looked */
};
bool json_take_string(struct json_cursor *c, struct json_string *out);

/* A number as it is written: digits of its whole part, fraction and exponent. */
struct json_number {
    struct record_text raw;
    bool negative, real; /* real: a fraction or an exponent is written */
    bool exact;          /* digits and exponent hold all of it; else they say nothing */
    uint64_t digits;     /* whole part and fraction as one number */
    int exponent;        /* of ten, with which digits is to be multiplied */
};
bool json_take_number(struct json_cursor *c, struct json_number *out);

/* The double nearest to it, where that needs no long arithmetic; false: use strtod. An integer reads as what
 * an int64_t of it converts to (so -0 is 0.0, and one beyond its range is false). */
bool json_number_read(const struct json_number *n, double *out);

#endif
