#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store/results_private.h"

#define SHOWN_ARMS 3 /* in one sentence */

void words_count(struct buffer *b, double n)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%.0f", n > 0 ? fmin(n, 1e18) : 0);
    for (int i = 0; i < len; i++) {
        buffer_add(b, &digits[i], 1);
        if (i + 1 < len && (len - i - 1) % 3 == 0)
            buffer_add_str(b, ",");
    }
}

/* "complaints": a metric that is called by one word is counted by it. */
static bool is_noun(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)key[i]))
            return false;
    return n > 2 && key[n - 1] != 's' && key[n - 1] != 'y';
}

static void add_needed(struct buffer *b, const struct report *r, const struct result_metric *m)
{
    double more = r->gate.needed - r->gate.have;
    const char *s = more > 1 ? "s" : "";
    buffer_add_str(b, "needs ");
    words_count(b, more);
    if (r->gate.missing == STAT_FEW_AMOUNTS)
        buffer_printf(b, " more unit%s with an amount", s);
    else if (r->gate.missing != STAT_FEW_EVENTS)
        buffer_printf(b, " more unit%s", s);
    else if (r->few_without)
        buffer_printf(b, " more unit%s without %s", s, m->key);
    else if (is_noun(m->key))
        buffer_printf(b, " more %s%s", m->key, s);
    else
        buffer_printf(b, " more unit%s with %s", s, m->key);
}

void words_gate(struct buffer *b, const struct report *r, const struct result_metric *m,
                const char *treatment, const char *control)
{
    bool counted = r->gate.missing == STAT_FEW_EVENTS || r->gate.missing == STAT_FEW_AMOUNTS ||
                   r->gate.missing == STAT_SKEWED;
    if (r->gate.open && r->has_interval) {
        buffer_add_str(b, "open");
        return;
    }
    if (!(r->treatment_n > 0) || !(r->control_n > 0)) {
        buffer_printf(b, "no interval yet: %s has no %sunits", r->treatment_n > 0 ? control : treatment,
                      m->matures ? "matured " : "");
        return;
    }
    if (!counted) {
        enum stat_missing why = r->gate.open ? r->missing : r->gate.missing;
        if (why == STAT_COMPLETE && r->risk_ratio.known) {
            buffer_add_str(b, "no interval of the difference: that of the risk ratio holds");
            return;
        }
        buffer_printf(b, "no interval: %s",
                      why == STAT_COMPLETE ? "it is not known" : stat_missing_words(why));
        return;
    }
    add_needed(b, r, m);
    buffer_printf(b, " before an interval means anything (%s has ",
                  r->control_is_smaller ? control : treatment);
    words_count(b, r->gate.have);
    buffer_add_str(b, " of ");
    words_count(b, r->gate.needed);
    buffer_printf(b, "%s)", r->gate.missing == STAT_SKEWED ? ", for values as skew as these" : "");
}

void words_maturity(struct buffer *b, const struct result_input *in, const struct result_metric *m,
                    double units, double exposed)
{
    if (strcmp(in->kind, "imported") == 0) {
        buffer_add_str(b, "imported: complete");
        return;
    }
    if (!m->matures) {
        buffer_add_str(
            b, "running: the metric's window has no end, so late units count with what they did so far");
        return;
    }
    words_count(b, units);
    buffer_add_str(b, " of ");
    words_count(b, exposed);
    buffer_add_str(b, " units have matured");
}

void words_method(struct buffer *b, const struct report *r)
{
    static const char *const names[] = {
        [REPORT_NONE] = "none yet",
        [REPORT_ASYMPCS] = "AsympCS",
        [REPORT_FIELLER] = "Fieller's interval of each arm, by the AsympCS half-width",
        [REPORT_EVT] = "EVT risk ratio",
        [REPORT_SEQUENCE] = "beta-binomial sequence of the quantile",
    };
    buffer_add_str(b, names[r->method]);
    if (r->phases > 1)
        buffer_printf(b, " over %zu phases", r->phases);
    if (r->method != REPORT_NONE)
        buffer_add_str(b, "; anytime-valid");
    if (r->left_out > 0 && r->phases > 0)
        buffer_printf(b, "; %zu phase%s without both arms left out", r->left_out, r->left_out > 1 ? "s" : "");
}

void words_srm(struct buffer *b, const struct result_srm *s)
{
    if (!s->any)
        buffer_add_str(b, "no units yet");
    else if (!s->alarm)
        buffer_add_str(b, "the counts fit their shares");
    else {
        buffer_add_str(b, "Counts are broken: ");
        if (s->arm) {
            buffer_printf(b, "%s holds ", s->arm);
            words_count(b, s->have);
            buffer_add_str(b, " units where its share says ");
            words_count(b, round(s->expected));
        } else
            buffer_add_str(b, "the arms do not hold the units their shares say");
        buffer_add_str(b, "; trust no number below before you know why");
    }
}

