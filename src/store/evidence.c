#include "store/evidence.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "codec/json_out.h"
#include "core/error.h"

#define METHOD "EVT: one-sided mixture over the risk ratio, half normal, sigma = ln 2; anytime-valid"

#define LN_E_WRITTEN 34.0 /* about 6e14 */

/* "4,950" */
static void add_count(struct buffer *b, int64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? 0 : n);
    for (int i = 0; i < len; i++) {
        buffer_add(b, &digits[i], 1);
        if (i + 1 < len && (len - i - 1) % 3 == 0)
            buffer_add_str(b, ",");
    }
}

/* "1.6 ×". A bound is rounded away from the claim it supports: towards 0 with rounding -1, up with 1. */
static void add_ratio(struct buffer *b, double r, int rounding)
{
    int decimals = r >= 10              ? 0
                   : r >= 1.2           ? 1
                   : fabs(r - 1) < 0.02 ? 3
                                        : 2; /* "at least 1.00" would say nothing */
    double scale = pow(10, decimals);
    if (rounding)
        r = (rounding < 0 ? floor(r * scale + 1e-9) : ceil(r * scale - 1e-9)) / scale;
    buffer_printf(b, "%.*f ×", decimals, r);
}

static void add_what_happened(struct buffer *b, const struct guard_case *g, const struct guardrail_verdict *v)
{
    buffer_add_str(b, g->metric);
    if (isinf(v->risk_ratio))
        buffer_printf(b, " happened with %s and never with %s", g->treatment, g->control);
    else if (v->risk_ratio <= 0)
        buffer_printf(b, " never happened with %s and did with %s", g->treatment, g->control);
    else {
        buffer_add_str(b, g->rule.harm == EVT_UP ? " rose " : " fell to ");
        add_ratio(b, v->risk_ratio, 0);
        buffer_printf(b, " with %s against %s", g->treatment, g->control);
    }
}

static int64_t plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void add_counts(struct buffer *b, const struct guard_case *g)
{
    int64_t te = 0, tu = 0, ce = 0, cu = 0;
    for (size_t i = 0; i < g->n_phases; i++) {
        te = plus(te, g->phases[i].treatment_events);
        tu = plus(tu, g->phases[i].treatment_units);
        ce = plus(ce, g->phases[i].control_events);
        cu = plus(cu, g->phases[i].control_units);
    }
    add_count(b, te);
    buffer_add_str(b, " of ");
    add_count(b, tu);
    buffer_add_str(b, " against ");
    add_count(b, ce);
    buffer_add_str(b, " of ");
    add_count(b, cu);
    if (g->at_maturity)
        buffer_add_str(b, " whose time to have the event is over");
    if (g->n_phases > 1)
        buffer_printf(b, ", in %zu phases compared one by one", g->n_phases);
}

/* "1 time in 100", or "3 % of the time" where that is no whole number. */
static void add_error_level(struct buffer *b, double alpha)
{
    double times = 1 / alpha;
    if (fabs(times - round(times)) < 1e-6 * times)
        buffer_printf(b, "1 time in %.0f", round(times));
    else
        buffer_printf(b, "%g %% of the time", 100 * alpha);
}

void evidence_sentence(const struct guard_case *g, const struct guardrail_verdict *v, char *buf, size_t cap)
{
    struct buffer b = {0};
    bool up = g->rule.harm == EVT_UP;
    buffer_add_str(&b, g->alert ? "Alert: " : "Stopped: ");
    add_what_happened(&b, g, v);
    buffer_add_str(&b, up ? " (at least " : " (at most ");
    add_ratio(&b, up ? v->lower : v->upper, up ? -1 : 1);
    if (g->rule.margin != 1)
        buffer_printf(&b, ", where %g × is tolerated", g->rule.margin);
    buffer_add_str(&b, "; ");
    add_counts(&b, g);
    buffer_add_str(&b, "). ");
    if (v->counts_broken)
        buffer_add_str(&b, "The arms do not hold the units their shares say, and it holds even so. ");
    buffer_add_str(&b, g->alert ? "A harmless experiment raises such an alert at most "
                                : "A harmless experiment is stopped like this at most ");
    add_error_level(&b, g->rule.alpha);
    buffer_add(&b, ".", 2);
    struct error cut; /* cuts at a character */
    error_set(&cut, ERR_OK, NULL, "%s", b.failed ? "Out of memory for the sentence." : (const char *)b.data);
    snprintf(buf, cap, "%s", cut.text);
    buffer_free(&b);
}

static void add_number(struct json_out *o, const char *key, double v)
{
    json_out_key(o, key);
    json_out_double(o, v); /* null where infinite */
}

