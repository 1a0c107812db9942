#include "core/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK 4096u
#define LARGEST_BLOCK ((size_t)1024 * 1024)
#define LARGEST_KEPT ((size_t)64 * 1024)

struct block {
    struct block *next; /* older */
    size_t cap, used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *newest;
    size_t size;
};

static struct block *block_new(struct arena *a, size_t cap)
{
    if (cap > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *b = malloc(sizeof *b + cap);
    if (!b)
        return NULL;
    b->next = a->newest;
    b->cap = cap;
    b->used = 0;
    a->newest = b;
    a->size += sizeof *b + cap;
    return b;
}

struct arena *arena_new(void)
{
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->size = sizeof *a;
    if (!block_new(a, FIRST_BLOCK - sizeof(struct block))) {
        free(a);
        return NULL;
    }
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    struct block *b = a->newest;
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    free(a);
}

void *arena_room(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    if (n > SIZE_MAX - align)
        return NULL;
    n = (n + align - 1) / align * align;
    struct block *b = a->newest;
    if (n > b->cap - b->used) {
        size_t cap = b->cap < LARGEST_BLOCK ? 2 * b->cap : b->cap;
        if (cap > LARGEST_BLOCK)
            cap = LARGEST_BLOCK;
        b = block_new(a, n > cap ? n : cap);
        if (!b)
            return NULL;
    }
    void *p = b->data + b->used;
    b->used += n;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = arena_room(a, n);
    if (p)
        memset(p, 0, n);
    return p;
}

char *arena_copy(struct arena *a, const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *p = arena_alloc(a, n + 1);
    if (p && n > 0)
        memcpy(p, s, n);
    return p;
}

/* The larger of two blocks that may be kept; the other is freed. The first block always may. */
static struct block *keep_one(struct arena *a, struct block *newer, struct block *older)
{
    bool newer_stays = newer->cap <= LARGEST_KEPT && newer->cap > older->cap;
    struct block *goes = newer_stays ? older : newer, *stays = newer_stays ? newer : older;
    stays->next = newer_stays ? older->next : stays->next;
    a->size -= sizeof *goes + goes->cap;
    free(goes);
    return stays;
}

void arena_reset(struct arena *a)
{
    while (a->newest->next)
        a->newest = keep_one(a, a->newest, a->newest->next);
    a->newest->used = 0;
}

size_t arena_size(const struct arena *a)
{
    return a->size;
}
