/* Verifies a stop: draws, counts and evidence computed again from the database. Internal to cohortctl. */
#ifndef COHORT_COHORTCTL_VERIFY_H
#define COHORT_COHORTCTL_VERIFY_H

#include <jansson.h>
#include <stdint.h>

#include "core/slots.h"
#include "stats/guardrail.h"
#include "store/pg.h"

/* One arm of a phase: what the units say. */
struct verify_arm {
    int64_t units, events;
};

struct verify_phase {
    int64_t id, number;
    uint8_t salt[SALT_BYTES];
    struct slots traffic, variants; /* the owners of the second are indices of `ids` */
    int64_t *ids, *shares;          /* per variant of the phase */
    const char **keys;
    size_t n;
    struct verify_arm treatment, control;
};

/* Everything a stop is verified from. Zero bytes are the start; verify_fini frees. */
struct verify {
    json_t *doc; /* cohort.stop_facts(); strings below belong to it */
    const json_t *evidence;
    struct arena *arena;
    struct verify_phase *phases;
    size_t n_phases;
    uint8_t salt[SALT_BYTES], layer_salt[SALT_BYTES];
    bool has_layer, holdout, sticky, imported;
    struct slots layer;
    /* What was found of the units. */
    int64_t units, redrawn, undrawn, astray;
    char first_astray[40]; /* the uuid of one that is elsewhere than its draw */
};

/* Reads the facts of stop `id`. ERR_NOT_FOUND when there is no such stop. */
int verify_load(struct verify *v, struct pg *p, const char *id, struct error *e);
/* Reads every unit that was counted, draws it anew and counts it. */
int verify_units(struct verify *v, struct pg *p, const char *id, struct error *e);
void verify_fini(struct verify *v);

/* One line of the report. */
struct verify_line {
    bool good;
    char text[600];
};
#define VERIFY_LINES 64

/* Compares; returns how many lines there are. Every line good: the stop is what it says. */
size_t verify_judge(const struct verify *v, struct verify_line lines[VERIFY_LINES]);

/* Can this command compute the evidence again? Else *why says why not. */
bool verify_can(const struct verify *v, const char **why);

#endif
