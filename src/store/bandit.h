/* What the leader does for bandits: every every_s it turns the matured rewards of each into shares, by
 * Thompson sampling, and opens a phase with them. */
#ifndef COHORT_STORE_BANDIT_H
#define COHORT_STORE_BANDIT_H

#include <jansson.h>
#include <stdint.h>

#include "store/pg.h"

/* The bandits whose update is due, each in a transaction of its own; p must hold the leader's lock with this
 * epoch. One that somebody edits is left for the next pass. Logs each update in words. Returns the first
 * failure; ERR_STATE: another node leads. */
int bandits_run(struct pg *p, int64_t epoch, struct pg_error *e);

/* An update, from its facts (cohort.bandit_facts) alone. */
struct bandit_update {
    bool moves;         /* a share moves by more than 1,000 ppm */
    json_t *shares;     /* by variant; NULL when nothing moves; owned, like evidence */
    json_t *evidence;   /* for cohort.bandit_update */
    char sentence[512]; /* what follows: "control 12.3 %, b 87.7 % from 1,234 matured rewards" */
};

/* What the facts lead to. ERR_INVALID with a text: facts that are none. */
int bandit_update_init(struct bandit_update *u, const json_t *facts, struct error *e);
void bandit_update_fini(struct bandit_update *u);

#endif
