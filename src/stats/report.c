#include "stats/report.h"

#include <math.h>
#include <stdlib.h>

#include "stats/evt.h"
#include "stats/quantile.h"

#define MILLIONTHS 1e6

static enum across_kind across_kind_of(enum report_kind kind)
{
    switch (kind) {
    case REPORT_BINARY:
        return ACROSS_PROPORTION;
    case REPORT_RATIO:
        return ACROSS_RATIO;
    case REPORT_COUNT:
    case REPORT_MEAN:
    case REPORT_QUANTILE:
        break;
    }
    return ACROSS_MEAN;
}

static struct asympcs_rule two_sided(const struct report_rule *rule)
{
    return (struct asympcs_rule){.alpha = rule->alpha, .n_star = rule->n_star, .side = ASYMPCS_BOTH};
}

static double total(const struct arm_sums *arms, size_t phases, bool events)
{
    double t = 0;
    for (size_t k = 0; k < phases; k++)
        t += events ? arms[k].sum : arms[k].n;
    return isfinite(t) ? t : 0;
}

/* Which arm, and which sort of unit, the gate waits for. */
static void say_what_for(enum report_kind kind, const struct report_arms *a, struct report *out)
{
    double t = out->treatment_n, c = out->control_n;
    if (kind == REPORT_BINARY) {
        double te = total(a->treatment, a->phases, true), ce = total(a->control, a->phases, true);
        out->few_without = fmin(t - te, c - ce) < fmin(te, ce);
        t = out->few_without ? t - te : te;
        c = out->few_without ? c - ce : ce;
    } else if (out->gate.missing == STAT_FEW_AMOUNTS) {
        t = c = 0;
        for (size_t k = 0; k < a->phases; k++) {
            t += a->treatment[k].amounts;
            c += a->control[k].amounts;
        }
    }
    out->control_is_smaller = c <= t;
}

static int64_t whole(double n)
{
    return n > 0 ? (int64_t)fmin(n, 1e15) : 0;
}

/* EVT of both directions: each bound at half of alpha, E their mean. */
static bool event_marks(const struct report_rule *rule, const struct report_arms *a, struct report *out,
                        double *ln_e)
{
    struct evt_phase *events = calloc(a->phases + 1, sizeof *events);
    bool any = false;
    if (!events)
        return false;
    for (size_t k = 0; k < a->phases; k++) {
        events[k] = (struct evt_phase){whole(a->treatment[k].sum), whole(a->control[k].sum), a->q[k]};
        any = any || (a->q[k] > 0 && a->q[k] < 1 && (events[k].treatment > 0 || events[k].control > 0));
    }
    if (any) {
        double level = log(2 / rule->alpha), up = evt_log_e(events, a->phases, 1, EVT_UP),
               down = evt_log_e(events, a->phases, 1, EVT_DOWN);
        out->risk_ratio = (struct report_range){true, evt_rr_mle(events, a->phases),
                                                evt_rr_lower(events, a->phases, level, 0),
                                                evt_rr_upper(events, a->phases, level, 0)};
        *ln_e = fmax(up, down) + log1p(exp(-fabs(up - down))) - log(2);
    }
    free(events);
    return any;
}

static struct report_range range_of(const struct asympcs *a)
{
    return a->answered ? (struct report_range){true, a->estimate, a->low, a->high} : (struct report_range){0};
}

static void adjust(const struct report_rule *rule, const struct report_arms *a, struct report *out)
{
    struct asympcs_rule both = two_sided(rule);
    struct across adjusted = across_phases(ACROSS_CUPED, a->treatment, a->control, a->phases);
    struct estimate d = contrast_difference(&adjusted.arms);
    out->cuped_missing = adjusted.arms.missing;
    if (!d.answered)
        return;
    struct asympcs i = asympcs_interval(&d, &both);
    out->cuped = (struct report_range){.known = true, .value = d.value};
    out->cuped_gain = fmax(0, 1 - adjusted.variance_ratio);
    if (!i.answered || !out->gate.open)
        return;
    out->cuped.low = i.low;
    out->cuped.high = i.high;
    out->has_cuped_interval = true;
}

