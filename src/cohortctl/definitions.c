#include "cohortctl/definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/definitions_private.h"
#include "cohortctl/request.h"

void definitions_free(struct definitions *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->items[i].file);
        json_decref(d->items[i].doc);
    }
    free(d->items);
    *d = (struct definitions){0};
}

const struct definition *definitions_find(const struct definitions *d, const struct kind *k, const char *key)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i].kind == k && strcmp(d->items[i].key, key) == 0)
            return &d->items[i];
    return NULL;
}

int definitions_add(struct definitions *d, const struct kind *k, const char *key, const char *file,
                    json_t *doc, struct error *e)
{
    struct definition *items = realloc(d->items, (d->n + 1) * sizeof *items);
    char *name = file ? strdup(file) : NULL;
    if (items)
        d->items = items;
    if (!items || !doc || (file && !name)) {
        free(name);
        json_decref(doc);
        return error_set(e, ERR_NOMEM, "", "out of memory");
    }
    struct definition *x = &d->items[d->n++];
    *x = (struct definition){.kind = k, .file = name, .doc = doc};
    snprintf(x->key, sizeof x->key, "%s", key);
    json_object_del(doc, "key");
    return 0;
}

static int in_order(const void *a, const void *b)
{
    const struct definition *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return strcmp(x->key, y->key);
}

void definitions_sort(struct definitions *d)
{
    if (d->n > 0)
        qsort(d->items, d->n, sizeof *d->items, in_order);
}

/* Lists are short on details; each is asked for. */
static int fetch_one(struct client *client, struct definitions *d, const struct kind *k, const char *key,
                     struct error *e)
{
    char path[400];
    json_t *doc = NULL;
    int rc = kind_path(k, k->name, key, path, sizeof path, e);
    if (rc == 0)
        rc = client_json(client, "GET", path, NULL, &doc, e);
    if (rc == 0)
        rc = definitions_add(d, k, key, NULL, kind_writable(k, doc), e);
    json_decref(doc);
    return rc == ERR_NOT_FOUND ? 0 : rc; /* deleted since it was listed */
}

static int fetch_kind(struct client *client, struct definitions *d, const struct kind *k, struct error *e)
{
    char path[64];
    json_t *list, *item;
    size_t i;
    snprintf(path, sizeof path, "/v1/%s", k->name);
    int rc = request_all(client, path, k->member, &list, e);
    if (rc < 0)
        return rc;
    json_array_foreach(list, i, item)
    {
        const char *key = json_string_value(json_object_get(item, "key"));
        const char *origin = json_string_value(json_object_get(item, "origin"));
        if (!key || (origin && strcmp(origin, "imported") == 0))
            continue; /* data of elsewhere, no definition */
        if ((rc = fetch_one(client, d, k, key, e)) < 0)
            break;
    }
    json_decref(list);
    return rc;
}

int definitions_fetch(struct client *client, struct definitions *d, struct error *e)
{
    size_t n;
    const struct kind *kinds = kind_all(&n);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fetch_kind(client, d, &kinds[i], e);
    if (rc == 0)
        definitions_sort(d);
    else
        definitions_free(d);
    return rc;
}

int definitions_fetch_same(struct client *client, const struct definitions *wanted, struct definitions *d,
                           struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < wanted->n && rc == 0; i++)
        rc = fetch_one(client, d, wanted->items[i].kind, wanted->items[i].key, e);
    if (rc < 0)
        definitions_free(d);
    return rc;
}