static void add_percent(struct buffer *b, double share)
{
    double v = 100 * share;
    buffer_printf(b, "%.*f %%", fabs(v) >= 9.95 ? 0 : fabs(v) >= 0.995 ? 1 : 2, v);
}

static void add_size(struct buffer *b, double v, bool percent)
{
    if (percent)
        add_percent(b, v);
    else
        buffer_printf(b, "%.4g", v);
}

static void add_effect(struct buffer *b, const struct report *r, const char *metric)
{
    bool percent = r->lift.known && isfinite(r->lift.low) && isfinite(r->lift.high);
    double value = percent ? r->lift.value : r->difference, low = percent ? r->lift.low : r->low,
           high = percent ? r->lift.high : r->high;
    if (r->low <= 0 && r->high >= 0) {
        buffer_printf(b, "no difference in %s shown (", metric);
        add_size(b, value, percent);
        buffer_add_str(b, ", ");
    } else {
        buffer_printf(b, "%s is ", metric);
        add_size(b, fabs(value), percent);
        buffer_add_str(b, r->difference > 0 ? " higher (" : " lower (");
    }
    add_size(b, low, percent);
    buffer_add_str(b, " to ");
    add_size(b, high, percent);
    buffer_add_str(b, ")");
}

static void add_finding(struct buffer *b, const struct result_judged *j, const char *control)
{
    const struct report *r = &j->report;
    if (r->has_interval && isfinite(r->low) && isfinite(r->high)) {
        add_effect(b, r, j->metric->key);
    } else if (r->risk_ratio.known && (j->adaptive || r->risk_ratio.low > 1 || r->risk_ratio.high < 1)) {
        bool shown = r->risk_ratio.low > 1 || r->risk_ratio.high < 1;
        buffer_printf(b,
                      shown ? "%s is %.2g × that of %s (%.2g × to "
                            : "no difference in %s shown (%.2g × that of %s, %.2g × to ",
                      j->metric->key, r->risk_ratio.value, control, r->risk_ratio.low);
        if (isfinite(r->risk_ratio.high))
            buffer_printf(b, "%.2g ×)", r->risk_ratio.high);
        else
            buffer_add_str(b, "any number)");
    } else {
        buffer_printf(b, "%s: ", j->metric->key);
        words_gate(b, r, j->metric, j->treatment->key, control);
    }
}

/* What the first metric (the primary one, when there is one) says of each treatment. */
static void add_findings(struct buffer *b, const struct result_input *in, const struct result_judged *judged,
                         size_t n)
{
    const struct result_variant *control = result_control(in);
    size_t shown = 0, treatments = 0;
    for (size_t i = 0; i < n; i++)
        treatments += judged[i].metric == judged[0].metric && !judged[i].treatment->dropped;
    for (size_t i = 0; i < n && shown < SHOWN_ARMS; i++) {
        if (judged[i].metric != judged[0].metric || judged[i].treatment->dropped)
            continue;
        if (shown++)
            buffer_add_str(b, "; ");
        if (treatments > 1)
            buffer_printf(b, "with %s ", judged[i].treatment->key);
        add_finding(b, &judged[i], control ? control->key : "control");
    }
    if (treatments > shown)
        buffer_printf(b, "; and %zu more", treatments - shown);
    if (n == 0)
        buffer_add_str(b, "no metric is compared yet");
}

void words_decision(struct buffer *b, const struct result_input *in, const struct result_judged *judged,
                    size_t n)
{
    bool running = strcmp(in->status, "running") == 0;
    if (in->srm.alarm)
        words_srm(b, &in->srm);
    else if (*in->sentence)
        buffer_add_str(b, in->sentence);
    else if (*in->against) {
        buffer_printf(b, "With %s let in by holdout %s: ", in->experiment, in->against);
        add_findings(b, in, judged, n);
    } else {
        if (*in->found)
            buffer_printf(b, "%s ", in->found);
        buffer_printf(b, "%c%s: ", toupper((unsigned char)in->status[0]), in->status + 1);
        if (running && !*in->found && in->alerts > 0)
            buffer_add_str(b, "an alert was raised; ");
        else if (running && !*in->found && in->guardrails > 0)
            buffer_add_str(b, "no harm found; ");
        add_findings(b, in, judged, n);
    }
}
