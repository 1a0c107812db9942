/* From scores to probabilities, and from probabilities to a choice. The same numbers on every machine: IEEE
 * 754 doubles, +, -, x and / alone in the order written here (docs/assignment.md), no function of libm, no
 * fused multiply-add; a build that would do otherwise does not compile. */
#ifndef COHORT_CORE_POLICY_H
#define COHORT_CORE_POLICY_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_ARMS 32 /* of one choice */

/* 1 / (1 + e^-z), to 2e-16 of the true value; z beyond 40 in size counts as 40. Not for NaN. */
double policy_logistic(double z);

/* w[0] x[0] + w[1] x[1] + …: four partial sums of every fourth product, then (s0 + s1) + (s2 + s3). */
double policy_dot(const double *w, const double *x, size_t n);

/* Inverse gap weighting (SquareCB; Foster and Rakhlin, ICML 2020). b is the arm of the highest score, of
 * equal ones the first; p_i = 1 / (n + gamma (score_b - score_i)), p_b what is left of 1. Then the floor:
 * ppm_i = floor_ppm + ⌊(1,000,000 - n floor_ppm) p_i⌋, and b has the rest: the sum is 1,000,000 exactly.
 * n: 1 … POLICY_ARMS; scores finite; gamma 0 or more, finite; n x floor_ppm at most 1,000,000.
 * Returns b; *confidence (NULL is fine) is p_b. */
size_t policy_probabilities(const double *scores, size_t n, double gamma, uint32_t floor_ppm, uint32_t *ppm,
                            double *confidence);

/* The arm that owns a slot of [0, 1,000,000): the first whose cumulative sum is above it. The sum of ppm must
 * be 1,000,000. */
size_t policy_pick(const uint32_t *ppm, size_t n, uint32_t slot);

#endif
