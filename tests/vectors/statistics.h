/* What the checks of the worked numbers share. */
#ifndef COHORT_TESTS_VECTORS_STATISTICS_H
#define COHORT_TESTS_VECTORS_STATISTICS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/sums.h"

#define MAX_ITEMS 64

/* One case and how it is going. */
struct run {
    json_t *input, *expected;
    const char *id;
    double rel_tol, abs_tol;
    int wrong, compared;
};

/* A case that can't be right, with why. */
void wrong(struct run *r, const char *why);

/* What was expected under `key` (an item of it when item >= 0) against what came out. */
void same(struct run *r, const char *key, int item, double got);
/* The same, when the case expects it at all. */
void same_if(struct run *r, const char *key, int item, double got);

double number(json_t *object, const char *key);
/* An array of numbers of the input, MAX_ITEMS at most: more of them make the case wrong. */
size_t numbers(struct run *r, json_t *array, double *out);
size_t counts(struct run *r, json_t *array, int64_t *out);

/* n, sum, sum_squares of an arm. */
struct arm_sums plain_arm(json_t *of, const char *name);

/* Tests that bet: ln E and what follows from it. */
void check_evt_log_e(struct run *r);
void check_evt_rr_bounds(struct run *r);
void check_dirichlet_multinomial(struct run *r);
void check_tilt(struct run *r);
void check_ebh(struct run *r);
void check_drift(struct run *r);

/* Estimates and their intervals. */
void check_chi2(struct run *r);
void check_z(struct run *r);
void check_welch(struct run *r);
void check_asympcs(struct run *r);
void check_asympcs_relative(struct run *r);
void check_asympcs_greater(struct run *r);
void check_asympcs_lesser(struct run *r);
void check_ratio(struct run *r);
void check_lin(struct run *r);
void check_phases(struct run *r);

/* Bandits, effects after them, off-policy values. */
void check_beta_best(struct run *r);
void check_gaussian_best(struct run *r);
void check_adaptive(struct run *r);
void check_mixture(struct run *r);
void check_ips(struct run *r);

#endif
