/* Effects after adaptation: what results say of a bandit, whose shares leaned on earlier rewards. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/adaptive.h"
#include "store/results_private.h"

#define SLICE 1 /* the phase that keeps equal shares for ever */

bool results_adaptive(const struct result_input *in)
{
    return strcmp(in->kind, "bandit") == 0 || strcmp(in->kind, "contextual") == 0;
}

size_t results_slice(const struct result_input *in, const struct result_metric *m)
{
    return m->phases > 0 && in->phases[m->first_phase].number == SLICE ? 1 : 0;
}

/* Both arms' scores over the units that are in one of the two: in the pair the treatment's part is q whatever
 * became of the other arms. The plug-in of a phase is known before it began: the time phases before it. */
static void score(const struct report_arms *a, size_t slice, struct adaptive_sums *t, struct adaptive_sums *c)
{
    for (size_t k = 0; k < a->phases; k++) {
        size_t from = k < slice ? k : slice;
        struct adaptive_phase treatment = {a->q[k], adaptive_plug_in(a->treatment + from, k - from)};
        struct adaptive_phase control = {a->q[k] > 0 ? 1 - a->q[k] : 0,
                                         adaptive_plug_in(a->control + from, k - from)};
        double units = a->treatment[k].n + a->control[k].n;
        adaptive_add_phase(t, &treatment, units, &a->treatment[k]);
        adaptive_add_phase(c, &control, units, &a->control[k]);
    }
}

/* The ratio of two arms less 1, from an interval of each: it holds while both do. */
static struct report_range lift_of(const struct asympcs *t, const struct asympcs *c)
{
    if (!t->answered || !c->answered || !(c->low > 0))
        return (struct report_range){0};
    return (struct report_range){true, t->estimate / c->estimate - 1,
                                 t->low / (t->low >= 0 ? c->high : c->low) - 1,
                                 t->high / (t->high >= 0 ? c->low : c->high) - 1};
}

static void adapt_mean(const struct report_rule *rule, const struct adaptive_sums *t,
                       const struct adaptive_sums *c, struct report *r)
{
    struct asympcs_rule both = {.alpha = rule->alpha, .n_star = rule->n_star, .side = ASYMPCS_BOTH};
    struct asympcs_rule half = {.alpha = rule->alpha / 2, .n_star = rule->n_star, .side = ASYMPCS_BOTH};
    struct asympcs d = adaptive_difference(t, c, &both);
    struct asympcs of_t = adaptive_interval(t, &half), of_c = adaptive_interval(c, &half);
    struct estimate at = adaptive_mean(t), ac = adaptive_mean(c);
    r->has_values = at.answered && ac.answered;
    r->treatment = r->has_values ? at.value : 0;
    r->control = r->has_values ? ac.value : 0;
    r->has_difference = r->has_values;
    r->difference = r->has_values ? at.value - ac.value : 0;
    r->std_error = d.std_error;
    r->has_interval = d.answered && r->gate.open;
    r->low = r->has_interval ? d.low : 0;
    r->high = r->has_interval ? d.high : 0;
    r->method = r->has_interval ? REPORT_ASYMPCS : REPORT_NONE;
    r->missing = r->has_difference ? STAT_COMPLETE : d.missing;
    r->p = r->has_interval ? d.p : 1;
    r->ln_e = r->has_interval ? d.ln_e : 0;
    r->lift = r->has_interval ? lift_of(&of_t, &of_c) : (struct report_range){0};
}

/* The risk ratio's interval needs no gate; the difference is shown without one. */
static int adapt_binary(const struct report_arms *a, const struct report_rule *rule, struct report *r)
{
    struct evt_phase *events = calloc(a->phases + 1, sizeof *events);
    if (!events)
        return ERR_NOMEM;
    for (size_t k = 0; k < a->phases; k++)
        events[k] = (struct evt_phase){llround(a->treatment[k].sum), llround(a->control[k].sum), a->q[k]};
    struct mixture_interval m = mixture_interval(events, a->phases, rule->alpha);
    free(events);
    r->has_interval = false;
    r->low = r->high = r->std_error = 0;
    r->risk_ratio = (struct report_range){m.answered, m.estimate, m.low, m.high};
    r->lift =
        (struct report_range){m.answered && isfinite(m.estimate), m.estimate - 1, m.low - 1, m.high - 1};
    r->method = m.answered ? REPORT_EVT : REPORT_NONE;
    r->ln_e = m.answered ? m.ln_e : 0;
    r->p = m.answered ? exp(-fmax(0, m.ln_e)) : 1;
    return ERR_OK;
}

int results_adapt(const struct result_input *in, const struct result_metric *m, const struct report_arms *a,
                  struct result_judged *j)
{
    size_t slice = results_slice(in, m);
    struct report_arms reserved = {a->treatment, a->control, a->q, slice};
    struct adaptive_sums t = {0}, c = {0};
    j->adaptive = true;
    report_judge(&m->rule, &reserved, &j->uniform);
    /* Of these only the slice has an answer that what was drawn later can't bend. */
    if (m->rule.kind == REPORT_RATIO || m->rule.kind == REPORT_QUANTILE) {
        j->report = j->uniform;
        j->method = "of the reserved slice alone: equal shares, as an A/B test; anytime-valid";
        return ERR_OK;
    }
    score(a, slice, &t, &c);
    adapt_mean(&m->rule, &t, &c, &j->report);
    /* What holds for a horizon, or by a covariate, takes the shares as given. */
    j->report.cuped.known = j->report.has_cuped_interval = false;
    j->report.fixed = (struct fixed_result){0};
    j->method = "√e-weighted AIPW of both arms over phases, union bound; anytime-valid after adaptation";
    if (m->rule.kind == REPORT_BINARY) {
        j->method = "EVT over phases, mixture likelihood ratio; anytime-valid after adaptation";
        return adapt_binary(a, &m->rule, &j->report);
    }
    return ERR_OK;
}
