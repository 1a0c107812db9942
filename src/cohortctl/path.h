/* Paths of the HTTP API, with keys people typed in them. */
#ifndef COHORT_COHORTCTL_PATH_H
#define COHORT_COHORTCTL_PATH_H

#include <stddef.h>

#include "core/error.h"

/* "/v1/experiments/KEY" + tail. ERR_INVALID unless key is a key: [a-z0-9][a-z0-9_.-]{0,99}. */
int path_of_experiment(const char *key, const char *tail, char *out, size_t cap, struct error *e);

/* When rc says that there is no such thing and nothing names it, key does. Returns rc. */
int path_missing(int rc, const char *key, struct error *e);

/* 0, or ERR_INVALID with `place` and what a key looks like. */
int path_check_key(const char *place, const char *key, struct error *e);

#endif
