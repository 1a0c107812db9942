/* Small definitions that tests of plans start from and change. */
#ifndef COHORT_TESTS_UNIT_PLAN_FIXTURE_H
#define COHORT_TESTS_UNIT_PLAN_FIXTURE_H

#include "core/plan_build.h"

/* A running experiment of everyone, "control" (id 10 * id + 1) and "treatment" (+ 2) at 50:50 with string
 * values "c" and "t"; one phase (id 100 * id + 1, number 1). Salts depend on the id. Lives until the next
 * call with the same id, which is 1 to 8. Variants and phases may be changed through the pointers. */
struct experiment_def *fixture_experiment(int32_t id, const char *key);
/* A running holdout: "out" (id 10 * id + 1) with the first out_ppm slots and what it gives, "in" the others.
 */
struct experiment_def *fixture_holdout(int32_t id, const char *key, uint32_t out_ppm, enum plan_gives gives);
struct variant_def *fixture_variants(int32_t id);
struct phase_def *fixture_phase(int32_t id);
struct phase_variant_def *fixture_arms(int32_t id);

/* A builder of version 12, stop version 3, "production"; keys are 32 times 'u' and 32 times 'h'. */
struct plan_builder *fixture_builder(void);
/* The plan; the builder is freed. */
struct plan *fixture_finish(struct plan_builder *b);

/* A string flag with the default "off" and one rule for each experiment named (up to 3; NULL ends). */
void fixture_flag(struct plan_builder *b, int32_t id, const char *key, const char *const *experiments);

/* {"name": "value"} in the builder's arena. */
const struct attr *fixture_condition(struct plan_builder *b, const char *name, const char *value);

#endif
