#include "failing_alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static atomic_bool armed, failed, paused;
static atomic_long counted;
static _Atomic enum failing_mode how;
static atomic_long from;

void failing_arm(enum failing_mode mode, long n)
{
    atomic_store(&how, mode);
    atomic_store(&from, n);
    atomic_store(&counted, 0);
    atomic_store(&failed, false);
    atomic_store(&armed, true);
}

bool failing_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&failed);
}

void failing_pause(bool pause)
{
    atomic_store(&paused, pause);
}

long failing_count(void)
{
    return atomic_load(&counted);
}

static bool fails(void)
{
    if (!atomic_load(&armed) || atomic_load(&paused))
        return false;
    long n = atomic_fetch_add(&counted, 1), first = atomic_load(&from);
    bool now = n == first || (n > first && atomic_load(&how) == FAIL_ALL);
    if (now)
        atomic_store(&failed, true);
    return now;
}

void *failing_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *failing_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_malloc(size_t n)
{
    return failing_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return failing_realloc(p, n);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}
