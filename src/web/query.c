#include "web/query.h"

#include <string.h>

#include "core/unit.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool query_decode(const char *raw, size_t n, char *out, size_t cap, size_t *out_len)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++, k++) {
        if (k == cap)
            return false;
        out[k] = raw[i];
        if (raw[i] == '%' && i + 2 < n && hex(raw[i + 1]) >= 0 && hex(raw[i + 2]) >= 0) {
            out[k] = (char)(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
            i += 2;
        }
        if (out[k] == '\0')
            return false;
    }
    out[k] = '\0';
    *out_len = k;
    return utf8_valid(out, k);
}

int query_next(const char **query, struct query_param *out)
{
    size_t len;
    *query += strspn(*query, "&");
    const char *p = *query;
    size_t n = strcspn(p, "&");
    if (n == 0)
        return 0;
    *query = p + n;
    const char *equals = memchr(p, '=', n);
    size_t name = equals ? (size_t)(equals - p) : n;
    if (!query_decode(p, name, out->name, QUERY_NAME_MAX, &len))
        return -1;
    if (!query_decode(equals ? equals + 1 : "", equals ? n - name - 1 : 0, out->value, QUERY_VALUE_MAX, &len))
        return -1;
    return 1;
}
