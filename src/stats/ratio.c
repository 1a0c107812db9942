#include "stats/ratio.h"

#include <math.h>

#include "stats/across.h"

static bool sums_of_d(const struct arm_sums *a)
{
    return fabs(a->sum_d) <= 1e150 && fabs(a->sum_dd) <= 1e300 && fabs(a->sum_yd) <= 1e300;
}

/* Mean numerator and denominator as a contrast, "treatment" over "control": what Fieller's interval takes. */
static struct contrast parts_of(const struct arm_sums *a)
{
    if (!arm_usable(a, 2))
        return contrast_without(a->n < 2 ? STAT_NO_UNITS : STAT_BAD_SUMS);
    if (!sums_of_d(a))
        return contrast_without(STAT_BAD_SUMS);
    double scale = (a->n - 1) * a->n;
    return (struct contrast){.answered = true,
                             .n = a->n,
                             .treatment = a->sum / a->n,
                             .control = a->sum_d / a->n,
                             .var_treatment = arm_mean_variance(a, false),
                             .var_control = fmax(0, centred_sum(a->n, a->sum_d, a->sum_d, a->sum_dd)) / scale,
                             .covariance = centred_sum(a->n, a->sum, a->sum_d, a->sum_yd) / scale};
}

/* R and Var(R); false without an answer. */
static bool delta(const struct contrast *p, double *r, double *variance)
{
    *r = *variance = 0;
    if (!p->answered || p->control == 0)
        return false;
    double ratio = p->treatment / p->control;
    double v = p->var_treatment - 2 * ratio * p->covariance + ratio * ratio * p->var_control;
    v = v / p->control / p->control;
    if (!isfinite(ratio) || !isfinite(v))
        return false;
    *r = ratio;
    *variance = fmax(0, v);
    return true;
}

double ratio_unit_variance(const struct arm_sums *a)
{
    struct contrast p = parts_of(a);
    double r, v;
    return delta(&p, &r, &v) ? v * p.n : 0;
}

double ratio_strength(const struct arm_sums *a)
{
    struct contrast p = parts_of(a);
    return p.answered ? contrast_strength(&p) : 0;
}

struct contrast ratio_contrast(const struct arm_sums *treatment, const struct arm_sums *control)
{
    struct contrast t = parts_of(treatment), c = parts_of(control), out = {.n = t.n + c.n};
    if (!t.answered || !c.answered)
        return contrast_without(t.answered ? c.missing : t.missing);
    if (t.control == 0 || c.control == 0)
        return contrast_without(STAT_NO_DENOMINATOR);
    if (!delta(&t, &out.treatment, &out.var_treatment) || !delta(&c, &out.control, &out.var_control))
        return contrast_without(STAT_BAD_SUMS);
    out.answered = true;
    return out;
}

/* All the denominators that are used are far enough from 0. */
static bool strong(const struct arm_sums *t, const struct arm_sums *c, size_t phases)
{
    for (size_t k = 0; k < phases; k++)
        if (ratio_contrast(&t[k], &c[k]).answered &&
            fmin(ratio_strength(&t[k]), ratio_strength(&c[k])) < DELTA_NEEDS)
            return false;
    return true;
}

struct range {
    double low, high;
};

/* Adds w times the Fieller interval of an arm in a phase. The boundary is taken at the units of both arms, as
 * its ρ is. */
static bool add_fieller(struct range *sum, const struct arm_sums *a, double w, double m)
{
    struct contrast p = parts_of(a);
    struct range one;
    if (!contrast_fieller(&p, m, &one.low, &one.high))
        return false;
    sum->low += w * one.low;
    sum->high += w * one.high;
    return true;
}

/* Both arms' phase-standardised ratios, each within its range at α/2 together. */
static bool fieller_arms(const struct arm_sums *t, const struct arm_sums *c, size_t phases,
                         const struct asympcs_rule *rule, const struct across *all, struct range *treatment,
                         struct range *control)
{
    struct asympcs_rule part = *rule;
    /* an end of a difference needs one end of each arm: what is one-sided is still two intervals */
    part.side = ASYMPCS_BOTH;
    part.alpha = rule->alpha / (2 * (double)all->phases);
    *treatment = *control = (struct range){0, 0};
    for (size_t k = 0; k < phases; k++) {
        struct contrast one = ratio_contrast(&t[k], &c[k]);
        double w = one.n / all->arms.n, m = asympcs_multiplier(&part, one.n);
        if (one.answered && !(add_fieller(treatment, &t[k], w, m) && add_fieller(control, &c[k], w, m)))
            return false;
    }
    return true;
}

static struct asympcs from_range(struct asympcs a, struct range r, const struct asympcs_rule *rule)
{
    a.fieller = true;
    a.low = rule->side == ASYMPCS_LESSER ? -INFINITY : r.low;
    a.high = rule->side == ASYMPCS_GREATER ? INFINITY : r.high;
    a.p = a.low > 0 || a.high < 0 ? rule->alpha : 1;
    a.ln_e = 0;
    return a;
}

struct asympcs ratio_difference(const struct arm_sums *treatment, const struct arm_sums *control,
                                size_t phases, const struct asympcs_rule *rule)
{
    struct across all = across_phases(ACROSS_RATIO, treatment, control, phases);
    struct estimate d = contrast_difference(&all.arms);
    struct asympcs a = asympcs_interval(&d, rule);
    struct range t, c;
    if (!a.answered || strong(treatment, control, phases))
        return a;
    if (!fieller_arms(treatment, control, phases, rule, &all, &t, &c))
        return asympcs_without(STAT_WEAK_DENOMINATOR, &d);
    return from_range(a, (struct range){t.low - c.high, t.high - c.low}, rule);
}

/* Every t / c - 1 with c > 0. */
static struct range quotient(struct range t, struct range c)
{
    return (struct range){t.low / (t.low < 0 ? c.low : c.high) - 1,
                          t.high / (t.high < 0 ? c.high : c.low) - 1};
}

struct asympcs ratio_relative(const struct arm_sums *treatment, const struct arm_sums *control, size_t phases,
                              const struct asympcs_rule *rule)
{
    struct across all = across_phases(ACROSS_RATIO, treatment, control, phases);
    struct estimate lift = contrast_relative(&all.arms);
    struct asympcs a = asympcs_relative(&all.arms, rule);
    struct range t, c;
    if (strong(treatment, control, phases) || !lift.answered ||
        (!a.answered && a.missing != STAT_WEAK_DENOMINATOR))
        return a;
    bool bounded = fieller_arms(treatment, control, phases, rule, &all, &t, &c);
    bool negative = bounded && c.high < 0;
    if (negative) { /* both turned: (R_t - R_c) / |R_c| = 1 + R_t / -R_c is (-R_c - -R_t) / -R_c */
        t = (struct range){-t.high, -t.low};
        c = (struct range){-c.high, -c.low};
    }
    if (!bounded || !(c.low > 0))
        return asympcs_without(STAT_WEAK_DENOMINATOR, &lift);
    struct range q = quotient(t, c);
    if (negative)
        q = (struct range){-q.high, -q.low};
    a.answered = true;
    a.missing = STAT_COMPLETE;
    a.estimate = lift.value;
    a.std_error = sqrt(lift.variance);
    return from_range(a, q, rule);
}
