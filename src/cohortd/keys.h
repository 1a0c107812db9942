/* The first API keys. */
#ifndef COHORT_COHORTD_KEYS_H
#define COHORT_COHORTD_KEYS_H

#include "store/pg.h"

/* When dir has no keys.json: makes a key of each of the roles admin, events, client and analyst, and writes
 * them there, 0600. An existing file is left as it is. node: for the keys' names. */
int keys_ensure(struct pg *p, const char *dir, const char *node, struct error *e);

#endif
