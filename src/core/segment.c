#include "core/segment.h"

#include <stdint.h>
#include <string.h>

#include "core/condition.h"
#include "core/value_set.h"

#define BUCKETS 1024u

enum state { STATE_NEW, STATE_COMPILING, STATE_DONE, STATE_REFUSED };

struct segment {
    struct segment *next; /* in its bucket */
    const char *key;
    size_t key_len;
    const struct value_set *list; /* or: */
    const struct attr *definition;
    enum state state;
    const struct condition *condition; /* STATE_DONE */
    const char *refused;               /* STATE_REFUSED: why */
};

struct segments {
    struct arena *arena;
    unsigned compiling; /* segments that are being compiled, one because of another */
    struct segment *buckets[BUCKETS];
};

struct segments *segments_new(struct arena *a)
{
    struct segments *s = arena_alloc(a, sizeof *s);
    if (s)
        s->arena = a;
    return s;
}

/* --- by name --- */

static uint32_t bucket_of(const char *key, size_t len)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    return hash % BUCKETS;
}

static struct segment *find(const struct segments *s, const char *key, size_t len)
{
    struct segment *g = s ? s->buckets[bucket_of(key, len)] : NULL;
    while (g && (g->key_len != len || memcmp(g->key, key, len) != 0))
        g = g->next;
    return g;
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

static int add(struct segments *s, const char *key, struct segment **out, struct error *e)
{
    size_t len = strlen(key);
    if (find(s, key, len))
        return error_set(e, ERR_INVALID, key, "two segments have this key");
    struct segment *g = arena_alloc(s->arena, sizeof *g);
    const char *copy = arena_copy(s->arena, key, len);
    if (!g || !copy)
        return no_memory(e);
    uint32_t bucket = bucket_of(key, len);
    *g = (struct segment){.next = s->buckets[bucket], .key = copy, .key_len = len};
    s->buckets[bucket] = g;
    *out = g;
    return 0;
}

/* --- lists --- */

static int check_list(const char *key, const struct attr *list, struct error *e)
{
    if (list->type != ATTR_ARRAY)
        return error_set(e, ERR_INVALID, key, "the list of a segment must be an array");
    if (list->u.array.n > SEGMENT_LIST_MAX)
        return error_set(e, ERR_LIMIT, key, "a segment lists at most %d values, not %zu", SEGMENT_LIST_MAX,
                         list->u.array.n);
    for (size_t i = 0; i < list->u.array.n; i++) {
        const struct attr *v = &list->u.array.items[i];
        if (v->type == ATTR_ARRAY || v->type == ATTR_OBJECT)
            return error_set(e, ERR_INVALID, key, "value %zu of a segment's list is neither text nor number",
                             i + 1);
        if (v->type == ATTR_STRING && v->u.string.len > SEGMENT_ENTRY_MAX)
            return error_set(e, ERR_LIMIT, key, "value %zu of a segment's list has more than %d bytes", i + 1,
                             SEGMENT_ENTRY_MAX);
    }
    return 0;
}

int segments_add_list(struct segments *s, const char *key, const struct attr *list, struct error *e)
{
    struct segment *g;
    int rc = check_list(key, list, e);
    if (rc == 0)
        rc = add(s, key, &g, e);
    if (rc)
        return rc;
    g->list = value_set_new(s->arena, list, false);
    return g->list ? 0 : no_memory(e);
}

const struct value_set *segments_list(const struct segments *s, const char *key, size_t len)
{
    const struct segment *g = find(s, key, len);
    return g ? g->list : NULL;
}

/* --- conditions --- */

int segments_add_condition(struct segments *s, const char *key, const struct attr *definition,
                           struct error *e)
{
    struct segment *g;
    int rc = add(s, key, &g, e);
    if (rc == 0)
        g->definition = definition;
    return rc;
}

static int compile(struct segments *s, struct segment *g, struct error *e)
{
    struct error own;
    error_clear(&own);
    g->state = STATE_COMPILING;
    s->compiling++;
    int rc = s->compiling > SEGMENT_LEVELS
                 ? error_set(&own, ERR_INVALID, g->key, "segments refer to segments more than %d deep",
                             SEGMENT_LEVELS)
                 : condition_compile(s->arena, g->definition, s, &g->condition, &own);
    s->compiling--;
    g->state = rc == 0 ? STATE_DONE : STATE_REFUSED;
    if (rc == 0)
        return 0;
    g->condition = NULL;
    g->refused = arena_copy(s->arena, own.text, strlen(own.text));
    if (rc == ERR_NOMEM || !g->refused)
        return no_memory(e);
    return error_set(e, ERR_INVALID, own.place, "%s", own.text);
}

int segments_condition(struct segments *s, const char *key, size_t len, const struct condition **out,
                       struct error *e)
{
    struct segment *g = find(s, key, len);
    *out = NULL;
    if (!g || !g->definition)
        return error_set(e, ERR_NOT_FOUND, key, "there is no segment %.100s with a condition", key);
    if (g->state == STATE_COMPILING)
        return error_set(e, ERR_INVALID, g->key, "the segment %.100s refers to itself", g->key);
    if (g->state == STATE_REFUSED)
        return error_set(e, ERR_INVALID, g->key, "the segment %.100s is refused: %s", g->key, g->refused);
    int rc = g->state == STATE_NEW ? compile(s, g, e) : 0;
    if (rc == 0)
        *out = g->condition;
    return rc;
}
