/* A guardrail on past traffic: salts are drawn anew, and the test looks after every event. Pure. */
#ifndef COHORT_COHORTCTL_REHEARSE_H
#define COHORT_COHORTCTL_REHEARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/unit.h"
#include "stats/guardrail.h"

#define REHEARSE_ARMS 64

struct rehearse_unit {
    struct unit unit;
    double first, at; /* seconds; at: when its event (or value) counts, INFINITY without one */
    double y;         /* millionths; for guardrails by the histogram tilt */
};

/* The experiment and one of its guardrails. Units are in order of `first`. */
struct rehearse_case {
    const struct rehearse_unit *units;
    size_t n;
    int64_t shares[REHEARSE_ARMS]; /* ppm, control first */
    int arms;
    int64_t included_ppm; /* of the units that take part */
    struct guardrail_rule rule;
    bool by_values; /* by the histogram tilt, else by event marks */
    double effect;  /* risk ratio, or factor of values, that every treatment is given; 1: none */
    uint64_t seed;
    bool srm; /* look at the sample ratio, too, instead of at the guardrail */
};

/* What happened with one salt. */
struct rehearse_run {
    bool reached;
    double at;     /* seconds after the first unit */
    int64_t units; /* that took part until then */
};

/* Runs salts 0 to salts - 1 on all processors; runs has room for them. The same seed gives the same runs. */
int rehearse(const struct rehearse_case *c, size_t salts, struct rehearse_run *runs, struct error *e);

/* Part of rehearse(): the histogram tilt as the monitor uses it, with scores registered from the first
 * REHEARSE_AMOUNTS units that have an amount. It looks whenever half a percent more units have matured. One
 * per thread; next() resets it, add() says whether treatment of some arm is over the threshold. */
#define REHEARSE_AMOUNTS 400
struct values_replay;
struct values_replay *values_replay_new(const struct rehearse_case *c);
void values_replay_free(struct values_replay *r);
void values_replay_next(struct values_replay *r);
bool values_replay_add(struct values_replay *r, int arm, double y);

#endif
