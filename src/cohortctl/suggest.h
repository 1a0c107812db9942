/* "Did you mean": the nearest of some words. Pure. */
#ifndef COHORT_COHORTCTL_SUGGEST_H
#define COHORT_COHORTCTL_SUGGEST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap neighbours) between two words; words over 63 bytes are cut. */
unsigned suggest_distance(const char *a, const char *b);

/* The candidate nearest to word, or NULL when none is near enough to be what was meant. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t n);

#endif
