/* JSON values as text: for requests, for people, and for files that are kept in git. */
#ifndef COHORT_COHORTCTL_JSON_TEXT_H
#define COHORT_COHORTCTL_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "core/error.h"

/* Members are in the order of their names, "key" first; numbers are as short as they read back equal (0.05,
 * never 0.050000000000000003). pretty: a member a line, two blanks a level, short lists on one line.
 * malloc'ed; NULL when out of memory. */
char *json_text(const json_t *v, bool pretty);

/* Prints it, pretty, and a line's end on standard output. 0, or ERR_NOMEM. */
int json_text_print(const json_t *v, struct error *e);

/* Reads one value of any type. Whole numbers beyond 64 bits, which a database writes out in full, become the
 * nearest double. */
json_t *json_text_read(const char *text, json_error_t *why);

/* A member that is a string, else "". */
const char *json_text_of(const json_t *o, const char *member);

#endif
