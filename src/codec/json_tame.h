/* Numbers that PostgreSQL can store and a double or a 64-bit integer can't. One of them in a definition must
 * not make the whole plan unreadable. */
#ifndef COHORT_CODEC_JSON_TAME_H
#define COHORT_CODEC_JSON_TAME_H

#include <stddef.h>

/* A copy of JSON text (NUL-terminated, the caller frees it) in which an integer beyond 64 bits is written as
 * a real number and a number beyond a double as a string. *n_strings counts the latter, *out_len is the
 * copy's length. NULL when out of memory. */
char *json_tame_numbers(const char *text, size_t len, size_t *out_len, size_t *n_strings);

#endif
