/* cohortctl apply: creates or changes what files describe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/definitions.h"
#include "cohortctl/differ.h"
#include "cohortctl/request.h"

/* What one run of apply knows. */
struct apply {
    struct client *client;
    struct definitions wanted, there;
    bool *done; /* for each that is wanted */
    size_t created, changed;
    bool dry_run;
};

static const struct change_words would = {"would be created", "would be changed"},
                                 did = {"created", "changed"};

/* A PUT of the document; the key travels in the path only. */
static int put(struct apply *a, const struct definition *x, json_t *doc, struct error *e)
{
    char path[400], place[sizeof e->place];
    int rc = doc ? kind_path(x->kind, x->file, x->key, path, sizeof path, e)
                 : error_set(e, ERR_NOMEM, "", "out of memory");
    if (rc < 0) {
        json_decref(doc);
        return rc;
    }
    rc = request_json(a->client, "PUT", path, doc, NULL, e);
    if (rc < 0) {
        snprintf(place, sizeof place, "%.62s%s%.62s", x->file, e->place[0] ? ": " : "", e->place);
        memcpy(e->place, place, sizeof place);
    }
    return rc;
}

/* A flag is made before its experiments, whose rules come with them. */
static json_t *without_experiments(const json_t *flag)
{
    json_t *copy = json_deep_copy(flag), *rules = json_object_get(copy, "rules");
    for (size_t i = json_array_size(rules); i-- > 0;) {
        const char *kind = json_string_value(json_object_get(json_array_get(rules, i), "kind"));
        if (kind && strcmp(kind, "experiment") == 0)
            json_array_remove(rules, i);
    }
    return copy;
}

/* Makes the flags that are not there, as far as they can be before their experiments are. */
static int make_flags(struct apply *a, struct error *e)
{
    const struct kind *flags = kind_find("flags", strlen("flags"));
    int rc = 0;
    for (size_t i = 0; i < a->wanted.n && rc == 0; i++) {
        const struct definition *x = &a->wanted.items[i];
        if (x->kind == flags && !definitions_find(&a->there, flags, x->key))
            rc = put(a, x, without_experiments(x->doc), e);
    }
    return rc;
}

/* Those of the kind that are not done and differ. Things of a kind may name each other: what is refused is
 * tried again after the others, as long as that helps. */
static int apply_kind(struct apply *a, const struct kind *k, struct error *e)
{
    int rc;
    bool helped;
    do {
        rc = 0;
        helped = false;
        for (size_t i = 0; i < a->wanted.n; i++) {
            const struct definition *x = &a->wanted.items[i];
            enum change change;
            struct error why;
            if (x->kind != k || a->done[i])
                continue;
            int got = differ_definition(x, &a->there, a->dry_run ? &would : &did, NULL, &change, &why);
            if (got == 0 && change != CHANGE_NONE && !a->dry_run)
                got = put(a, x, json_deep_copy(x->doc), &why);
            if (got == ERR_UNAVAILABLE || got == ERR_NOMEM) {
                *e = why;
                return got;
            }
            if (got < 0 && rc == 0) {
                *e = why;
                rc = got;
            }
            if (got < 0)
                continue;
            differ_definition(x, &a->there, a->dry_run ? &would : &did, stdout, &change, &why);
            a->done[i] = helped = true;
            a->created += change == CHANGE_NEW;
            a->changed += change == CHANGE_FIELDS;
        }
    } while (rc < 0 && helped);
    return rc;
}

/* Flags come again at the end, whole: their rules name experiments. */
static int apply_all(struct apply *a, struct error *e)
{
    size_t n;
    const struct kind *kinds = kind_all(&n), *flags = kind_find("flags", strlen("flags"));
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (&kinds[i] != flags)
            rc = apply_kind(a, &kinds[i], e);
        else if (!a->dry_run)
            rc = make_flags(a, e);
    }
    return rc == 0 ? apply_kind(a, flags, e) : rc;
}

static int apply(struct ctl *c, struct apply *a, const char *path, struct error *e)
{
    int rc = definitions_load(path, &a->wanted, e);
    if (rc == 0)
        rc = client_open(&a->client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = definitions_fetch_same(a->client, &a->wanted, &a->there, e);
    if (rc < 0)
        return rc;
    a->done = calloc(a->wanted.n, sizeof *a->done);
    if (!a->done)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    rc = apply_all(a, e);
    size_t same = a->wanted.n - a->created - a->changed;
    if (rc == 0)
        printf("%s%zu created, %zu changed, %zu as they were\n", a->dry_run ? "dry run: " : "", a->created,
               a->changed, same);
    else if (a->created + a->changed > 0)
        printf("%zu created, %zu changed before the mistake\n", a->created, a->changed);
    return rc;
}

int command_apply(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct apply a = {.client = NULL};
    const struct cli_option options[] = {
        {"--dry-run", CLI_FLAG, &a.dry_run, NULL, "print what would change, and change nothing"},
    };
    const struct cli_usage usage = {
        "apply DIR|FILE.json [--dry-run]",
        "Creates what the documents describe, or changes it where it differs, and prints what changed. DIR "
        "is\n"
        "a directory that export wrote: metrics come first, then layers, segments, flags, experiments and\n"
        "holdouts. One file (- for standard input) is what the directory it lies in is called after, else "
        "an\n"
        "experiment with its key as \"key\". What the server has beside that stays.",
        options,
        1,
        1,
        1};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = apply(c, &a, argv[0], e);
    free(a.done);
    definitions_free(&a.wanted);
    definitions_free(&a.there);
    client_close(a.client);
    return rc;
}
