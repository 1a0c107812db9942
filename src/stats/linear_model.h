/* Ridge linear and L2-regularised logistic regression on dense rows, for the rewards of an action given
 * features. Minimises over β
 *     linear    ½ Σ u (y - xβ)² + ½ Σ_j λ_j (β_j - β0_j)²
 *     logistic  Σ u [ln(1 + e^xβ) - y xβ] + ½ Σ_j λ_j (β_j - β0_j)²
 * by Cholesky and, for the logistic, by Newton steps (iteratively reweighted least squares) that are halved
 * until the objective falls. u: weights. λ_j is `ridge`, but for column 0, the intercept, a hundredth of it:
 * rare rewards must not be pulled towards one half, and yet an action that never had one has an answer. With
 * λ > 0 the objective is strictly convex: separable data, columns that are the same, and no rows at all have
 * exactly one answer. Deterministic: the same rows in the same order give the same bits on the same machine.
 */
#ifndef COHORT_STATS_LINEAR_MODEL_H
#define COHORT_STATS_LINEAR_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#define LINEAR_COLUMNS 256

enum linear_kind { LINEAR_RIDGE, LINEAR_LOGISTIC };

/* n rows of `columns` numbers, row after row; borrowed. */
struct linear_rows {
    const double *x;
    const double *y;      /* for the logistic in [0, 1] */
    const double *weight; /* >= 0; NULL: all 1 */
    size_t n, columns;    /* columns 1 … LINEAR_COLUMNS; column 0 is the intercept */
};

struct linear_rule {
    enum linear_kind kind;
    double ridge;         /* λ > 0 */
    const double *centre; /* β0, what without data is believed, of `columns`; NULL: 0 */
};

enum linear_state {
    LINEAR_FITTED,
    LINEAR_NOT_CONVERGED, /* the best β found, after 100 steps */
    LINEAR_BAD_RULE,      /* λ, or the number of columns */
    LINEAR_BAD_ROWS,      /* NaN, infinite, a weight below 0, y outside [0, 1]; `row` says where */
    LINEAR_NO_MEMORY
};

/* A phrase for people; "" for LINEAR_FITTED. */
const char *linear_state_words(enum linear_state state);

struct linear_fit {
    enum linear_state state;
    size_t row;
    int steps;       /* Newton steps; 1 for the linear */
    double gradient; /* largest |∂/∂β| left, over 1 + Σu */
    double loss;     /* mean over weight: squared error, or log loss in nats; without the penalty */
    double weight;   /* Σu */
};

/* coefficients[columns]; all 0 unless fitted or not converged. */
struct linear_fit linear_model_fit(const struct linear_rows *rows, const struct linear_rule *rule,
                                   double *coefficients);

/* xβ, or 1 / (1 + e^-xβ). */
double linear_model_predict(enum linear_kind kind, const double *coefficients, const double *x,
                            size_t columns);

/* Cross-fitting (Chernozhukov et al. 2018): coefficients[f * columns …] is fitted on the rows outside fold f
 * only, so that predicting rows of fold f with it has not seen them. fold[i] in [0, folds), 2 <= folds. A
 * unit's rows belong in one fold. Returns the worst state of the fits; `row` in the caller's count. */
struct linear_fit linear_model_cross_fit(const struct linear_rows *rows, const struct linear_rule *rule,
                                         const unsigned *fold, unsigned folds, double *coefficients);

#endif
