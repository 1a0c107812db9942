/* One JSON text read in both ways: the quick one and jansson's. */
#ifndef COHORT_TESTS_UNIT_JSON_TWINS_H
#define COHORT_TESTS_UNIT_JSON_TWINS_H

#include <stddef.h>

#include "core/arena.h"

/* NULL when they agree: the quick way accepted it and jansson reads the same value (same fields in the same
 * order, same texts, same numbers to the sign of zero), or it did not, and jansson refuses it too or it holds
 * one of the few things that are left to jansson. Otherwise what is wrong. The arena is reset. */
const char *json_twins(struct arena *a, const char *text, size_t len);

#endif
