/* Sample ratio mismatch: do the arms hold as many units as their shares say? Formulas: "SRM" in
 * docs/statistics.md. The Dirichlet-multinomial E is anytime-valid, the chi-square p holds for one look only.
 * Weights are shares in any unit; they are normalised; negative ones and NaN count as 0, negative counts
 * too. */
#ifndef COHORT_STATS_SRM_H
#define COHORT_STATS_SRM_H

#include <stddef.h>
#include <stdint.h>

/* ln E >= ln(1/0.01) is an alarm. */
#define SRM_ALPHA 0.01

/* One concentration c > 0:
 *     ln E = lnΓ(c) - lnΓ(c+n) + Σ [lnΓ(c p_i + n_i) - lnΓ(c p_i)] - Σ n_i ln p_i,
 * computed by Stirling's formula so that no digits cancel up to counts of 1e15. INFINITY when an arm of share
 * 0 has units; 0 when there is nothing to compare. */
double srm_log_e_at(const int64_t *counts, const double *weights, size_t k, double c);

/* ln of E averaged over c in {1e3, 1e4}. */
double srm_log_e(const int64_t *counts, const double *weights, size_t k);

/* Treatment against control in one phase: units, and q as in evt_phase. */
struct srm_pair {
    int64_t treatment, control;
    double q;
};

/* Several phases with allocations of their own: the product over phases for each c, then averaged over c.
 * Phases with q outside (0, 1) are left out. */
double srm_pairs_log_e(const struct srm_pair *pairs, size_t n);

/* All arms of one phase: k counts and k shares. */
struct srm_phase {
    const int64_t *counts;
    const double *weights;
};

/* With more arms than these, phases of the same shares are looked at like phases of different ones. */
#define SRM_POOLED_ARMS 64

/* Several phases of the same k arms. Where all phases that hold units have the same shares they are one, and
 * this is srm_log_e. Where shares change, losing exposures leaves a trace that knows no phase: an arm i that
 * keeps the fraction w_i of its units has θ_i ∝ p_i w_i in every phase. So E is the mean of two e-processes
 * with w on a grid (each arm in turn loses, or is the only one not to lose, 1, 2, 5, 10, 20 or 50 %): the
 * mixture over w of the product over phases (the same loss throughout), and the product over phases of the
 * mixture over w (a loss that came or went). INFINITY when an arm of share 0 in some phase has units there; 0
 * when there is nothing to compare. */
double srm_phases_log_e(const struct srm_phase *phases, size_t n, size_t k);

/* The largest q that the counts of a pair do not exclude at level alpha, by the same E: anytime-valid.
 * 1 when nothing is excluded. pair->q is not read. */
double srm_q_upper(const struct srm_pair *pair, double alpha);
/* The smallest one. */
double srm_q_lower(const struct srm_pair *pair, double alpha);

/* Pearson's chi-square with k - 1 degrees of freedom over the arms of positive share; *statistic may be NULL.
 * p: 1 without units or with fewer than two arms, 0 when an arm of share 0 has units. */
double srm_chi2(const int64_t *counts, const double *weights, size_t k, double *statistic);

#endif
