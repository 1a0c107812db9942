#include "stats/across.h"

#include <math.h>

#include "stats/cuped.h"
#include "stats/ratio.h"

static struct contrast plain(const struct arm_sums *t, const struct arm_sums *c, bool proportion)
{
    double needed = proportion ? 1 : 2;
    if (!arm_usable(t, needed) || !arm_usable(c, needed))
        return contrast_without(t->n < needed || c->n < needed ? STAT_NO_UNITS : STAT_BAD_SUMS);
    if (proportion && (t->sum < 0 || t->sum > t->n || c->sum < 0 || c->sum > c->n))
        return contrast_without(STAT_BAD_SUMS);
    return (struct contrast){.answered = true,
                             .n = t->n + c->n,
                             .treatment = t->sum / t->n,
                             .control = c->sum / c->n,
                             .var_treatment = arm_mean_variance(t, proportion),
                             .var_control = arm_mean_variance(c, proportion)};
}

struct contrast across_one(enum across_kind kind, const struct arm_sums *treatment,
                           const struct arm_sums *control)
{
    switch (kind) {
    case ACROSS_PROPORTION:
        return plain(treatment, control, true);
    case ACROSS_MEAN:
        return plain(treatment, control, false);
    case ACROSS_RATIO:
        return ratio_contrast(treatment, control);
    case ACROSS_CUPED:
        return cuped_regress(treatment, control).adjusted;
    }
    return contrast_without(STAT_BAD_RULE);
}

static void add(struct contrast *sum, const struct contrast *c, double w)
{
    sum->treatment += w * c->treatment;
    sum->control += w * c->control;
    sum->var_treatment += w * w * c->var_treatment;
    sum->var_control += w * w * c->var_control;
    sum->covariance += w * w * c->covariance;
}

/* Units of the phases that have an answer; what is missing is that of the last one without. */
static double answered_units(enum across_kind kind, const struct arm_sums *t, const struct arm_sums *c,
                             size_t phases, struct across *out)
{
    double n = 0;
    for (size_t k = 0; k < phases; k++) {
        struct contrast one = across_one(kind, &t[k], &c[k]);
        n += one.n;
        *(one.answered ? &out->phases : &out->left_out) += 1;
        if (!one.answered)
            out->arms.missing = one.missing;
    }
    return n;
}

struct across across_phases(enum across_kind kind, const struct arm_sums *treatment,
                            const struct arm_sums *control, size_t phases)
{
    struct across out = {.arms = contrast_without(STAT_NO_UNITS), .variance_ratio = 1};
    double n = answered_units(kind, treatment, control, phases, &out), plain_v = 0;
    if (out.phases == 0)
        return out;
    out.arms = (struct contrast){.answered = true, .n = n};
    for (size_t k = 0; k < phases; k++) {
        struct contrast one = across_one(kind, &treatment[k], &control[k]);
        double w = one.n / n;
        if (!one.answered)
            continue;
        add(&out.arms, &one, w);
        if (kind == ACROSS_CUPED)
            plain_v += w * w * cuped_regress(&treatment[k], &control[k]).variance_plain;
    }
    double v = contrast_difference(&out.arms).variance;
    if (plain_v > 0)
        out.variance_ratio = v / plain_v;
    return out;
}

struct asympcs across_difference(enum across_kind kind, const struct arm_sums *treatment,
                                 const struct arm_sums *control, size_t phases,
                                 const struct asympcs_rule *rule)
{
    if (kind == ACROSS_RATIO)
        return ratio_difference(treatment, control, phases, rule);
    struct across a = across_phases(kind, treatment, control, phases);
    struct estimate d = contrast_difference(&a.arms);
    return asympcs_interval(&d, rule);
}

struct asympcs across_relative(enum across_kind kind, const struct arm_sums *treatment,
                               const struct arm_sums *control, size_t phases, const struct asympcs_rule *rule)
{
    if (kind == ACROSS_RATIO)
        return ratio_relative(treatment, control, phases, rule);
    struct across a = across_phases(kind, treatment, control, phases);
    return asympcs_relative(&a.arms, rule);
}
