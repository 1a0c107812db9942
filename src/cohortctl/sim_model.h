/* How simulated customers behave. Pure, and the same for the same seed. */
#ifndef COHORT_COHORTCTL_SIM_MODEL_H
#define COHORT_COHORTCTL_SIM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "cohortctl/cli.h"
#include "core/error.h"

#define SIM_METRICS_MAX 16
#define SIM_EFFECTS_MAX 64
#define SIM_NAME_MAX 100

struct sim_effect {
    char variant[SIM_NAME_MAX + 1];
    size_t metric;     /* index */
    double multiplier; /* of the base probability */
};

struct sim_model {
    uint64_t seed;
    struct {
        char name[SIM_NAME_MAX + 1]; /* of the event */
        double base;                 /* its probability without any variant, 0 to 1 */
    } metrics[SIM_METRICS_MAX];
    size_t n_metrics;
    struct sim_effect effects[SIM_EFFECTS_MAX];
    size_t n_effects;
};

/* base: "unsubscribe=0.03"; effects: "daily_digest:unsubscribe=1.6". An effect's metric must have a base. */
int sim_model_init(struct sim_model *m, uint64_t seed, const struct cli_list *base,
                   const struct cli_list *effects, struct error *e);

/* How long after the answer it happens: exponentially distributed, microseconds. */
int64_t sim_model_delay_us(const struct sim_model *m, uint64_t customer, size_t metric, double mean_s);
/* Whether it is reported twice, by that share of all. */
bool sim_model_twice(const struct sim_model *m, uint64_t customer, size_t metric, double share);

/* Whether customer (from 1), having been served variant (NULL: the fallback), does what the metric counts. */
bool sim_model_happens(const struct sim_model *m, uint64_t customer, const char *variant, size_t metric);

#endif
