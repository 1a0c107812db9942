/* Several tests at once, by e-values. Stops use weighted e-Bonferroni with weights fixed at the start;
 * reports of many (segments, metrics) use e-BH, which holds the false discovery rate whatever the dependence
 * between the tests. Formulas: "Which test for which need" in docs/statistics.md; e-BH: Wang and Ramdas,
 * "False discovery rate control with e-values" (2022). Everything is in ln E; NaN counts as ln 0. */
#ifndef COHORT_STATS_MULTIPLICITY_H
#define COHORT_STATS_MULTIPLICITY_H

#include <stdbool.h>
#include <stddef.h>

/* ln of 1 / (alpha weight), what ln E must reach. INFINITY, that is never, for an alpha outside (0, 1) or a
 * weight outside (0, 1] (1e-9 of rounding above 1 is allowed). */
double ebonferroni_threshold(double alpha, double weight);

/* Divides one alpha: weight[i] becomes weight[i] / Σ weight. Negative ones, NaN and infinite ones become 0;
 * returns the number of positive weights left (0: all are 0). */
size_t ebonferroni_normalise(double *weight, size_t n);

/* The hypotheses rejected at false discovery rate alpha: those with E >= n / (k alpha) for the largest k for
 * which there are k of them. Returns k; rejected[i] says which. alpha outside (0, 1) rejects nothing. */
size_t ebh(const double *ln_e, size_t n, double alpha, bool *rejected);

/* The same over a list of anything, whose ln E `ln_e` reads: what ln E must reach to be rejected, INFINITY
 * when nothing is. */
double ebh_threshold(double (*ln_e)(const void *list, size_t i), const void *list, size_t n, double alpha);

#endif
