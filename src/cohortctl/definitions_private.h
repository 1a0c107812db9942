/* What the files of definitions_*.c share. */
#ifndef COHORT_COHORTCTL_DEFINITIONS_PRIVATE_H
#define COHORT_COHORTCTL_DEFINITIONS_PRIVATE_H

#include "cohortctl/definitions.h"

/* Takes over doc (NULL: out of memory); file is copied. */
int definitions_add(struct definitions *d, const struct kind *k, const char *key, const char *file,
                    json_t *doc, struct error *e);
void definitions_sort(struct definitions *d);

#endif
