#include "stats/segment.h"

#include <math.h>

#include "stats/multiplicity.h"

/* The arms of segment s, or of everybody else. */
static struct arm_sums sums_of(const struct segment *segments, size_t k, size_t s, size_t phase,
                               bool treatment, bool rest)
{
    struct arm_sums sum = {0};
    for (size_t i = 0; i < k; i++) {
        const struct arm_sums *a = treatment ? &segments[i].treatment[phase] : &segments[i].control[phase];
        if ((i == s) == rest)
            continue;
        sum.n += a->n;
        sum.sum += a->sum;
        sum.sum_sq += a->sum_sq;
        sum.amounts += a->amounts;
    }
    return sum;
}

/* Events of the arm with fewer. */
static double fewest(enum across_kind kind, const struct segment *segments, size_t k, size_t s, size_t phases,
                     bool rest)
{
    double t = 0, c = 0;
    for (size_t p = 0; p < phases; p++) {
        struct arm_sums a = sums_of(segments, k, s, p, true, rest);
        struct arm_sums b = sums_of(segments, k, s, p, false, rest);
        t += kind == ACROSS_PROPORTION ? a.sum : a.amounts;
        c += kind == ACROSS_PROPORTION ? b.sum : b.amounts;
    }
    return isnan(t) || isnan(c) ? 0 : fmin(t, c);
}

/* across_phases() for the segment or the rest, with sums that exist for one phase at a time. */
static struct contrast standardised(enum across_kind kind, const struct segment *segments, size_t k, size_t s,
                                    size_t phases, bool rest)
{
    struct contrast total = contrast_without(STAT_NO_UNITS);
    double n = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1 && n <= 0)
            return total;
        if (pass == 1)
            total = (struct contrast){.answered = true, .n = n};
        for (size_t p = 0; p < phases; p++) {
            struct arm_sums t = sums_of(segments, k, s, p, true, rest);
            struct arm_sums c = sums_of(segments, k, s, p, false, rest);
            struct contrast one = across_one(kind, &t, &c);
            double w = one.n / n;
            if (pass == 0) {
                n += one.n;
                total.missing = one.answered ? total.missing : one.missing;
            } else if (one.answered) {
                total.treatment += w * one.treatment;
                total.control += w * one.control;
                total.var_treatment += w * w * one.var_treatment;
                total.var_control += w * w * one.var_control;
            }
        }
    }
    return total;
}

static struct disparity without(enum stat_missing missing, double units, double events)
{
    return (struct disparity){.missing = missing, .units = units, .events = events};
}

static double units_of(const struct segment *s, size_t phases)
{
    double n = 0;
    for (size_t p = 0; p < phases; p++)
        n += fmax(0, s->treatment[p].n) + fmax(0, s->control[p].n);
    return isfinite(n) ? n : 0;
}

static struct disparity judge(enum across_kind kind, const struct segment *segments, size_t k, size_t s,
                              size_t phases, const struct asympcs_rule *rule)
{
    double units = units_of(&segments[s], phases), events = fewest(kind, segments, k, s, phases, false);
    struct contrast here = standardised(kind, segments, k, s, phases, false);
    struct contrast rest = standardised(kind, segments, k, s, phases, true);
    if (!here.answered || !rest.answered)
        return without(here.answered ? rest.missing : here.missing, units, events);
    if (!(events >= SEGMENT_EVENTS && fewest(kind, segments, k, s, phases, true) >= SEGMENT_EVENTS))
        return without(STAT_FEW_EVENTS, units, events);
    struct estimate a = contrast_difference(&here), b = contrast_difference(&rest);
    struct estimate d = {
        .answered = true, .value = a.value - b.value, .variance = a.variance + b.variance, .n = a.n + b.n};
    struct asympcs cs = asympcs_interval(&d, rule);
    if (!cs.answered)
        return without(cs.missing, units, events);
    return (struct disparity){.answered = true,
                              .units = units,
                              .events = events,
                              .treatment = here.treatment,
                              .control = here.control,
                              .effect = a.value,
                              .effect_rest = b.value,
                              .difference = d.value,
                              .std_error = cs.std_error,
                              .z = d.value / cs.std_error,
                              .low = cs.low,
                              .high = cs.high,
                              .ln_e = cs.ln_e};
}

static double ratio(double rate, double highest)
{
    return highest > 0 ? rate / highest : 1;
}

static void compare_rates(struct disparity *out, size_t k)
{
    double highest_t = 0, highest_c = 0;
    for (size_t s = 0; s < k; s++) {
        highest_t = fmax(highest_t, out[s].treatment); /* 0 where there is no answer */
        highest_c = fmax(highest_c, out[s].control);
    }
    for (size_t s = 0; s < k; s++)
        if (out[s].answered) {
            out[s].ratio_treatment = ratio(out[s].treatment, highest_t);
            out[s].ratio_control = ratio(out[s].control, highest_c);
        }
}

static double evidence(const void *list, size_t i)
{
    const struct disparity *d = (const struct disparity *)list + i;
    return d->answered ? d->ln_e : -INFINITY;
}

static size_t reject(struct disparity *out, size_t k, double alpha)
{
    double threshold = ebh_threshold(evidence, out, k, alpha);
    size_t hits = 0;
    for (size_t s = 0; s < k; s++)
        hits += out[s].rejected = evidence(out, s) >= threshold;
    return hits;
}

size_t segment_disparity(enum across_kind kind, const struct segment *segments, size_t k, size_t phases,
                         const struct asympcs_rule *rule, struct disparity *out)
{
    bool known = (kind == ACROSS_PROPORTION || kind == ACROSS_MEAN) && rule->side == ASYMPCS_BOTH;
    for (size_t s = 0; s < k; s++)
        out[s] = known ? judge(kind, segments, k, s, phases, rule) : without(STAT_BAD_RULE, 0, 0);
    compare_rates(out, k);
    return reject(out, k, rule->alpha);
}
