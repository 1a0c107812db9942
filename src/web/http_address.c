#include "web/http_address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static bool is_v4(const struct http_address *a)
{
    return !a->local && memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

void http_address_of(struct http_address *out, const struct sockaddr *address)
{
    *out = (struct http_address){0};
    if (address->sa_family == AF_INET) {
        memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
        memcpy(out->bytes + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    } else {
        out->local = true;
    }
}

bool http_address_parse(struct http_address *out, const char *text, size_t len)
{
    char copy[HTTP_ADDRESS_TEXT];
    *out = (struct http_address){0};
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (strlen(copy) != len)
        return false;
    if (inet_pton(AF_INET6, copy, out->bytes) == 1)
        return true;
    memcpy(out->bytes, v4_prefix, sizeof v4_prefix);
    return inet_pton(AF_INET, copy, out->bytes + 12) == 1;
}

void http_address_text(const struct http_address *a, char out[HTTP_ADDRESS_TEXT])
{
    bool v4 = is_v4(a);
    if (a->local || !inet_ntop(v4 ? AF_INET : AF_INET6, a->bytes + (v4 ? 12 : 0), out, HTTP_ADDRESS_TEXT))
        strcpy(out, "local");
}

void http_address_key(const struct http_address *a, uint8_t key[HTTP_ADDRESS_KEY])
{
    bool v4 = is_v4(a);
    memset(key, 0, HTTP_ADDRESS_KEY);
    if (a->local)
        return;
    key[0] = v4 ? 4 : 6;
    memcpy(key + 1, a->bytes + (v4 ? 12 : 0), v4 ? 4 : 8);
}

/* Trust. */

struct network {
    uint8_t bytes[16];
    unsigned bits;
};

struct http_trust {
    bool local;
    size_t n;
    struct network networks[];
};

static bool within(const struct network *n, const uint8_t bytes[16])
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || ((n->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

/* Nothing behind the prefix: 10.0.0.1/8 was meant as 10.0.0.0/8, or as 10.0.0.1. */
static bool ends_with_prefix(const struct network *n)
{
    struct network zero = {.bits = n->bits};
    for (unsigned i = 0; i < n->bits; i++)
        zero.bytes[i / 8] |= n->bytes[i / 8] & (uint8_t)(0x80 >> i % 8);
    return memcmp(zero.bytes, n->bytes, sizeof zero.bytes) == 0;
}

static bool parse_bits(const char *p, size_t len, unsigned max, unsigned *bits)
{
    *bits = 0;
    if (len == 0 || len > 3 || (len > 1 && *p == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *bits = *bits * 10 + (unsigned)(p[i] - '0');
    }
    return *bits <= max;
}

static int parse_network(struct network *n, const char *p, size_t len, struct error *e)
{
    struct http_address a;
    const char *slash = memchr(p, '/', len);
    size_t head = slash ? (size_t)(slash - p) : len;
    bool good = http_address_parse(&a, p, head);
    unsigned before = good && is_v4(&a) && !memchr(p, ':', head) ? 96 : 0, bits = 128 - before;
    if (good && slash)
        good = parse_bits(slash + 1, len - head - 1, 128 - before, &bits);
    memcpy(n->bytes, a.bytes, sizeof n->bytes);
    n->bits = before + bits;
    if (!good)
        return error_set(
            e, ERR_INVALID, NULL,
            "\"%.*s\" is not an address (192.0.2.1), a network (10.0.0.0/8, 2001:db8::/32) or unix", (int)len,
            p);
    if (!ends_with_prefix(n))
        return error_set(e, ERR_INVALID, NULL, "\"%.*s\" has bits set behind its first %u", (int)len, p,
                         bits);
    return ERR_OK;
}

int http_trust_new(struct http_trust **out, const char *list, struct error *e)
{
    size_t most = strlen(list) / 2 + 1;
    struct http_trust *t = calloc(1, sizeof *t + most * sizeof t->networks[0]);
    int code = t ? ERR_OK : error_set(e, ERR_NOMEM, NULL, "out of memory");
    for (const char *p = list + strspn(list, " \t"); code == ERR_OK && *p; p += strspn(p, " \t")) {
        size_t len = strcspn(p, " \t");
        if (len == 4 && memcmp(p, "unix", 4) == 0)
            t->local = true;
        else
            code = parse_network(&t->networks[t->n++], p, len, e);
        p += len;
    }
    if (code != ERR_OK) {
        free(t);
        t = NULL;
    }
    *out = t;
    return code;
}

void http_trust_free(struct http_trust *t)
{
    free(t);
}

bool http_trusts(const struct http_trust *t, const struct http_address *a)
{
    if (!t || a->local)
        return t && t->local;
    for (size_t i = 0; i < t->n; i++) {
        if (within(&t->networks[i], a->bytes))
            return true;
    }
    return false;
}

void http_forwarded_for(struct http_address *client, const struct http_trust *t, const char *field)
{
    const char *end = field + strlen(field);
    while (http_trusts(t, client)) {
        const char *comma = end;
        while (comma > field && comma[-1] != ',')
            comma--;
        const char *from = comma, *to = end;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        struct http_address next;
        if (!http_address_parse(&next, from, (size_t)(to - from)))
            return;
        *client = next;
        if (comma == field)
            return;
        end = comma - 1;
    }
}
