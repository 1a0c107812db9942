/* One look at a guardrail in a simulation: the library's E, and a wrong statistic put in on purpose. */
#ifndef COHORT_TESTS_SIM_LOOKS_H
#define COHORT_TESTS_SIM_LOOKS_H

#include <stdbool.h>
#include <stddef.h>

#include "stats/evt.h"

/* Whether ln E at ratio 1 has reached the threshold. Most looks are told off by a bound that costs a tenth:
 * the mixture E never exceeds the largest likelihood ratio. */
bool evt_stops(const struct evt_phase *p, size_t n, enum evt_harm harm, double threshold);

/* Wrong for guardrails: a one-sided normal mixture on any estimate greater than 0, with no gate. n: units of
 * both arms; planned: n*. */
bool normal_mixture_reached(double estimate, double variance, double n, double planned, double threshold);
/* The same for the difference of two rates, [0] control, [1] treatment. */
bool normal_mixture_stops(const double n[2], const double hits[2], double planned, double threshold);

#endif
