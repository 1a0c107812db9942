#include "core/plan_set.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct plan_set {
    atomic_uint refs;
    int64_t version, stop_version;
    size_t n;
    const struct plan *plans[]; /* by environment */
};

static int by_environment(const void *a, const void *b)
{
    const struct plan *const *x = a, *const *y = b;
    return strcmp(plan_environment(*x), plan_environment(*y));
}

int plan_set_new(struct plan *const *plans, size_t n, int64_t version, int64_t stop_version,
                 struct plan_set **out, struct error *e)
{
    *out = NULL;
    if (n == 0)
        return error_set(e, ERR_INVALID, NULL, "there is no environment");
    struct plan_set *s =
        n <= SIZE_MAX / sizeof *s->plans - sizeof *s ? calloc(1, sizeof *s + n * sizeof *s->plans) : NULL;
    if (!s)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    for (size_t i = 0; i < n; i++)
        s->plans[i] = plans[i];
    qsort(s->plans, n, sizeof *s->plans, by_environment);
    for (size_t i = 1; i < n; i++)
        if (by_environment(&s->plans[i - 1], &s->plans[i]) == 0) {
            int rc = error_set(e, ERR_INVALID, NULL, "environment %s is there twice",
                               plan_environment(s->plans[i]));
            free(s);
            return rc;
        }
    for (size_t i = 0; i < n; i++)
        plan_ref(s->plans[i]);
    s->n = n;
    s->version = version;
    s->stop_version = stop_version;
    atomic_init(&s->refs, 1);
    *out = s;
    return 0;
}

struct plan_set *plan_set_ref(const struct plan_set *s)
{
    struct plan_set *shared = (struct plan_set *)s;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void plan_set_unref(const struct plan_set *s)
{
    struct plan_set *shared = (struct plan_set *)s;
    if (!shared || atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < shared->n; i++)
        plan_unref(shared->plans[i]);
    free(shared);
}

int64_t plan_set_version(const struct plan_set *s)
{
    return s->version;
}

int64_t plan_set_stop_version(const struct plan_set *s)
{
    return s->stop_version;
}

size_t plan_set_count(const struct plan_set *s)
{
    return s->n;
}

const struct plan *plan_set_at(const struct plan_set *s, size_t i)
{
    return s->plans[i];
}

const struct plan *plan_set_find(const struct plan_set *s, const char *environment, size_t len)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *name = plan_environment(s->plans[i]);
        if (strlen(name) == len && memcmp(name, environment, len) == 0)
            return s->plans[i];
    }
    return NULL;
}

const struct plan_api_key *plan_set_find_key(const struct plan_set *s, const char *presented, size_t len,
                                             const struct plan **plan)
{
    const struct plan_api_key *found = NULL;
    *plan = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct plan_api_key *key = plan_api_key_find(s->plans[i], presented, len);
        if (key) {
            found = key;
            *plan = s->plans[i];
        }
    }
    return found;
}

size_t plan_set_size(const struct plan_set *s)
{
    size_t size = sizeof *s + s->n * sizeof *s->plans;
    for (size_t i = 0; i < s->n; i++)
        size += plan_size(s->plans[i]);
    return size;
}
