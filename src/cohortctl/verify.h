/* Verifies a stop or another verdict: draws, counts and evidence computed again from the database. Internal
 * to cohortctl. */
#ifndef COHORT_COHORTCTL_VERIFY_H
#define COHORT_COHORTCTL_VERIFY_H

#include <jansson.h>
#include <stdint.h>

#include "core/slots.h"
#include "stats/buckets.h"
#include "stats/guardrail.h"
#include "store/pg.h"

/* One arm of a phase: what the units say. Sums are in units of the value, buckets[BUCKET_LAST + b] counts
 * those in bucket b. */
struct verify_arm {
    int64_t units, events, amounts; /* of the units that counted */
    int64_t exposed, matured;
    long double sum, sum_sq, sum_cu, den_sum, den_sum_sq, cross_sum;
    int64_t *buckets;
};

struct verify_phase {
    int64_t id, number;
    bool model; /* one decides: its units are in verify.odds */
    uint8_t salt[SALT_BYTES];
    struct slots traffic, variants; /* the owners of the second are indices of `ids` */
    int64_t *ids, *shares;          /* per variant of the phase */
    const char **keys;
    size_t n;
    struct verify_arm *arms; /* of each variant */
};

/* Units of the treatment and of control in one step of the odds, where a model decides. */
#define ODDS_LAST 255
struct verify_odds {
    int64_t treatment_units, treatment_events, control_units, control_events;
};

/* Everything a stop is verified from. Zero bytes are the start; verify_fini frees. */
struct verify {
    json_t *doc; /* cohort.stop_facts(); strings below belong to it */
    const json_t *evidence;
    const char *kind; /* harm, srm, … */
    bool by_values;   /* harm by the histogram tilt */
    struct arena *arena;
    struct verify_phase *phases;
    size_t n_phases;
    uint8_t salt[SALT_BYTES], layer_salt[SALT_BYTES];
    bool has_layer, holdout, sticky, imported;
    struct slots layer;
    /* What was found of the units. */
    int64_t units, redrawn, undrawn, astray;
    struct verify_odds odds[2 * ODDS_LAST + 1]; /* [ODDS_LAST + k]: step k */
    char first_astray[40];                      /* the uuid of one that is elsewhere than its draw */
};

/* Which one: a row of cohort.stop_event, or of cohort.verdict_event. */
struct verify_id {
    char text[32];
    bool verdict;
};

/* Reads the facts. ERR_NOT_FOUND when there is no such stop or verdict. */
int verify_load(struct verify *v, struct pg *p, const struct verify_id *id, struct error *e);
/* Reads every unit that was counted, draws it anew and counts it. */
int verify_units(struct verify *v, struct pg *p, const struct verify_id *id, struct error *e);
void verify_fini(struct verify *v);

/* The arm of a variant in a phase; NULL: it has none. */
const struct verify_arm *verify_arm_of(const struct verify_phase *p, const char *variant);
int64_t verify_share_of(const struct verify_phase *p, const char *variant);

enum verify_answer {
    VERIFY_NO,
    VERIFY_YES,
    VERIFY_ONLY /* as far as it goes: something is taken from the evidence, the text says what */
};

/* One line of the report. */
struct verify_line {
    enum verify_answer answer;
    char text[600];
};
#define VERIFY_LINES 64

struct verify_report {
    struct verify_line *lines;
    size_t n;
};

/* Compares. Without a "no" it is what it says. lines has room for VERIFY_LINES. */
void verify_judge(const struct verify *v, struct verify_report *r);

/* Can this command compute the evidence again? Else *why says why not. */
bool verify_can(const struct verify *v, const char **why);

/* Parts of verify_judge. */
void verify_say(struct verify_report *r, enum verify_answer answer, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void verify_number(struct verify_report *r, const char *what, double said, double found);
bool verify_close(double a, double b);
double verify_double(const json_t *o, const char *member); /* NAN when there is none */
int64_t verify_whole(const json_t *o, const char *member);
/* Alpha and weight as the definition that ran has them; false when it has no such rule. */
bool verify_level(const struct verify *v, struct verify_report *r);
void verify_by_values(const struct verify *v, struct verify_report *r, const struct guardrail_rule *rule,
                      const struct srm_pair *units, const struct verify_phase *const *phases, size_t n);
void verify_condition(const struct verify *v, struct verify_report *r);

#endif
