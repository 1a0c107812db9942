/* Thompson sampling with exact propensities: the share of an arm is the probability that it is the best one
 * given what was learned, P(best), by quadrature instead of draws, so that it is known before it serves
 * anyone (Thompson 1933; "Bandits" in docs/statistics.md). "Best" is the largest mean.
 *
 * Rewards go in when they have matured only: counting what has not had its time favours arms that pay early.
 */
#ifndef COHORT_STATS_THOMPSON_H
#define COHORT_STATS_THOMPSON_H

#include <stdint.h>

#include "stats/sums.h"

#define THOMPSON_ARMS 32
#define THOMPSON_PPM 1000000

/* Beta(a, b) of a rate; a, b in [1e-3, 1e15]. */
struct thompson_rate {
    double a, b;
};

/* Normal of a mean; |mean| <= 1e150, 0 <= sd <= 1e150; sd 0: it is known. */
struct thompson_mean {
    double mean, sd;
};

/* w[i] = P(arm i is best), 1 <= k <= THOMPSON_ARMS, summing to 1; within 1e-9. Arms that are known (sd 0) and
 * equal share what is theirs. Standard deviations are held at 1e-9 of the largest. False, and w all 0, for
 * parameters outside their range, NaN among them. */
bool thompson_beta(const struct thompson_rate *arms, size_t k, double *w);
bool thompson_gaussian(const struct thompson_mean *arms, size_t k, double *w);

/* ppm[i] = f + (1 - K f) w_i in parts per million, summing to 1,000,000, never below floor_ppm: the floor
 * goes to each arm, the rest by w with what rounding leaves to the largest remainders, of equal ones to the
 * first. w need not sum to 1. False, and ppm all 0, when w has a negative, NaN or infinite number or sums to
 * 0, or k floor_ppm > 1,000,000. */
bool thompson_shares(const double *w, size_t k, uint32_t floor_ppm, uint32_t *ppm);

/* Adds a phase's sums (n, sum, sum_sq) to an arm's, weighted by 2^(-age / half_life): an old reward counts
 * half after each half-life, so that a change is noticed. half_life <= 0 or NaN: no decay. age and half_life
 * in one unit; an age below 0 is 0. */
void thompson_add(struct arm_sums *total, const struct arm_sums *phase, double age, double half_life);

/* Beta(1 + s, 1 + f) of each arm: s = sum units with the event, f = n - sum without, held at 0. */
void thompson_rates(const struct arm_sums *arms, size_t k, struct thompson_rate *out);

/* Normal with the unit information prior (Kass and Wasserman 1995): one observation at the mean of all arms,
 * of their pooled variance s², so it weighs as little as data can and needs no scale from anyone: the mean is
 * (n ȳ + μ) / (n + 1). sd² is v / (n + 1), v the larger of the arm's own variance and s²: an arm that was
 * lucky not to have met a rare large reward yet would otherwise look certain, and be starved. Without any
 * data all arms are equal, with sd 0. */
void thompson_means(const struct arm_sums *arms, size_t k, struct thompson_mean *out);

#endif
