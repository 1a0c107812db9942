/* The kinds of definitions that are kept as files: where each lives, and what of its document is a
 * definition.
 */
#ifndef COHORT_COHORTCTL_KIND_H
#define COHORT_COHORTCTL_KIND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct kind {
    const char *name;             /* "experiments": the directory, and the path behind /v1/ */
    const char *member;           /* of a list's answer: "items" */
    const char *const *read_only; /* fields of a GET that no PUT sets; ends with NULL */
    const char *defaults;         /* JSON: what a field means that a document leaves out */
    const char *left_alone[3]; /* fields that stay as they are when a document leaves them out; NULL ends */
};

/* In the order of dependency: what stands before may be named by what comes after. */
const struct kind *kind_all(size_t *n);
/* NULL when there is none of that name. */
const struct kind *kind_find(const char *name, size_t len);

/* "/v1/experiments/KEY"; ERR_INVALID with `place` when it is no key. */
int kind_path(const struct kind *k, const char *place, const char *key, char *out, size_t cap,
              struct error *e);

/* A copy of a server's document with only what a PUT can set; NULL when out of memory. */
json_t *kind_writable(const struct kind *k, const json_t *doc);

/* A copy for comparing: defaults are filled in, and what says nothing (null, false, "", [], {}) is left out,
 * but not inside values. */
json_t *kind_normal(const struct kind *k, const char *key, const json_t *doc);

/* Is the member a value of the user's own, compared to the letter? ("value", "default") */
bool kind_is_value(const char *member);

#endif
