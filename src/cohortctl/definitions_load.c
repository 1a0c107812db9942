#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cohortctl/definitions_private.h"
#include "cohortctl/path.h"

static int load_json(const char *file, json_t **out, struct error *e)
{
    json_error_t why;
    size_t flags = JSON_REJECT_DUPLICATES;
    *out = strcmp(file, "-") == 0 ? json_loadf(stdin, flags, &why) : json_load_file(file, flags, &why);
    if (!*out && why.line < 0)
        return error_set(e, ERR_IO, file, "%s", why.text);
    if (!*out)
        return error_set(e, ERR_INVALID, file, "line %d, column %d: %s", why.line, why.column, why.text);
    if (json_is_object(*out))
        return 0;
    json_decref(*out);
    *out = NULL;
    return error_set(e, ERR_INVALID, file, "the document must be an object: {\"key\": …, …}");
}

/* name: the key that the file's name says, or NULL when it says none. */
static int load_file(struct definitions *d, const struct kind *k, const char *file, const char *name,
                     struct error *e)
{
    json_t *doc;
    int rc = load_json(file, &doc, e);
    if (rc < 0)
        return rc;
    char said[128] = "";
    const char *key = json_string_value(json_object_get(doc, "key"));
    snprintf(said, sizeof said, "%s", key ? key : name ? name : "");
    if (!key && !name)
        rc = error_set(e, ERR_INVALID, file, "\"key\" is missing; it names what the document describes");
    else if (key && name && strcmp(key, name) != 0)
        rc = error_set(e, ERR_INVALID, file, "the document's key is %.100s, the file's name says %.100s", key,
                       name);
    else if ((rc = path_check_key(file, key ? key : name, e)) == 0)
        return definitions_add(d, k, said, file, doc, e);
    json_decref(doc);
    return rc;
}

/* "KEY.json" to KEY. */
static bool key_of_file(const char *file, char *key, size_t cap)
{
    size_t n = strlen(file);
    if (n < 6 || file[0] == '.' || strcmp(file + n - 5, ".json") != 0)
        return false;
    snprintf(key, cap, "%.*s", (int)(n - 5), file);
    return true;
}

static int load_kind(struct definitions *d, const struct kind *k, const char *dir, bool *found,
                     struct error *e)
{
    char path[4096], key[256];
    struct dirent *entry;
    int rc = 0;
    snprintf(path, sizeof path, "%s/%s", dir, k->name);
    DIR *open_dir = opendir(path);
    if (!open_dir)
        return errno == ENOENT ? 0 : error_set(e, ERR_IO, path, "%s", strerror(errno));
    *found = true;
    while (rc == 0 && (entry = readdir(open_dir))) {
        if (!key_of_file(entry->d_name, key, sizeof key))
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", dir, k->name, entry->d_name);
        rc = load_file(d, k, path, key, e);
    }
    closedir(open_dir);
    return rc;
}

static int load_dir(struct definitions *d, const char *dir, struct error *e)
{
    size_t n;
    const struct kind *kinds = kind_all(&n);
    bool found = false;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = load_kind(d, &kinds[i], dir, &found, e);
    if (rc == 0 && !found)
        rc = error_set(e, ERR_INVALID, dir,
                       "has no definitions: no experiments, flags, metrics, layers, segments or holdouts");
    return rc;
}

/* A single file: the directory it lies in says what it is, and then its name may say the key. */
static int load_single(struct definitions *d, const char *path, struct error *e)
{
    char key[256];
    const struct kind *k = NULL;
    const char *slash = strrchr(path, '/'), *start = slash;
    while (start && start > path && start[-1] != '/')
        start--;
    if (slash)
        k = kind_find(start, (size_t)(slash - start));
    if (k && key_of_file(slash + 1, key, sizeof key))
        return load_file(d, k, path, key, e);
    return load_file(d, k ? k : kind_find("experiments", strlen("experiments")), path, NULL, e);
}

int definitions_load(const char *path, struct definitions *d, struct error *e)
{
    struct stat st;
    bool is_dir = strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int rc = is_dir ? load_dir(d, path, e) : load_single(d, path, e);
    if (rc == 0)
        definitions_sort(d);
    else
        definitions_free(d);
    return rc;
}
