#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cohortctl/definitions_private.h"
#include "cohortctl/json_text.h"

static int failed(const char *path, struct error *e)
{
    return error_set(e, ERR_IO, path, "%s", strerror(errno));
}

static int make_dir(const char *path, struct error *e)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ? 0 : failed(path, e);
}

/* A file that says the same keeps its time. */
static bool holds(const char *path, const char *text)
{
    size_t n = strlen(text), i = 0;
    FILE *f = fopen(path, "r");
    int c = EOF;
    if (!f)
        return false;
    while ((c = getc(f)) != EOF && i < n && c == (unsigned char)text[i])
        i++;
    bool newline = c == '\n' && i == n && getc(f) == EOF;
    fclose(f);
    return newline;
}

static int save_one(const struct definition *x, const char *dir, struct saved *out, struct error *e)
{
    char path[4096];
    json_t *doc = json_copy(x->doc);
    json_object_set_new(doc, "key", json_string(x->key));
    char *text = json_text(doc, true);
    json_decref(doc);
    if (!text)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    int rc = 0;
    snprintf(path, sizeof path, "%s/%s/%s.json", dir, x->kind->name, x->key);
    if (!holds(path, text)) {
        FILE *f = fopen(path, "w");
        bool ok = f && fprintf(f, "%s\n", text) > 0;
        if (f && fclose(f) != 0)
            ok = false;
        out->written += ok;
        rc = ok ? 0 : failed(path, e);
    }
    free(text);
    return rc;
}

/* Takes away the files of what is there no more, so that git shows it. */
static int sweep(const struct definitions *d, const struct kind *k, const char *dir, struct saved *out,
                 struct error *e)
{
    char path[4096], key[128];
    struct dirent *entry;
    int rc = 0;
    snprintf(path, sizeof path, "%s/%s", dir, k->name);
    DIR *open_dir = opendir(path);
    if (!open_dir)
        return errno == ENOENT ? 0 : failed(path, e);
    while (rc == 0 && (entry = readdir(open_dir))) {
        size_t n = strlen(entry->d_name);
        if (n < 6 || n - 5 >= sizeof key || strcmp(entry->d_name + n - 5, ".json") != 0)
            continue;
        snprintf(key, sizeof key, "%.*s", (int)(n - 5), entry->d_name);
        if (definitions_find(d, k, key))
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", dir, k->name, entry->d_name);
        rc = unlink(path) == 0 ? 0 : failed(path, e);
        out->deleted += rc == 0;
    }
    closedir(open_dir);
    return rc;
}

int definitions_save(const struct definitions *d, const char *dir, bool prune, struct saved *out,
                     struct error *e)
{
    size_t n;
    const struct kind *kinds = kind_all(&n), *made = NULL;
    char path[4096];
    int rc = make_dir(dir, e);
    *out = (struct saved){0};
    for (size_t i = 0; i < d->n && rc == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, d->items[i].kind->name);
        if (made != d->items[i].kind)
            rc = make_dir(path, e);
        made = d->items[i].kind;
        if (rc == 0)
            rc = save_one(&d->items[i], dir, out, e);
    }
    for (size_t i = 0; i < n && rc == 0 && prune; i++)
        rc = sweep(d, &kinds[i], dir, out, e);
    return rc;
}
