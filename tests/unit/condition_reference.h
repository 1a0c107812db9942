/* Conditions evaluated straight from JSON, with no thought of speed: what core's compiled ones are compared
 * with. Written from the words in core/condition.h, without its code. */
#ifndef COHORT_TESTS_UNIT_CONDITION_REFERENCE_H
#define COHORT_TESTS_UNIT_CONDITION_REFERENCE_H

#include <jansson.h>
#include <stdbool.h>

/* Only conditions that are right. Patterns: text with ^ before or $ behind it. Cases of ASCII letters only.
 */
bool reference_condition(const json_t *condition, const json_t *attributes, const json_t *groups);

#endif
