#include "codec/json_scan.h"

#define EXPONENT_MAX 9999
#define EXACT_MAX (UINT64_C(1) << 53)

bool json_take_string(struct json_cursor *c, struct json_string *out)
{
    if (!json_take(c, '"'))
        return false;
    const char *from = c->at, *p = from, *end = c->end;
    bool escapes = false;
    unsigned char all = 0;
    for (; p < end && *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return false;
        all |= (unsigned char)*p;
        if (*p == '\\') {
            escapes = true;
            if (++p == end || (unsigned char)*p < 0x20)
                return false;
            all |= (unsigned char)*p;
        }
    }
    if (p == end)
        return false;
    *out = (struct json_string){{from, (size_t)(p - from)}, escapes, (all & 0x80) != 0};
    c->at = p + 1;
    return true;
}

/* How many; their value goes on from *value while it stays exact. */
static unsigned take_digits(struct json_cursor *c, uint64_t *value, bool *exact)
{
    const char *from = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (*value >= UINT64_C(100000000000000000)) /* ten of it have 18 digits */
            *exact = false;
        else
            *value = *value * 10 + (uint64_t)(*c->at - '0');
    }
    return (unsigned)(c->at - from);
}

static bool take_exponent(struct json_cursor *c, struct json_number *out)
{
    uint64_t value = 0;
    bool negative = false;
    c->at++;
    if (c->at < c->end && (*c->at == '+' || *c->at == '-'))
        negative = *c->at++ == '-';
    if (take_digits(c, &value, &out->exact) == 0)
        return false;
    if (value > EXPONENT_MAX)
        out->exact = false;
    else
        out->exponent += negative ? -(int)value : (int)value;
    return true;
}

bool json_take_number(struct json_cursor *c, struct json_number *out)
{
    if (!json_skip_blanks(c))
        return false;
    const char *from = c->at;
    *out = (struct json_number){.negative = *c->at == '-', .exact = true};
    c->at += out->negative;
    const char *first = c->at;
    unsigned n = take_digits(c, &out->digits, &out->exact);
    if (n == 0 || (n > 1 && *first == '0'))
        return false;
    if (c->at < c->end && *c->at == '.') {
        out->real = true;
        c->at++;
        n = take_digits(c, &out->digits, &out->exact);
        if (n == 0)
            return false;
        if (n > EXPONENT_MAX)
            out->exact = false;
        else
            out->exponent = -(int)n;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        out->real = true;
        if (!take_exponent(c, out))
            return false;
    }
    out->raw = (struct record_text){from, (size_t)(c->at - from)};
    return true;
}

/* Both factors are exact, so the one rounding of their product or quotient is the right one (W. D. Clinger,
 * How to read floating point numbers accurately, 1990). */
static bool real_value(const struct json_number *n, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (n->digits > EXACT_MAX || n->exponent < -22 || n->exponent > 22)
        return false;
    double d = (double)n->digits;
    d = n->exponent < 0 ? d / powers[-n->exponent] : d * powers[n->exponent];
    *out = n->negative ? -d : d;
    return true;
}

bool json_number_read(const struct json_number *n, double *out)
{
    if (!n->exact)
        return false;
    if (n->real)
        return real_value(n, out);
    int64_t whole = (int64_t)n->digits;
    *out = (double)(n->negative ? -whole : whole);
    return true;
}
