#include "stats/verdict.h"

#include <math.h>

#include "stats/guardrail.h"

static struct guardrail_rule level_of(const struct verdict_rule *rule)
{
    return (struct guardrail_rule){.harm = rule->way == VERDICT_ABOVE ? EVT_UP : EVT_DOWN,
                                   .margin = rule->bar,
                                   .alpha = rule->alpha,
                                   .weight = rule->weight,
                                   .arms = rule->arms};
}

double verdict_threshold(const struct verdict_rule *rule)
{
    struct guardrail_rule g = level_of(rule);
    g.margin = 1; /* a bar of another scale may be any number */
    return isfinite(rule->bar) ? guardrail_threshold(&g) : INFINITY;
}

bool verdict_counts_broken(const struct srm_pair *units, size_t n)
{
    return srm_pairs_log_e(units, n) >= -log(SRM_ALPHA);
}

static struct verdict begin(const struct verdict_rule *rule, enum verdict_scale scale,
                            const struct srm_pair *units, size_t n)
{
    struct verdict v = {.claim = rule->claim,
                        .way = rule->way,
                        .scale = scale,
                        .threshold = verdict_threshold(rule),
                        .bar = isfinite(rule->bar) ? rule->bar : 0,
                        .low = scale == VERDICT_RATIO ? 0 : -INFINITY,
                        .high = INFINITY,
                        .estimate = scale == VERDICT_RATIO};
    v.level = exp(-v.threshold);
    v.srm_ln_e = srm_pairs_log_e(units, n);
    v.counts_broken = v.srm_ln_e >= -log(SRM_ALPHA);
    if (isinf(v.threshold) || (scale == VERDICT_RATIO && !(rule->bar > 0)))
        v.missing = VERDICT_BAD_RULE;
    return v;
}

static struct verdict conclude(struct verdict v)
{
    v.answered = v.missing == VERDICT_COMPLETE;
    if (!v.answered)
        v.ln_e = 0;
    bool passes = v.answered && v.ln_e >= v.threshold;
    v.blocked = passes && v.claim == VERDICT_SUCCESS && v.counts_broken;
    v.reached = passes && !v.blocked;
    return v;
}

struct verdict verdict_of_events(const struct verdict_rule *rule, struct evt_phase *events,
                                 const struct srm_pair *units, size_t n)
{
    struct verdict v = begin(rule, VERDICT_RATIO, units, n);
    if (v.missing != VERDICT_COMPLETE)
        return conclude(v);
    struct guardrail_rule g = level_of(rule);
    struct guardrail_verdict judged;
    guardrail_judge(&g, events, units, n, &judged);
    v.ln_e = judged.ln_e;
    v.estimate = judged.risk_ratio;
    v.low = judged.lower;
    v.high = judged.upper;
    if (!judged.has_events)
        v.missing = VERDICT_NO_EVENTS;
    return conclude(v);
}

double verdict_widened_q(enum verdict_way way, double q, const struct srm_pair *units, size_t n)
{
    struct evt_phase phase = {0, 0, q};
    guardrail_widen(way == VERDICT_ABOVE ? EVT_UP : EVT_DOWN, &phase, units, 1, n);
    return phase.q;
}

struct verdict verdict_of_tilt(const struct verdict_rule *rule, const struct tilt *tilt,
                               const struct srm_pair *units, size_t n)
{
    struct verdict v = begin(rule, VERDICT_NO_SCALE, units, n);
    if (rule->claim == VERDICT_FUTILITY)
        v.missing = VERDICT_BAD_RULE;
    else if (v.missing == VERDICT_COMPLETE && !tilt->any)
        v.missing = VERDICT_NO_EVENTS;
    v.ln_e = tilt_log_e(tilt, rule->way == VERDICT_ABOVE ? TILT_UP : TILT_DOWN);
    return conclude(v);
}

/* Bounds of a difference, each one-sided at the verdict's level; rounding may not make that of the claim
 * contradict ln E. */
static void bound(struct verdict *v, const struct estimate *e, double n_star)
{
    struct asympcs_rule greater = {v->level, n_star, ASYMPCS_GREATER}, lesser = greater;
    lesser.side = ASYMPCS_LESSER;
    v->low = asympcs_interval(e, &greater).low;
    v->high = asympcs_interval(e, &lesser).high;
    bool passes = v->ln_e >= v->threshold;
    if (v->way == VERDICT_ABOVE)
        v->low = passes ? fmax(v->low, v->bar) : fmin(v->low, nextafter(v->bar, -INFINITY));
    else
        v->high = passes ? fmin(v->high, v->bar) : fmax(v->high, nextafter(v->bar, INFINITY));
}

struct verdict verdict_of_estimate(const struct verdict_rule *rule, const struct estimate *e,
                                   const struct gate *gate, double n_star, const struct srm_pair *units,
                                   size_t n)
{
    struct verdict v = begin(rule, VERDICT_DIFFERENCE, units, n);
    if (v.missing == VERDICT_COMPLETE && rule->claim == VERDICT_HARM)
        v.missing = VERDICT_NO_METHOD;
    if (v.missing == VERDICT_COMPLETE && !gate->open) {
        v.missing = VERDICT_GATED;
        v.missing_in_gate = gate->missing;
    }
    if (v.missing != VERDICT_COMPLETE)
        return conclude(v);
    struct estimate above_bar = *e;
    above_bar.value -= rule->bar;
    struct asympcs_rule side = {v.level, n_star,
                                rule->way == VERDICT_ABOVE ? ASYMPCS_GREATER : ASYMPCS_LESSER};
    struct asympcs cs = asympcs_interval(&above_bar, &side);
    if (!cs.answered) {
        v.missing = VERDICT_NO_ANSWER;
        v.missing_in_gate = cs.missing;
        return conclude(v);
    }
    v.ln_e = cs.p > 0 ? -log(cs.p) : fmax(0, cs.ln_e);
    v.estimate = e->value;
    bound(&v, e, n_star);
    return conclude(v);
}
