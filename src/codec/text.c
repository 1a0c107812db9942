/* UUIDs and times as text. */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "codec/json_in.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(const char *s, size_t len, uint8_t out[16])
{
    if (len != 36)
        return ERR_INVALID;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (s[at++] != '-')
                return ERR_INVALID;
        }
        int high = hex_digit(s[at]), low = hex_digit(s[at + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return 0;
}

/* Four bytes as eight digits, all at once: an answer may have hundreds of these. */
static void put_hex(char out[8], const uint8_t b[4])
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t x = b[0] | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 32 | (uint64_t)b[3] << 48;
    x = (x >> 4 | x << 8) & 0x0F * each;
    uint64_t letters = (x + 6 * each) >> 4 & each;
    x = htole64(x + '0' * each + letters * ('a' - '9' - 1));
    memcpy(out, &x, sizeof x);
}

void uuid_format(const uint8_t b[16], char out[37])
{
    char digits[32];
    for (size_t i = 0; i < 16; i += 4)
        put_hex(digits + 2 * i, b + i);
    memcpy(out, digits, 8);
    memcpy(out + 9, digits + 8, 4);
    memcpy(out + 14, digits + 12, 4);
    memcpy(out + 19, digits + 16, 4);
    memcpy(out + 24, digits + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[36] = '\0';
}

/* --- times --- */

#define US_PER_DAY INT64_C(86400000000)
#define TIME_MAX_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

/* Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_from_date(int y, int m, int d)
{
    y -= m <= 2;
    int era = y / 400, year_of_era = y - era * 400;
    int day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int *y, int *m, int *d)
{
    days += 719468;
    int era = (int)(days / 146097), day_of_era = (int)(days - (int64_t)era * 146097);
    int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted = (5 * day_of_year + 2) / 153;
    *d = day_of_year - (153 * shifted + 2) / 5 + 1;
    *m = shifted < 10 ? shifted + 3 : shifted - 9;
    *y = year_of_era + era * 400 + (*m <= 2);
}

static int days_in_month(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    return m == 2 && leap ? 29 : days[m - 1];
}

struct cursor {
    const char *s, *end;
};

/* Exactly n digits as a number between lo and hi, or -1. */
static int take_number(struct cursor *c, int n, int lo, int hi)
{
    int v = 0;
    if (c->end - c->s < n)
        return -1;
    for (int i = 0; i < n; i++, c->s++) {
        if (*c->s < '0' || *c->s > '9')
            return -1;
        v = 10 * v + (*c->s - '0');
    }
    return v >= lo && v <= hi ? v : -1;
}

static bool take(struct cursor *c, char wanted)
{
    if (c->s == c->end || *c->s != wanted)
        return false;
    c->s++;
    return true;
}

/* ".123456789": microseconds; digits beyond the sixth are cut off, so a retry gives the same time. */
static int take_fraction(struct cursor *c)
{
    int us = 0, digits = 0;
    if (!take(c, '.'))
        return 0;
    for (; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++, digits++)
        if (digits < 6)
            us = 10 * us + (*c->s - '0');
    if (digits == 0)
        return -1;
    for (; digits < 6; digits++)
        us *= 10;
    return us;
}

/* "Z" or "+02:00": minutes ahead of UTC. */
static bool take_offset(struct cursor *c, int *minutes)
{
    *minutes = 0;
    if (take(c, 'Z') || take(c, 'z'))
        return true;
    int sign = take(c, '+') ? 1 : take(c, '-') ? -1 : 0;
    int hours = sign ? take_number(c, 2, 0, 23) : -1;
    if (hours < 0 || !take(c, ':'))
        return false;
    int rest = take_number(c, 2, 0, 59);
    *minutes = sign * (60 * hours + rest);
    return rest >= 0;
}

int time_parse(const char *s, size_t len, int64_t *us)
{
    if (len == 0) /* of a text that is absent, s is NULL */
        return ERR_INVALID;
    struct cursor c = {s, s + len};
    int minutes;
    int year = take_number(&c, 4, 1970, 9999);
    if (year < 0 || !take(&c, '-'))
        return ERR_INVALID;
    int month = take_number(&c, 2, 1, 12);
    if (month < 0 || !take(&c, '-'))
        return ERR_INVALID;
    int day = take_number(&c, 2, 1, days_in_month(year, month));
    if (day < 0 || !(take(&c, 'T') || take(&c, 't')))
        return ERR_INVALID;
    int hour = take_number(&c, 2, 0, 23);
    if (hour < 0 || !take(&c, ':'))
        return ERR_INVALID;
    int minute = take_number(&c, 2, 0, 59);
    if (minute < 0 || !take(&c, ':'))
        return ERR_INVALID;
    int second = take_number(&c, 2, 0, 59);
    if (second < 0)
        return ERR_INVALID;
    int fraction = take_fraction(&c);
    if (fraction < 0 || !take_offset(&c, &minutes) || c.s != c.end)
        return ERR_INVALID;
    int64_t seconds = (int64_t)hour * 3600 + (int64_t)(minute - minutes) * 60 + second;
    int64_t t = days_from_date(year, month, day) * US_PER_DAY + seconds * 1000000 + fraction;
    if (t < 0 || t > TIME_MAX_US)
        return ERR_INVALID;
    *us = t;
    return 0;
}

void time_format(int64_t us, char out[28])
{
    int y, m, d;
    us = us < 0 ? 0 : us > TIME_MAX_US ? TIME_MAX_US : us;
    date_from_days(us / US_PER_DAY, &y, &m, &d);
    int64_t rest = us % US_PER_DAY;
    unsigned second = (unsigned)(rest / 1000000), fraction = (unsigned)(rest % 1000000);
    char text[80];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02u:%02u:%02u.%06uZ", y, m, d, second / 3600,
             second / 60 % 60, second % 60, fraction);
    memcpy(out, text, 27);
    out[27] = '\0';
}