/* Values and the difference are shown before the gate opens; an interval is not. */
static void judge_values(const struct report_rule *rule, const struct report_arms *a, struct report *out)
{
    enum across_kind kind = across_kind_of(rule->kind);
    struct across x = across_phases(kind, a->treatment, a->control, a->phases);
    struct estimate d = contrast_difference(&x.arms), lift = contrast_relative(&x.arms);
    out->phases = x.phases;
    out->left_out = x.left_out;
    out->missing = x.arms.missing;
    if (!x.arms.answered)
        return;
    out->has_values = out->has_difference = true;
    out->treatment = x.arms.treatment;
    out->control = x.arms.control;
    out->difference = d.value;
    out->std_error = d.answered ? sqrt(d.variance) : 0;
    if (x.arms.control != 0 && lift.answered)
        out->lift = (struct report_range){true, lift.value, -INFINITY, INFINITY};
    if (d.answered && d.variance > 0)
        out->fixed = fixed_normal(d.value, d.variance, rule->alpha);
}

static void judge_interval(const struct report_rule *rule, const struct report_arms *a, struct report *out)
{
    struct asympcs_rule both = two_sided(rule);
    enum across_kind kind = across_kind_of(rule->kind);
    struct asympcs d = across_difference(kind, a->treatment, a->control, a->phases, &both);
    if (!d.answered) {
        out->missing = d.missing;
        return;
    }
    struct asympcs lift = across_relative(kind, a->treatment, a->control, a->phases, &both);
    out->method = d.fieller ? REPORT_FIELLER : REPORT_ASYMPCS;
    out->low = d.low;
    out->high = d.high;
    out->has_interval = true;
    out->p = d.p;
    out->ln_e = d.ln_e;
    if (lift.answered)
        out->lift = range_of(&lift);
}

static struct report_range in_units(const struct quantile *q)
{
    return q->answered ? (struct report_range){true, q->estimate / MILLIONTHS, q->low / MILLIONTHS,
                                               q->high / MILLIONTHS}
                       : (struct report_range){0};
}

/* A quantile's sequence tells when it excludes 0 and not how surely: p is the level it was asked at. */
static void judge_quantile(const struct report_rule *rule, const struct report_arms *a, struct report *out)
{
    struct quantile_rule q = {.p = rule->quantile, .alpha = rule->alpha, .n_star = rule->n_star};
    double *weights = calloc(a->phases + 1, sizeof *weights);
    struct quantile d = quantile_difference(a->treatment, a->control, a->phases, &q);
    struct report_range t = {0}, c = {0};
    for (size_t k = 0; weights && k < a->phases; k++) {
        if (a->treatment[k].n > 0 && a->control[k].n > 0) {
            weights[k] = a->treatment[k].n + a->control[k].n;
            out->phases++;
        } else if (a->treatment[k].n > 0 || a->control[k].n > 0) {
            out->left_out++;
        }
    }
    if (weights) {
        t = report_quantile(rule, a->treatment, weights, a->phases);
        c = report_quantile(rule, a->control, weights, a->phases);
    }
    free(weights);
    out->missing = d.missing;
    if (!d.answered || !t.known || !c.known)
        return;
    out->gate.open = true;
    out->method = REPORT_SEQUENCE;
    out->has_values = out->has_difference = out->has_interval = true;
    out->treatment = t.value;
    out->control = c.value;
    out->difference = d.estimate / MILLIONTHS;
    out->low = d.low / MILLIONTHS;
    out->high = d.high / MILLIONTHS;
    if (c.value != 0)
        out->lift = (struct report_range){true, out->difference / fabs(c.value), -INFINITY, INFINITY};
    if (out->low > 0 || out->high < 0) {
        out->p = rule->alpha;
        out->ln_e = -log(rule->alpha);
    }
}

