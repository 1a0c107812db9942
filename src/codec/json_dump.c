#include "codec/json_dump.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *s;
    size_t len, cap;
    bool failed; /* sticks */
};

static bool grow(struct text *t, size_t need)
{
    size_t cap = t->cap ? t->cap : 256;
    while (cap < need)
        cap *= 2;
    char *s = cap > t->cap ? realloc(t->s, cap) : t->s;
    if (!s)
        return false;
    t->s = s;
    t->cap = cap;
    return true;
}

static int add(const char *bytes, size_t n, void *arg)
{
    struct text *t = arg;
    if (t->failed || !grow(t, t->len + n + 1)) {
        t->failed = true;
        return -1;
    }
    memcpy(t->s + t->len, bytes, n);
    t->len += n;
    return 0;
}

char *json_dump_text(const json_t *v, size_t flags)
{
    struct text t = {0};
    if (json_dump_callback(v, add, &t, flags | JSON_ENCODE_ANY) != 0 || add("", 1, &t) != 0) {
        free(t.s);
        return NULL;
    }
    return t.s;
}
