/* Draws and slots: the integer arithmetic of the assignment contract (docs/assignment.md). */
#ifndef COHORT_CORE_DRAW_H
#define COHORT_CORE_DRAW_H

#include <stdint.h>

#include "core/unit.h"

#define SALT_BYTES 16
#define SLOTS                                                                                                \
    1000000u /* slots of a layer, an experiment's traffic or a phase; a share of 1 ppm is one slot */

/* Which word of a draw decides what. w4 to w7 are reserved. */
enum draw_word {
    DRAW_SELECT = 0 /* holdout, layer, traffic, rollout */,
    DRAW_VARIANT = 1,
    DRAW_SAMPLE = 2,
    DRAW_EPOCH = 3 /* where a unit's epochs in a bandit are cut */
};

struct draw {
    uint32_t w[8];
};

/* SHA-256(salt, unit) as eight big-endian words. */
void draw_unit(const uint8_t salt[SALT_BYTES], const struct unit *u, struct draw *out);

/* SHA-256(salt, unit, decision id): where each decision, not each unit, is randomised. */
void draw_decision(const uint8_t salt[SALT_BYTES], const struct unit *u, const uint8_t decision_id[16],
                   struct draw *out);

/* floor(w * 1,000,000 / 2^32), in [0, SLOTS). */
uint32_t slot_of(uint32_t w);

#endif
