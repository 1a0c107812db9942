#include "cohortctl/values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MILLION 1000000
/* In ones: the largest millionths a bigint holds, rounded down. */
#define VALUE_LIMIT UINT64_C(9200000000000)

/* A number taken apart: digits[] without the point, times 10^exponent. */
struct decimal {
    char digits[64];
    int n, exponent;
    bool negative;
};

static bool take_exponent(const char **s, int *exponent)
{
    char *end;
    if (!isdigit((unsigned char)(*s)[strspn(*s, "+-") > 0 ? 1 : 0]))
        return false;
    long v = strtol(*s, &end, 10);
    *s = end;
    if (v < -400 || v > 400)
        return false;
    *exponent += (int)v;
    return true;
}

static bool take_apart(const char *s, struct decimal *d)
{
    bool point = false, any = false;
    *d = (struct decimal){.negative = *s == '-'};
    s += *s == '-' || *s == '+';
    for (; isdigit((unsigned char)*s) || (*s == '.' && !point); s++) {
        if (*s == '.') {
            point = true;
            continue;
        }
        any = true;
        d->exponent -= point;
        if (d->n == 0 && *s == '0')
            continue;
        if (d->n == (int)sizeof d->digits)
            return false;
        d->digits[d->n++] = *s;
    }
    if (any && (*s == 'e' || *s == 'E')) {
        s++;
        any = take_exponent(&s, &d->exponent);
    }
    return any && *s == '\0';
}

/* Whether the digits from `keep` on push the kept ones up: more than a half, or a half on an odd digit. */
static bool rounds_up(const struct decimal *d, int keep)
{
    if (keep < 0 || keep >= d->n)
        return false;
    bool odd = keep > 0 && (d->digits[keep - 1] - '0') % 2 == 1;
    return d->digits[keep] > '5' || (d->digits[keep] == '5' && (keep + 1 < d->n || odd));
}

int value_decimal(const char *s, int64_t *micro, bool *rounded, struct error *e)
{
    struct decimal d;
    if (*s == '\0')
        return error_set(e, ERR_INVALID, "", "is empty; write 0 for none");
    if (!take_apart(s, &d))
        return error_set(e, ERR_INVALID, "", "is no decimal number: '%.60s'", s);
    while (d.n > 0 && d.digits[d.n - 1] == '0') {
        d.n--;
        d.exponent++;
    }
    int keep = d.n == 0 ? 0 : d.n + d.exponent + 6;
    uint64_t v = 0;
    for (int i = 0; i < keep && keep <= 19; i++)
        v = v * 10 + (uint64_t)(i < d.n ? d.digits[i] - '0' : 0);
    v += rounds_up(&d, keep);
    if (keep > 19 || v >= VALUE_LIMIT * MILLION)
        return error_set(e, ERR_INVALID, "", "is too large: '%.60s'; at most 9.2e12", s);
    *rounded = keep < d.n;
    *micro = d.negative ? -(int64_t)v : (int64_t)v;
    return 0;
}

int value_binary(const char *s, bool *out, struct error *e)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(s, words[i]) == 0) {
            *out = i % 2;
            return 0;
        }
    if (*s == '\0')
        return error_set(e, ERR_INVALID, "", "is empty; write 0 or 1");
    return error_set(e, ERR_INVALID, "", "is neither yes nor no: '%.60s'; write 0, 1, true, false, yes or no",
                     s);
}

int value_key(const char *name, char out[KEY_MAX + 1], struct error *e)
{
    size_t n = 0;
    bool gap = false;
    for (const char *s = name; *s; s++) {
        int b = tolower((unsigned char)*s);
        bool kept = (b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '_' || b == '.' || b == '-';
        if (!kept || (n == 0 && !isalnum(b))) {
            gap = n > 0;
            continue;
        }
        if (n + gap + 1 > KEY_MAX)
            return error_set(e, ERR_INVALID, "", "is too long for a key: '%.60s…'; at most %d bytes", name,
                             KEY_MAX);
        if (gap)
            out[n++] = '_';
        out[n++] = (char)b;
        gap = false;
    }
    out[n] = '\0';
    if (n == 0)
        return error_set(e, ERR_INVALID, "", "has no letter or digit to make a key of: '%.60s'", name);
    return 0;
}

int value_count(const char *option, const char *s, int64_t min, int64_t max, int64_t *out, struct error *e)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (!isdigit((unsigned char)*s) || *end != '\0' || errno != 0 || v < min || v > max)
        return error_set(e, ERR_INVALID, option,
                         "takes a whole number from %" PRId64 " to %" PRId64 ", not '%.60s'", min, max, s);
    *out = v;
    return 0;
}

int value_number(const char *option, const char *s, double min, double max, double *out, struct error *e)
{
    char *end;
    double v = strtod(s, &end);
    if (*s == '\0' || *end != '\0' || !isfinite(v) || v < min || v > max)
        return error_set(e, ERR_INVALID, option, "takes a number from %g to %g, not '%.60s'", min, max, s);
    *out = v;
    return 0;
}