/* Nothing that is shown may be NaN, whatever the sums were. */
static void only_numbers(struct report *r)
{
    double *all[] = {&r->treatment,  &r->control,   &r->difference,       &r->std_error,
                     &r->low,        &r->high,      &r->lift.value,       &r->lift.low,
                     &r->lift.high,  &r->cuped.low, &r->risk_ratio.value, &r->risk_ratio.low,
                     &r->cuped.high, &r->p,         &r->risk_ratio.high,  &r->cuped.value,
                     &r->ln_e,       &r->cuped_gain};
    bool good = true;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        good = good && !isnan(*all[i]);
    if (good && isfinite(r->treatment) && isfinite(r->control) && isfinite(r->difference))
        return;
    *r = (struct report){.missing = STAT_BAD_SUMS,
                         .gate.missing = STAT_BAD_SUMS,
                         .treatment_n = r->treatment_n,
                         .control_n = r->control_n,
                         .p = 1};
}

static bool rule_makes_sense(const struct report_rule *rule)
{
    return rule->alpha > 0 && rule->alpha < 1 && rule->n_star > 0 && isfinite(rule->n_star) &&
           (rule->kind != REPORT_QUANTILE || (rule->quantile > 0 && rule->quantile < 1));
}

void report_judge(const struct report_rule *rule, const struct report_arms *arms, struct report *out)
{
    double marks = 0;
    *out = (struct report){.p = 1, .missing = STAT_BAD_RULE, .gate.missing = STAT_BAD_RULE};
    out->treatment_n = total(arms->treatment, arms->phases, false);
    out->control_n = total(arms->control, arms->phases, false);
    if (!rule_makes_sense(rule))
        return;
    if (rule->kind == REPORT_QUANTILE) {
        out->gate = (struct gate){.missing = STAT_NO_BUCKETS};
        judge_quantile(rule, arms, out);
        only_numbers(out);
        return;
    }
    out->gate = gate_judge(across_kind_of(rule->kind), arms->treatment, arms->control, arms->phases);
    say_what_for(rule->kind, arms, out);
    judge_values(rule, arms, out);
    if (rule->kind == REPORT_BINARY && !rule->no_marks && out->missing != STAT_BAD_SUMS &&
        event_marks(rule, arms, out, &marks)) {
        out->method = REPORT_EVT;
        out->ln_e = marks;
        out->p = fmin(1, exp(-marks));
    }
    if (out->has_difference && out->gate.open)
        judge_interval(rule, arms, out);
    if (rule->cuped && rule->kind != REPORT_RATIO)
        adjust(rule, arms, out);
    only_numbers(out);
}

bool report_value(const struct report_rule *rule, const struct arm_sums *arm, const double *weights,
                  size_t phases, double *value)
{
    double sum = 0, w = 0;
    if (rule->kind == REPORT_QUANTILE) {
        struct report_range q = report_quantile(rule, arm, weights, phases);
        *value = q.value;
        return q.known && isfinite(q.value);
    }
    for (size_t k = 0; k < phases; k++) {
        double below = rule->kind == REPORT_RATIO ? arm[k].sum_d : arm[k].n;
        if (!arm_usable(&arm[k], 1) || !(fabs(below) > 0) || !(weights[k] > 0))
            continue;
        sum += weights[k] * (arm[k].sum / below);
        w += weights[k];
    }
    *value = w > 0 ? sum / w : 0;
    return w > 0 && isfinite(*value);
}

struct report_range report_quantile(const struct report_rule *rule, const struct arm_sums *arm,
                                    const double *weights, size_t phases)
{
    struct quantile_rule q = {.p = rule->quantile, .alpha = rule->alpha, .n_star = rule->n_star};
    struct quantile a = quantile_arm(arm, weights, phases, &q);
    return in_units(&a);
}
