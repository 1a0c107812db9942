/* One decision: which value of a flag a subject gets now, and why. Pure: no clock, no I/O, no allocation. */
#ifndef COHORT_CORE_DECIDE_H
#define COHORT_CORE_DECIDE_H

#include "core/attr.h"
#include "core/plan.h"
#include "core/trace.h"

/* Each step of a decision has its own code; decide_reason_name gives the word clients and logs see.
 * New codes go at the end. */
enum reason {
    REASON_DEFAULT,        /* no rule applied: the flag's default */
    REASON_FORCED,         /* a force rule */
    REASON_ROLLOUT,        /* in the share of a rollout rule */
    REASON_VARIANT,        /* drawn into a variant of a running experiment */
    REASON_ARCHIVED,       /* the experiment is archived */
    REASON_NOT_STARTED,    /* draft */
    REASON_STOPPED,        /* stopped by a person */
    REASON_GUARD_STOP,     /* stopped by its guardrail */
    REASON_TARGETING,      /* the attributes don't meet its condition */
    REASON_NOT_IN_TRAFFIC, /* its traffic slot is owned by no phase */
    REASON_UNIT_MISSING,   /* the context has no id of the experiment's unit type */
    REASON_QUARANTINED,    /* the compiler refused the experiment */
    REASON_SCHEDULED,      /* it starts later, by itself */
    REASON_PAUSED,         /* paused by a person */
    REASON_ENDED,          /* its end has passed */
    REASON_OVERRIDE,       /* a unit or segment forced into a variant: served, counted nowhere */
    REASON_HOLDOUT,        /* a holdout keeps the unit out; it was eligible but for that */
    REASON_PREREQUISITE,   /* not in one of the variants required of another experiment */
    REASON_NOT_IN_LAYER,   /* its slot of the layer is not the experiment's */
    REASON_ARM_DROPPED,    /* drawn into a variant that was dropped */
    REASON_SHIPPED,        /* gets the variant that shipped */
    REASON_HOLDBACK,       /* in the share that keeps control after shipping */
    REASON_STICKY,         /* keeps the variant its token names */
    REASON_GUARD_BLIND,    /* nobody has watched its guardrails for longer than it allows */
    /* A model decides, and serves the safe variant instead, with certainty: */
    REASON_LOW_CONFIDENCE,    /* the best variant's probability is below the threshold */
    REASON_OUT_OF_RANGE,      /* a number is outside of what the model was trained on */
    REASON_ATTRIBUTE_MISSING, /* the context lacks an attribute the model needs */
    REASON_COUNT
};

/* "GUARD_STOP", … */
const char *decide_reason_name(enum reason r);
/* OFREP's word for it: STATIC, TARGETING_MATCH, SPLIT, DISABLED, DEFAULT or UNKNOWN. */
const char *decide_reason_ofrep(enum reason r);

#define SUBJECT_UNITS 8    /* unit types whose hash is remembered during one request */
#define SUBJECT_LAYERS 8   /* layers whose slot is remembered */
#define SUBJECT_HOLDOUTS 8 /* holdouts whose arm is remembered */

/* Who asks. Start with subject_init; the strings and attributes must outlive it. `targeting_key` is the id of
 * unit type "user"; an experiment on another unit type takes the string attribute of that name. Sticky tokens
 * are read from the attribute "cohortTokens", a string or a list of them. It remembers what was drawn, so one
 * subject serves one plan. */
struct subject {
    const char *targeting_key;
    size_t targeting_key_len;
    const struct attr *attributes; /* an object, or NULL */
    struct trace *trace;           /* NULL, or where each step is noted */
    struct {
        const char *type;
        struct unit unit;
        bool present;
    } units[SUBJECT_UNITS];
    size_t n_units;
    struct {
        const struct plan_layer *layer;
        struct unit unit;
        uint32_t slot;
    } layers[SUBJECT_LAYERS];
    size_t n_layers;
    struct {
        const struct plan_experiment *holdout;
        struct unit unit;
        uint32_t slot;
        bool present;
    } holdouts[SUBJECT_HOLDOUTS];
    size_t n_holdouts;
};

void subject_init(struct subject *s, const char *targeting_key, size_t len, const struct attr *attributes);

