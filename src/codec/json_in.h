/* Reading JSON that strangers sent: bounded before it is parsed, strict about duplicates. */
#ifndef COHORT_CODEC_JSON_IN_H
#define COHORT_CODEC_JSON_IN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"

struct json_limits {
    size_t max_bytes;
    unsigned max_depth;  /* nesting of arrays and objects */
    unsigned max_values; /* values in all, which bounds jansson's memory (79 bytes a byte at worst) */
};

/* max_depth above 512 is not useful: json_in_attr goes no deeper.
 * Parses text (not NUL-terminated) as one JSON value of any type; duplicates of a key, invalid UTF-8, NUL in
 * strings and trailing text are refused. ERR_LIMIT or ERR_INVALID with "line 3, column 14" as place (near the
 * mistake; columns count characters); the text of an error quotes nothing of the input. The caller owns *out
 * (json_decref). */
int json_in_parse(const char *text, size_t len, const struct json_limits *lim, json_t **out, struct error *e);

/* A jansson value as core's attributes, copied into the arena. */
int json_in_attr(struct arena *a, const json_t *v, struct attr *out, struct error *e);

/* Both in one: text as attributes in the arena, with the errors of json_in_parse. Common texts are read
 * without a tree of values, at a tenth of the cost, and without an allocation while the arena has room. */
int json_in_read(struct arena *a, const char *text, size_t len, const struct json_limits *lim,
                 struct attr *out, struct error *e);

/* "0190b5e4-…" (36 characters, any case) to 16 bytes; 0 or ERR_INVALID. */
int uuid_parse(const char *s, size_t len, uint8_t out[16]);
void uuid_format(const uint8_t b[16], char out[37]);

/* RFC 3339 ("2026-11-02T10:20:30.123456Z", any offset) to microseconds since 1970; 0 or ERR_INVALID. Times
 * from 1970 to 9999 in UTC; digits behind the sixth decimal are cut off; second 60 (a leap second) is
 * refused.
 */
int time_parse(const char *s, size_t len, int64_t *us);
/* To UTC with six decimals and Z; a time outside 1970 to 9999 is moved to the nearer end. */
void time_format(int64_t us, char out[28]);

#endif
