/* Text without regard to case, for $ini, $nini and $alli. */
#ifndef COHORT_CORE_FOLD_H
#define COHORT_CORE_FOLD_H

#include <stddef.h>

#define FOLD_BYTES 4 /* one character takes at most as many */

/* Takes one character from [*s, end) and writes its lower case as UTF-8; returns how many bytes. Latin,
 * Greek, Cyrillic, Armenian and full-width letters have one, by Unicode's simple mapping; every other
 * character stays as it is, and so does a byte that is not UTF-8. *s < end. */
size_t fold_next(const char **s, const char *end, char out[FOLD_BYTES]);

/* Writes all of it and returns the length; with out NULL it only counts. */
size_t fold_text(const char *s, size_t len, char *out);

/* The order, as of memcmp, of s (folded as it is read) and an already folded text. */
int fold_compare(const char *s, size_t len, const char *folded, size_t folded_len);

#endif
