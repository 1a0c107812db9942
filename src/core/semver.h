/* Order of versions ("1.10.0", "v2.0.0-beta.3+build"), for $veq, $vlt and their like. */
#ifndef COHORT_CORE_SEMVER_H
#define COHORT_CORE_SEMVER_H

#include <stddef.h>

/* Below 0, 0, above 0. Semantic versioning as GrowthBook's SDKs have it, for any text: a leading v and what
 * follows a + don't count; dots and hyphens alike part the rest; of two parts numbers compare as numbers (up
 * to 20 digits) and come before words, words compare byte by byte; exactly three parts ("1.2.3") come after
 * their pre-releases ("1.2.3-beta"). */
int semver_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
