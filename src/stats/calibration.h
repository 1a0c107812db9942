/* Calibration: of the rows for which a model says 3 %, do three in a hundred have the event? Needed of
 * predictions that probabilities are made of. Judge predictions of rows the model has not seen. */
#ifndef COHORT_STATS_CALIBRATION_H
#define COHORT_STATS_CALIBRATION_H

#include <stdbool.h>
#include <stddef.h>

/* Predicted against observed by tenths of the predictions. */
#define CALIBRATION_BINS 10
struct calibration_bin {
    double n, weight, predicted, observed; /* rows, Σu, means over weight */
};
struct calibration {
    bool answered, no_memory;
    size_t bins; /* fewer than ten when there are fewer rows */
    struct calibration_bin bin[CALIBRATION_BINS];
    double error;               /* expected calibration error: Σ (u_b / u) |observed - predicted| */
    double predicted, observed; /* over all */
    double squared;             /* mean (y - prediction)²: the Brier score for a logistic */
};

/* Rows of equal predictions may be cut by a bin's edge, in their order. weight may be NULL. answered = false
 * without rows or weight, with a number that isn't finite, or without memory: then no_memory says so. */
struct calibration calibration_of(const double *predicted, const double *observed, const double *weight,
                                  size_t n);

#endif
