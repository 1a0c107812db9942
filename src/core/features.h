/* Features: a context's attributes as the row of numbers that a model weighs. The same function reads them
 * when a decision is made, when a model is trained and when either is recomputed from the log. Pure. */
#ifndef COHORT_CORE_FEATURES_H
#define COHORT_CORE_FEATURES_H

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"

#define FEATURES_MAX 64          /* of one experiment */
#define FEATURES_COLUMNS_MAX 256 /* of a row, the intercept too */
#define FEATURE_TEXT_MAX 256     /* bytes of a text that is looked at; a value has at most 100 */
#define FEATURE_VALUE_MAX 100

enum feature_kind { FEATURE_NUMBER, FEATURE_BOOLEAN, FEATURE_ONE_HOT, FEATURE_INTERACTION };

/* As a team declares it; texts need not outlive features_compile. */
struct feature_def {
    const char *name; /* [a-z0-9][a-z0-9_.-]{0,99}, once */
    enum feature_kind kind;
    const char *attribute;     /* of the context, its top-level name; not of an interaction */
    const char *const *values; /* one_hot: 1 or more, each once */
    size_t n_values;
    const char *of[2]; /* interaction: two features named before it */
};

/* Compiled: immutable, in an arena. */
struct features;

/* Columns: 1 for the intercept, then of each feature in order: a number 1, a boolean 1, one_hot one for each
 * value (no match: all 0), an interaction the products, the first feature's columns slowest.
 * ERR_INVALID with a sentence that names the feature; ERR_NOMEM. */
int features_compile(struct arena *a, const struct feature_def *defs, size_t n, const struct features **out,
                     struct error *e);

size_t features_count(const struct features *f);
size_t features_columns(const struct features *f); /* 1 … FEATURES_COLUMNS_MAX */
size_t features_numbers(const struct features *f); /* features of kind number: each has a centre, … */
const char *features_name(const struct features *f, size_t i);
/* The columns of feature i: *n of them from the one returned. */
size_t features_column(const struct features *f, size_t i, size_t *n);

/* The attributes it reads, sorted, each once. */
size_t features_attributes(const struct features *f, const char *const **names);

/* How the numbers of a model were brought to one size: column = (x - centre) / scale; each an array of
 * features_numbers(). low and high are the range seen in training, both inclusive; NULL: not looked at. */
struct feature_scale {
    const double *centre, *scale, *low, *high;
};

enum features_read { FEATURES_OK, FEATURES_MISSING, FEATURES_OUT_OF_RANGE };

/* Writes features_columns() numbers to row. attributes: an object, or NULL. scale NULL: numbers as they are.
 * FEATURES_MISSING: an attribute is not there or is of another type (a number that is not finite is none);
 * FEATURES_OUT_OF_RANGE: a number is outside low … high. Then *name (NULL is fine) is the attribute and the
 * row is not whole. The first feature in their order is told. Allocates nothing; +, -, x and / alone. */
enum features_read features_read(const struct features *f, const struct attr *attributes,
                                 const struct feature_scale *scale, double *row, const char **name);

#endif
