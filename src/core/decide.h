/* One decision: which value of a flag a subject gets now, and why. Pure: no clock, no I/O, no allocation. */
#ifndef COHORT_CORE_DECIDE_H
#define COHORT_CORE_DECIDE_H

#include "core/attr.h"
#include "core/plan.h"

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
    REASON_COUNT
};

/* "GUARD_STOP", … */
const char *decide_reason_name(enum reason r);
/* OFREP's word for it: STATIC, TARGETING_MATCH, SPLIT, DISABLED, DEFAULT or UNKNOWN. */
const char *decide_reason_ofrep(enum reason r);

#define SUBJECT_UNITS 8 /* unit types whose hash is remembered during one request */

/* Who asks. Start with subject_init; the strings and attributes must outlive it. `targeting_key` is the id of
 * unit type "user"; an experiment on another unit type takes the string attribute of that name. */
struct subject {
    const char *targeting_key;
    size_t targeting_key_len;
    const struct attr *attributes; /* an object, or NULL */
    struct {
        const char *type;
        struct unit unit;
        bool present;
    } units[SUBJECT_UNITS];
    size_t n_units;
};

void subject_init(struct subject *s, const char *targeting_key, size_t len, const struct attr *attributes);

/* The subject's unit of a type; false when the context has none (or it is not a valid raw id). */
bool subject_unit(const struct plan *p, struct subject *s, const char *type, struct unit *out);

/* What was decided. Pointers belong to the plan. */
struct decision {
    const struct plan_flag *flag;
    enum reason reason;
    const struct plan_experiment *experiment;  /* the one that decided or that first fell back, or NULL */
    const struct plan_phase *phase;            /* with a variant, else NULL */
    const struct plan_variant *variant;        /* served by the experiment, or NULL */
    const struct plan_variant *counterfactual; /* on a fallback: what it would have got, or NULL */
    const char *variant_name;                  /* "treatment", "default", "forced", …: never NULL */
    const char *value_json;                    /* the value as JSON text; NULL: use the code's default */
    struct unit unit;                          /* of the experiment's unit type, else of "user" */
    int32_t propensity_ppm;                    /* share of the variant among the enrolled; -1 null */
    int32_t inclusion_ppm;                     /* holdouts x layer x traffic; -1 null */
};

/* Decides. now_us: microseconds since 1970, only compared with definitions' times. Always succeeds. */
void decide(const struct plan *p, const struct plan_flag *f, struct subject *s, int64_t now_us,
            struct decision *out);

/* The attributes the flag's rules look at, as top-level names; at most max are written. Returns how many
 * there are. For the log of inputs used. */
size_t decide_inputs(const struct plan_flag *f, const char **names, size_t max);

#endif
