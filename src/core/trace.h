/* How a decision came about, step by step, for previews. */
#ifndef COHORT_CORE_TRACE_H
#define COHORT_CORE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_STEPS 96

/* What a step looked at. `name`, `other`, `number` and `limit` depend on it. */
enum trace_code {
    TRACE_FLAG_ARCHIVED,   /* name: flag */
    TRACE_RULE,            /* number: its place from 1, name: "force", … ; other: the experiment or NULL */
    TRACE_CONDITION,       /* ok: the rule's condition is met */
    TRACE_ROLLOUT,         /* ok: in it; number: slot, limit: share in ppm */
    TRACE_BROKEN,          /* the compiler refused it; name: experiment or NULL */
    TRACE_OVERRIDE,        /* name: variant, other: "unit" or "segment" */
    TRACE_STATUS,          /* ok: it is open; name: the reason when it is not */
    TRACE_TOKEN,           /* ok: name: variant; not ok: name: why it was ignored */
    TRACE_HOLDOUT,         /* ok: its arm gives enough; name: holdout, other: arm, number: slot */
    TRACE_HOLDOUT_SKIPPED, /* name: holdout, other: why it was not asked */
    TRACE_PREREQUISITE,    /* ok: met; name: the experiment required, other: variant or reason found */
    TRACE_PREREQUISITE_DEPTH, /* too many steps of prerequisites; name: the experiment required */
    TRACE_TARGETING,          /* ok: the experiment's condition is met; name: experiment */
    TRACE_UNIT_MISSING,       /* name: unit type */
    TRACE_LAYER,              /* ok: its slot is the experiment's; name: layer, number: slot */
    TRACE_TRAFFIC,            /* ok: open; number: slot, limit: phase (0: nobody's; below 0: closed) */
    TRACE_VARIANT,            /* ok; not ok: the arm was dropped. name: variant, number: slot (-1: not drawn),
                                 limit: its probability in ppm */
    TRACE_SHIPPED,    /* ok: gets what shipped; name: variant, number: slot (-1), limit: holdback ppm */
    TRACE_SUPPRESSED, /* a rule would serve, but a holdout gives nothing; name: holdout */
    TRACE_BLIND,      /* the monitor was not heard for number seconds (-1: never), limit are allowed */
    TRACE_PHASE,      /* number: the time phase that draws, at_us: since when, since_us: the unit's epoch */
    TRACE_MODEL,      /* ok: it chooses; number: version. Else name: attribute, other: "missing" or "out of
                         range"; or value: the best's probability, limit: the threshold in ppm */
    TRACE_ARM,        /* name: a variant the model may choose, number: ppm, value: score, ok: the best */
    TRACE_FEATURE,    /* name: a feature, value: what it adds to the best's score */
    TRACE_SAFE,       /* name: the safe variant, served with certainty */
    TRACE_COUNT
};

struct trace_step {
    enum trace_code code;
    bool ok;
    uint8_t depth; /* 0: the flag asked for; 1 and more: inside a prerequisite */
    int32_t number, limit;
    int64_t at_us, since_us; /* INT64_MIN: none */
    double value;
    const char *name, *other; /* the plan's or constants */
};

/* Filled by decide when a subject carries one; begin with n = 0. Slots that a full range makes unnecessary
 * are drawn all the same, so that they can be told. */
struct trace {
    size_t n;
    bool cut; /* there were more than TRACE_STEPS */
    struct trace_step steps[TRACE_STEPS];
};

/* NULL: does nothing. */
void trace_add(struct trace *t, struct trace_step step);

/* "holdout", … for programs. */
const char *trace_code_name(enum trace_code c);

/* A sentence: "layer checkout: slot 412345 is not one of the experiment's". Cut to cap; returns its length,
 * NUL-terminated when cap > 0. */
size_t trace_describe(const struct trace_step *s, char *text, size_t cap);

#endif
