/* The inside of a decision, for decide*.c alone. */
#ifndef COHORT_CORE_DECIDE_PRIVATE_H
#define COHORT_CORE_DECIDE_PRIVATE_H

#include "core/decide.h"
#include "core/plan_private.h"

#define PREREQUISITE_DEPTH 8  /* experiments that require each other in a row */
#define PREREQUISITE_MOST 256 /* decided in all on behalf of one decision; further ones are not met */

/* Everyone whose decision this is; kept together to keep argument lists short. */
struct question {
    const struct plan *plan;
    struct subject *subject;
    int64_t now_us;
    int64_t blind_us;                      /* since the monitor was heard */
    const uint8_t *decision_id;            /* or NULL */
    struct vector *vector;                 /* where a model's probabilities go; NULL in a prerequisite */
    uint8_t depth;                         /* 0: the flag asked for; more: a prerequisite's */
    int *prerequisites_left;               /* of PREREQUISITE_MOST */
    const struct plan_experiment *ignored; /* a holdout judged as if it let the unit through, or NULL */
    struct decision *exposed;              /* where holdout exposures are noted; NULL in a prerequisite */
};

/* What a rule said: the part of a decision that is passed around. */
struct answer {
    enum reason reason;
    const struct plan_experiment *experiment;
    const struct plan_phase *phase;
    const struct plan_variant *variant, *counterfactual;
    const char *variant_name, *value_json;
    struct unit unit;
    int32_t propensity_ppm, inclusion_ppm;
    const struct model *model; /* then the question's vector holds its probabilities */
    int64_t drawn_us;
    const struct plan_experiment *holdout;
    const struct plan_variant *holdout_variant;
    bool flag_emptied; /* a holdout gives nothing: no rule serves any more */
};

/* decide.c: the flag's rules. */
void decide_rules(const struct question *q, const struct plan_flag *f, struct answer *out);
bool rule_meets(const struct question *q, const struct plan_rule *r);
/* Fills what serving a variant has. */
void serve_variant(const struct plan_variant *v, struct answer *out);

/* decide_experiment.c: one experiment behind a rule. */
enum reason decide_experiment(const struct question *q, const struct plan_rule *r, struct answer *out);
/* True for experiments that could serve now: running or shipped, within their times, not stopped. A monitor
 * that is not heard does not matter here: it is short, like a pause, and holdouts' members stay where they
 * are.
 */
bool experiment_is_open(const struct plan_experiment *x, int64_t now_us);

/* decide_holdout.c: the holdouts asked for one experiment, in order, up to the one that keeps the unit out.
 */
struct asked {
    size_t n;
    struct {
        const struct plan_experiment *holdout;
        const struct arm *arm;
        struct unit unit;
        uint32_t inclusion_ppm; /* of those before it */
    } list[PLAN_HOLDOUTS_MAX];
    bool held;              /* the last one keeps the unit out */
    uint32_t inclusion_ppm; /* of those that let it through */
};

void holdouts_ask(const struct question *q, const struct plan_experiment *x, struct asked *out);
/* The eligible unit's exposure to each holdout asked. */
void holdouts_expose(const struct question *q, const struct asked *a);
/* True when a holdout asked for an open experiment of the flag gives its members nothing. */
bool holdouts_empty(const struct question *q, const struct plan_flag *f, struct answer *out);

/* decide_prerequisite.c */
bool prerequisites_met(const struct question *q, const struct plan_experiment *x);

/* decide_sticky.c: true when the subject carries a token that keeps it in a variant; fills out. */
bool sticky_variant(const struct question *q, const struct plan_experiment *x, struct answer *out);

/* subject.c: draws that are remembered. */
uint32_t subject_layer_slot(struct subject *s, const struct plan_layer *l, const struct unit *u);
/* False when the subject has no unit of the holdout's type. */
bool subject_holdout_slot(const struct plan *p, struct subject *s, const struct plan_experiment *h,
                          uint32_t *slot, struct unit *unit);

/* Notes a step of this question when someone listens. */
#define NOTE(q, ...)                                                                                         \
    do {                                                                                                     \
        if ((q)->subject->trace)                                                                             \
            trace_add((q)->subject->trace, (struct trace_step){.depth = (q)->depth, __VA_ARGS__});           \
    } while (0)

#endif
