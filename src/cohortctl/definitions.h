/* Definitions in memory: read from a server, or from files, one each (DIR/experiments/KEY.json). */
#ifndef COHORT_COHORTCTL_DEFINITIONS_H
#define COHORT_COHORTCTL_DEFINITIONS_H

#include <jansson.h>
#include <stddef.h>

#include "cohortctl/client.h"
#include "cohortctl/kind.h"

struct definition {
    const struct kind *kind;
    char key[128];
    char *file;  /* where it was read; NULL: from a server */
    json_t *doc; /* what can be written, without the key */
};

/* In the order of kinds, then of keys. Zero-initialised is empty. */
struct definitions {
    struct definition *items;
    size_t n;
};

void definitions_free(struct definitions *d);
/* NULL when it has none. */
const struct definition *definitions_find(const struct definitions *d, const struct kind *k, const char *key);

/* All of a server's environment. */
int definitions_fetch(struct client *client, struct definitions *d, struct error *e);
/* Of these, what the server has. */
int definitions_fetch_same(struct client *client, const struct definitions *wanted, struct definitions *d,
                           struct error *e);

/* A directory that definitions_save wrote, or one file ("-": standard input): a definition of the kind that
 * the file's directory is called after, else an experiment. Every file is read before an error of one is
 * told; place is the file. */
int definitions_load(const char *path, struct definitions *d, struct error *e);

/* Writes every definition to its file under dir, making directories. prune: deletes the other .json files
 * of the kinds' directories. The counts of files written new or changed, and deleted. */
struct saved {
    size_t written, deleted;
};
int definitions_save(const struct definitions *d, const char *dir, bool prune, struct saved *out,
                     struct error *e);

#endif
