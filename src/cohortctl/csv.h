/* Reads CSV (RFC 4180) a row at a time from a file, gzip'ed or not. */
#ifndef COHORT_COHORTCTL_CSV_H
#define COHORT_COHORTCTL_CSV_H

#include <stddef.h>

#include "core/error.h"

#define CSV_ROW_MAX ((size_t)1024 * 1024) /* bytes of one row; more is a missing quote, not a row */

struct csv;

/* One row. Fields are NUL-terminated and hold no NUL inside; they are valid until the next csv_next. */
struct csv_row {
    size_t line; /* where it starts, from 1 */
    size_t n;
    const char *const *fields;
};

/* path "-" is standard input. A byte order mark at the start is skipped. The caller owns *out. */
int csv_open(struct csv **out, const char *path, struct error *e);
void csv_close(struct csv *c);

/* 1: a row, 0: the end. Lines end in LF or CRLF; quoted fields may hold either, commas and doubled quotes;
 * empty lines are skipped. ERR_INVALID (with "line N" as place): this row breaks the format (text after a
 * closing quote, a quote inside a bare field, a NUL, invalid UTF-8, no closing quote, over CSV_ROW_MAX); the
 * next call goes on behind it. ERR_IO: the file can't be read, gzip's own damage included. */
int csv_next(struct csv *c, struct csv_row *row, struct error *e);

#endif