/* The subject's unit of a type; false when the context has none (or it is not a valid raw id). */
bool subject_unit(const struct plan *p, struct subject *s, const char *type, struct unit *out);

#define DECISION_HOLDOUTS 8 /* holdouts of one experiment, and those told by one decision */

/* An exposure to a holdout that the caller must record with a single evaluation. */
struct holdout_exposure {
    const struct plan_experiment *experiment; /* the holdout */
    const struct plan_phase *phase;
    const struct plan_variant *variant; /* the unit's arm */
    struct unit unit;
    int32_t propensity_ppm; /* the arm's share */
    int32_t inclusion_ppm;  /* the shares of the holdouts asked before it that let the unit through */
};

#define DECISION_ARMS 32 /* variants a model chooses between */

struct probability {
    const struct plan_variant *variant;
    int32_t ppm;
};

/* The probabilities a model drew from, by variant id; their sum is 1,000,000. */
struct vector {
    size_t n; /* 0: no model decided */
    struct probability list[DECISION_ARMS];
};

/* What was decided. Pointers belong to the plan. */
struct decision {
    const struct plan_flag *flag;
    enum reason reason;
    const struct plan_experiment *experiment;  /* the one that decided or that first fell back, or NULL */
    const struct plan_phase *phase;            /* the one that drew the variant served, or NULL */
    const struct plan_variant *variant;        /* served by the experiment, or NULL */
    const struct plan_variant *counterfactual; /* on a fallback: what it would have got, or NULL */
    const char *variant_name;                  /* "treatment", "default", "forced", …: never NULL */
    const char *value_json;                    /* the value as JSON text; NULL: use the code's default */
    struct unit unit;                          /* of the experiment's unit type, else of "user" */
    int32_t propensity_ppm;                    /* share of the variant among the enrolled; -1 null */
    int32_t inclusion_ppm;                     /* holdouts x layer x traffic; -1 null */
    const struct model *model;                 /* the one that decided, or NULL */
    struct vector vector;                      /* its probabilities */
    int64_t drawn_us; /* when the variant was drawn: now, or when the token was made that keeps it */
    /* The holdout that kept the unit out (reason HOLDOUT) and its arm, else NULL. The propensity is then the
     * arm's, the inclusion that of being asked: earlier holdouts x layer x traffic. */
    const struct plan_experiment *holdout;
    const struct plan_variant *holdout_variant;
    /* Holdouts that were asked on behalf of an experiment that enrolled the unit, or would have but for a
     * holdout: an exposure to each. Whether there is one never depends on the arm. */
    size_t n_holdouts;
    struct holdout_exposure holdouts[DECISION_HOLDOUTS];
};

/* Decides. decision_id: the 16 bytes the answer will carry, made before it is known what is decided: where
 * each decision is randomised it takes part in the draw; NULL counts as zeros. now_us: microseconds since
 * 1970, only compared with definitions' times. blind_us: for how long the monitor of guardrails has not been
 * heard, INT64_MAX when it never was; a running experiment that allows less serves its fallback, since harm
 * would go unseen. Always succeeds.
 *
 * Rules are asked in order; the first that serves decides. An experiment: archived, then override, then
 * status and times, then token, then holdouts, prerequisites, targeting, layer, traffic, variant. A unit that
 * a holdout keeps out is told so (HOLDOUT) only when all the rest would have enrolled it, and the rest is
 * judged as if the holdout let it through: the same units count in every arm of a holdout. An arm that gives
 * nothing makes the whole flag serve its default; one that gives rules leaves force and rollout rules (the
 * reason stays HOLDOUT). Counterfactuals are told where the unit is targeted and a phase owns its slot. */
void decide(const struct plan *p, const struct plan_flag *f, struct subject *s, const uint8_t *decision_id,
            int64_t now_us, int64_t blind_us, struct decision *out);

/* The attributes the flag's rules look at, as top-level names; at most max are written. Returns how many
 * there are. For the log of inputs used. */
size_t decide_inputs(const struct plan_flag *f, const char **names, size_t max);
/* Whether they are the same of two flags, in the same order. */
bool decide_same_inputs(const struct plan_flag *a, const struct plan_flag *b);

#endif
