/* A bandit in a simulation: the library's shares, updated when it is told to. */
#ifndef COHORT_TESTS_SIM_BANDIT_H
#define COHORT_TESTS_SIM_BANDIT_H

#include "sim.h"
#include "stats/thompson.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define BANDIT_WARM_UP 50.0

struct bandit {
    size_t k;
    uint32_t floor_ppm, ppm[THOMPSON_ARMS];
    bool gaussian;
    struct arm_sums sums[THOMPSON_ARMS];
    int pulls;
};

/* k arms, equal shares. */
void bandit_init(struct bandit *b, size_t k, double floor);

/* The arm of one more pull. */
int bandit_pull(struct bandit *b, struct rng *r);

/* A reward that counts from now on. */
void bandit_reward(struct bandit *b, int arm, double y);

/* New shares, once every arm has BANDIT_WARM_UP rewards; false when none moved by more than 1,000 ppm. */
bool bandit_update(struct bandit *b);

#endif
