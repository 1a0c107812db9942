/* How likely a guardrail would have been reached by now if the harm were real: what a ramp waits for. */
#ifndef COHORT_STATS_POWER_H
#define COHORT_STATS_POWER_H

#include "stats/evt.h"

/* The chance that ln E at the margin r0 would be at its threshold with as many events as these phases hold,
 * were the true risk ratio `ratio` (2 for harm up, 0.5 for harm down). In [0, 1]; 0 without comparable events
 * or with an infinite threshold. One look at the present counts: looking at every event only adds to it.
 *
 * With D events in a phase, D θ(t) of them are the treatment's at the risk ratio t; the t* at which those
 * counts just reach the threshold is found by bisection, and ln of the estimated ratio is taken as normal
 * around ln(ratio) with the information I = sum over phases of D θ (1 - θ) at `ratio`: power = Φ((ln ratio -
 * ln t*) √I), mirrored for harm down. */
double evt_power(const struct evt_phase *phases, size_t n, double r0, enum evt_harm harm, double ln_threshold,
                 double ratio);

#endif
