/* How old what this server knows is: its definitions, and its word from the monitor. */
#ifndef COHORT_WEB_FRESHNESS_H
#define COHORT_WEB_FRESHNESS_H

#include "base/counters.h"

/* Both gauges are clock_monotonic_us of a moment, which lies before 0 when it was before the machine's start;
 * exactly 0 means that it never came. */

/* Microseconds since the database last confirmed the definitions; INT64_MAX when it never did. */
int64_t freshness_plan_us(const struct counters *c);

/* Microseconds since the monitor was heard; INT64_MAX when it never was. For decide(). */
int64_t freshness_blind_us(const struct counters *c);

#endif
