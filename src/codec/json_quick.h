/* JSON straight into core's attributes, without a tree of values: what most decisions ask with. */
#ifndef COHORT_CODEC_JSON_QUICK_H
#define COHORT_CODEC_JSON_QUICK_H

#include <stdbool.h>

#include "codec/json_in.h"

/* One JSON value of any type, copied into the arena. What this accepts json_in_parse and json_in_attr accept
 * too, with the same value. False: it is not JSON, beyond the limits, or unusual (an object of more than 64
 * fields, a number of more digits than a double has), or memory is short; *out may hold anything, and
 * json_in_parse is to say what it is. */
bool json_quick_attr(struct arena *a, const char *text, size_t len, const struct json_limits *lim,
                     struct attr *out);

#endif
