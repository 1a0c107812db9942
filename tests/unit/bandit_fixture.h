/* A small bandit that tests start from and change. */
#ifndef COHORT_TESTS_UNIT_BANDIT_FIXTURE_H
#define COHORT_TESTS_UNIT_BANDIT_FIXTURE_H

#include "core/plan_build.h"

#define BANDIT_S INT64_C(1000000)
#define BANDIT_START (INT64_C(1790000000) * BANDIT_S)
#define BANDIT_PHASES 12
#define BANDIT_ARMS 3

/* "cta", id 1, of "control" (11), "b" (12) and "c" (13) with string values of their keys: phase 1 (id 101)
 * owns traffic slots [0, 100000) and offers each a third (control one slot more); time phases own the rest.
 * Salts: 16 times the letter of their kind plus a number ('e' + 1; 'p' + number). */
struct bandit_fixture {
    struct experiment_def x;
    struct bandit_def bandit;
    struct contextual_def contextual;
    struct variant_def variants[BANDIT_ARMS];
    struct phase_def phases[BANDIT_PHASES];
    struct phase_variant_def arms[BANDIT_PHASES][BANDIT_ARMS];
    struct slot_range slots[BANDIT_PHASES][BANDIT_ARMS];
};

/* Without time phases yet. */
void bandit_fixture(struct bandit_fixture *f, enum plan_assign assign, int64_t stick_us);
/* Adds the next time phase, in force from that time; shares sum to 1,000,000. */
struct phase_def *bandit_fixture_phase(struct bandit_fixture *f, int64_t from_us, int32_t control, int32_t b,
                                       int32_t c);
/* The plan of it behind a flag "f". */
struct plan *bandit_fixture_plan(const struct bandit_fixture *f);

#endif
