#include "stats/guardrail.h"

#include <math.h>

#include "stats/power.h"

double guardrail_threshold(const struct guardrail_rule *rule)
{
    bool sane = rule->alpha > 0 && rule->alpha < 1 && rule->weight > 0 && rule->weight <= 1 + 1e-9 &&
                rule->arms >= 2 && rule->margin > 0 && isfinite(rule->margin);
    return sane ? log((rule->arms - 1) / (rule->alpha * rule->weight)) : INFINITY;
}

/* The phase stays a comparison. */
void guardrail_widen(enum evt_harm harm, struct evt_phase *events, const struct srm_pair *units, size_t n,
                     size_t all)
{
    const double edge = 1e-9;
    double alpha = SRM_ALPHA / (double)(all > 0 ? all : 1);
    for (size_t i = 0; i < n; i++) {
        double q = events[i].q;
        if (!(q > 0 && q < 1))
            continue;
        if (harm == EVT_UP)
            events[i].q = fmax(q, fmin(srm_q_upper(&units[i], alpha), 1 - edge));
        else
            events[i].q = fmin(q, fmax(srm_q_lower(&units[i], alpha), edge));
    }
}

static bool any_event(const struct evt_phase *events, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (events[i].q > 0 && events[i].q < 1 && (events[i].treatment > 0 || events[i].control > 0))
            return true;
    return false;
}

void guardrail_judge(const struct guardrail_rule *rule, struct evt_phase *events,
                     const struct srm_pair *units, size_t n, struct guardrail_verdict *out)
{
    out->srm_ln_e = srm_pairs_log_e(units, n);
    out->counts_broken = out->srm_ln_e >= -log(SRM_ALPHA);
    if (out->counts_broken)
        guardrail_widen(rule->harm, events, units, n, n);
    out->threshold = guardrail_threshold(rule);
    out->ln_e = evt_log_e(events, n, rule->margin, rule->harm);
    out->has_events = any_event(events, n);
    out->risk_ratio = evt_rr_mle(events, n);
    out->lower = evt_rr_lower(events, n, out->threshold, rule->margin);
    out->upper = evt_rr_upper(events, n, out->threshold, rule->margin);
    out->power = evt_power(events, n, rule->margin, rule->harm, out->threshold,
                           rule->harm == EVT_UP ? GUARDRAIL_HARM_RATIO : 1 / GUARDRAIL_HARM_RATIO);
    out->reached = out->ln_e >= out->threshold;
}