static void add_int(struct json_out *o, const char *key, int64_t v)
{
    json_out_key(o, key);
    json_out_int(o, v);
}

static void add_text(struct json_out *o, const char *key, const char *v)
{
    json_out_key(o, key);
    json_out_string(o, v);
}

static void add_rule(struct json_out *o, const struct guard_case *g)
{
    add_text(o, "experiment", g->experiment);
    add_int(o, "iteration", g->iteration);
    add_text(o, "metric", g->metric);
    add_text(o, "event", g->event);
    add_text(o, "direction", g->rule.harm == EVT_UP ? "up" : "down");
    add_number(o, "margin", g->rule.margin);
    add_text(o, "count", g->at_maturity ? "at_maturity" : "at_event");
    add_text(o, "treatment", g->treatment);
    add_text(o, "control", g->control);
    add_number(o, "alpha", g->rule.alpha);
    add_number(o, "weight", g->rule.weight);
    add_int(o, "arms", g->rule.arms);
}

static void add_verdict(struct json_out *o, const struct guard_case *g, const struct guardrail_verdict *v)
{
    add_number(o, "threshold_ln_e", v->threshold);
    add_number(o, "ln_e", v->ln_e);
    /* jsonb writes out every digit of a number, and readers choke on hundreds of them */
    add_number(o, "e", v->ln_e < LN_E_WRITTEN ? exp(v->ln_e) : INFINITY);
    add_number(o, "risk_ratio", v->has_events ? v->risk_ratio : INFINITY);
    if (g->rule.harm == EVT_UP)
        add_number(o, "risk_ratio_lower", v->lower);
    else
        add_number(o, "risk_ratio_upper", v->upper);
    add_number(o, "srm_ln_e", v->srm_ln_e);
    json_out_key(o, "counts_broken");
    json_out_bool(o, v->counts_broken);
}

static void add_phases(struct json_out *o, const struct guard_case *g, const struct evt_phase *events)
{
    json_out_key(o, "phases");
    json_out_begin_array(o);
    for (size_t i = 0; i < g->n_phases; i++) {
        const struct phase_counts *p = &g->phases[i];
        json_out_begin_object(o);
        add_int(o, "phase", p->number);
        add_number(o, "q", events[i].q);
        add_int(o, "treatment_share_ppm", p->treatment_share_ppm);
        add_int(o, "control_share_ppm", p->control_share_ppm);
        add_int(o, "treatment_units", p->treatment_units);
        add_int(o, "treatment_events", p->treatment_events);
        add_int(o, "control_units", p->control_units);
        add_int(o, "control_events", p->control_events);
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

static void add_decider(struct json_out *o, const char *node, int64_t epoch, int64_t now_us)
{
    char day[32], when[48];
    time_t s = (time_t)(now_us / 1000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when, sizeof when, "%s.%06dZ", day, (int)(now_us % 1000000));
    add_text(o, "decided_at", when);
    add_text(o, "node", node);
    add_int(o, "epoch", epoch);
    add_text(o, "method", METHOD);
}

char *evidence_document(const struct guard_case *g, const struct guardrail_verdict *v,
                        const struct evt_phase *events, const char *node, int64_t epoch, int64_t now_us)
{
    size_t cap = 2048 + 320 * g->n_phases;
    for (;;) { /* again, with the room it turned out to need */
        char *text = malloc(cap + 1);
        if (!text)
            return NULL;
        struct json_out o;
        json_out_init(&o, text, cap);
        json_out_begin_object(&o);
        add_rule(&o, g);
        add_verdict(&o, g, v);
        add_phases(&o, g, events);
        add_decider(&o, node, epoch, now_us);
        json_out_end_object(&o);
        if (!o.overflow) {
            text[o.len] = '\0';
            return text;
        }
        free(text);
        cap = o.len;
    }
}

char *evidence_counts(const struct guard_case *g)
{
    struct buffer b = {0};
    buffer_add_str(&b, "evt2"); /* another method is another text */
    for (size_t i = 0; i < g->n_phases; i++) {
        const struct phase_counts *p = &g->phases[i];
        buffer_printf(&b, " %" PRId64 ":%" PRId64 "/%" PRId64 ",%" PRId64 "/%" PRId64 ",%" PRId64 "/%" PRId64,
                      p->number, p->treatment_share_ppm, p->control_share_ppm, p->treatment_events,
                      p->treatment_units, p->control_events, p->control_units);
    }
    buffer_add(&b, "", 1);
    if (b.failed) {
        buffer_free(&b);
        return NULL;
    }
    return (char *)b.data;
}
