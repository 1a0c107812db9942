/* The parameters behind a path's '?'. */
#ifndef COHORT_WEB_QUERY_H
#define COHORT_WEB_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#define QUERY_NAME_MAX 32
#define QUERY_VALUE_MAX 256

struct query_param {
    char name[QUERY_NAME_MAX + 1], value[QUERY_VALUE_MAX + 1]; /* percent-decoded UTF-8 */
};

/* The next parameter; *query moves behind it. 1: read, 0: no more, -1: it can't be read (too long, no UTF-8).
 */
int query_next(const char **query, struct query_param *out);

/* Percent-decodes into out, which holds cap bytes and a NUL; a '%' without two digits stands for itself.
 * False when it does not fit, holds a NUL, or is not UTF-8. */
bool query_decode(const char *raw, size_t n, char *out, size_t cap, size_t *out_len);

#endif
