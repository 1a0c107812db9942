/* Aligned columns for people. */
#ifndef COHORT_COHORTCTL_TABLE_H
#define COHORT_COHORTCTL_TABLE_H

#include <stdio.h>

struct table;

/* columns: one letter each, 'l' left or 'r' right aligned ("lrr"), 1 to 16 of them. NULL: out of memory. */
struct table *table_new(const char *columns);
void table_free(struct table *t);

/* The next cell, row after row; the first row is the head. Failures stick and show at table_print. */
void table_add(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints every row behind `indent` blanks, two blanks between columns, none at the end of a line. Widths
 * count characters of UTF-8. 0, or ERR_NOMEM. */
int table_print(const struct table *t, FILE *out, int indent);

/* 21307 as "21,307". */
const char *table_thousands(long long n, char buf[32]);

#endif
