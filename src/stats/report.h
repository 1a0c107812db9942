/* What is shown of one metric for one treatment against control: values, difference, lift, an interval that
 * holds however often one looks, p, ln E, and what is missing where there is no answer. For reports: nothing
 * here stops an experiment. Formulas: "Results" in docs/statistics.md.
 *
 * Behind its gate a difference has the AsympCS interval across phases (Fieller's for a ratio whose
 * denominator is weak). A rare binary metric has before that EVT's bounds of the risk ratio, which need no
 * gate; a quantile has its own sequence. Phases are never pooled. */
#ifndef COHORT_STATS_REPORT_H
#define COHORT_STATS_REPORT_H

#include "stats/across.h"
#include "stats/fixed.h"
#include "stats/gate.h"

enum report_kind { REPORT_BINARY, REPORT_COUNT, REPORT_MEAN, REPORT_RATIO, REPORT_QUANTILE };

/* Fixed before the first unit. */
struct report_rule {
    enum report_kind kind;
    double alpha;    /* of each interval, in (0, 1) */
    double n_star;   /* planned units of both arms, > 0 */
    double quantile; /* which one, in (0, 1); for REPORT_QUANTILE */
    bool cuped;      /* the covariate is stored: adjust too; not for ratios and quantiles */
    bool no_marks;   /* leave out EVT's bounds: of a bandit they are computed otherwise (adaptive.h) */
};

/* treatment[k], control[k] and q[k] (evt.h) of the same phase. For a ratio sum is the numerator, sum_d the
 * denominator. Sums in the value's unit; buckets in millionths, as buckets.h numbers them. */
struct report_arms {
    const struct arm_sums *treatment, *control;
    const double *q;
    size_t phases;
};

enum report_method {
    REPORT_NONE,    /* no interval: `missing` or the gate says why */
    REPORT_ASYMPCS, /* of the difference, behind its gate */
    REPORT_FIELLER, /* the same for a ratio with a weak denominator */
    REPORT_EVT,     /* of the risk ratio; the difference has none */
    REPORT_SEQUENCE /* of a quantile */
};

/* known = false: all 0. A bound may be infinite, where nothing is excluded on that side. */
struct report_range {
    bool known;
    double value, low, high;
};

struct report {
    enum report_method method;
    enum stat_missing missing; /* why there is no difference; STAT_COMPLETE where there is one */
    struct gate gate;          /* quantiles and ratios of rare events too: open = false says what for */
    bool few_without;          /* gate: units without the event are missing, not units with it */
    bool control_is_smaller;   /* gate: the arm that lacks it */
    double treatment_n, control_n;
    bool has_values;
    double treatment, control; /* phase-standardised with the same weights */
    bool has_difference;
    double difference, std_error; /* std_error 0 where the method has none */
    double low, high;             /* of the difference; meaningful when has_interval */
    bool has_interval;
    struct report_range lift;       /* (treatment - control) / |control| */
    struct report_range risk_ratio; /* binary: EVT */
    double p, ln_e;                 /* always valid; 1 and 0 when nothing is known. E is two-sided */
    size_t phases, left_out;
    struct report_range cuped; /* the adjusted difference; known when asked for and answered */
    bool has_cuped_interval;
    enum stat_missing cuped_missing;
    double cuped_gain;         /* 0.4: the variance is 40 % smaller; never below 0 */
    struct fixed_result fixed; /* one look at a moment chosen beforehand; to be labelled */
};

void report_judge(const struct report_rule *rule, const struct report_arms *arms, struct report *out);

/* The value of one arm by itself, Σ w_k value_k / Σ w_k over the phases in which it has one; weights[k] are
 * the units of all arms in phase k. false: no phase has one. */
bool report_value(const struct report_rule *rule, const struct arm_sums *arm, const double *weights,
                  size_t phases, double *value);

/* The anytime-valid interval of a quantile of one arm, in the value's unit. */
struct report_range report_quantile(const struct report_rule *rule, const struct arm_sums *arm,
                                    const double *weights, size_t phases);

#endif
