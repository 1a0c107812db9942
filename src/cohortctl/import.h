/* What an import is made of: the request, the file's columns, and the rows on their way to the database. */
#ifndef COHORT_COHORTCTL_IMPORT_H
#define COHORT_COHORTCTL_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "cohortctl/cli.h"
#include "cohortctl/values.h"
#include "core/unit.h"

#define IMPORT_VARIANTS_MAX 64
#define IMPORT_METRICS_MAX 64
#define IMPORT_PROBLEMS_SHOWN 10

/* What the command line asks for. Strings belong to it. */
struct import_request {
    const char *experiment;
    const char *unit; /* column, or NULL: the number of the row is the unit */
    const char *unit_type;
    const char *variant; /* column */
    const char *control; /* as it stands in the file */
    struct cli_list binary, mean;
    const char *const *files;
    size_t n_files;
};

struct import_metric {
    const char *column;
    char key[KEY_MAX + 1];
    bool is_mean;
    uint64_t rounded; /* values that had more than six decimals */
};

struct import_variant {
    char *name; /* as in the file */
    char key[KEY_MAX + 1];
};

/* Takes one row's text for COPY: line feed at its end. 0 or a negative error, which ends the reading. */
typedef int import_sink(void *arg, const char *text, size_t len, struct error *e);

/* The reading of the files. Treat the inside as opaque but for the results below. */
struct import {
    const struct import_request *request;
    struct unit_key unit_key;
    struct import_metric metrics[IMPORT_METRICS_MAX];
    size_t n_metrics;
    struct import_variant variants[IMPORT_VARIANTS_MAX]; /* in order of appearance */
    size_t n_variants;
    uint64_t rows;      /* read so far, good and bad */
    uint64_t problems;  /* bad rows */
    struct buffer seen; /* struct import_seen, a row each, when there is a unit column */
    bool terminal;      /* standard error is one: progress is one line that changes */
};

/* Checks the request and sets up; import_fini frees. */
int import_init(struct import *m, const struct import_request *r, struct error *e);
void import_fini(struct import *m);

/* Reads every row of every file and hands the good ones to sink, as text for
 * copy import_row(row, unit_id, variant, amounts): variant from 1, amounts a bigint[] in millionths in the
 * order of metrics. After the first bad row nothing more is handed on; reading goes on to tell them all.
 * Up to IMPORT_PROBLEMS_SHOWN bad rows are printed on standard error, with file, line and reason. 0 only when
 * every row was good, every unit came once and the control was among the variants. */
int import_read(struct import *m, import_sink *sink, void *arg, struct error *e);

/* Finds units that came twice (import_read calls it): one problem each, with both lines. */
void import_find_twins(struct import *m);

/* Counts and prints a bad row. */
void import_problem(struct import *m, const char *file, size_t line, const char *column, const char *what);

/* One line of progress on standard error: on a terminal often, else rarely. */
void import_progress(const struct import *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void import_progress_end(const struct import *m);

/* A unit and where it came. */
struct import_seen {
    struct unit unit;
    uint32_t file; /* index */
    uint64_t line;
};

#endif
