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

#define TILT_METHOD                                                                                          \
    "histogram tilt: one-sided mixture over eta of the odds of treatment by the score of a unit's bucket "   \
    "(R20, scheme 1); anytime-valid"
#define METHOD "EVT: one-sided mixture over the risk ratio, half normal, sigma = ln 2; anytime-valid"

#define LN_E_WRITTEN 34.0 /* about 6e14 */

void evidence_count(struct buffer *b, int64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n < 0 ? 0 : n);
    for (int i = 0; i < len; i++) {
        buffer_add(b, &digits[i], 1);
        if (i + 1 < len && (len - i - 1) % 3 == 0)
            buffer_add_str(b, ",");
    }
}

void evidence_ratio(struct buffer *b, double r, int rounding)
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
        evidence_ratio(b, v->risk_ratio, 0);
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
    evidence_count(b, te);
    buffer_add_str(b, " of ");
    evidence_count(b, tu);
    buffer_add_str(b, " against ");
    evidence_count(b, ce);
    buffer_add_str(b, " of ");
    evidence_count(b, cu);
    if (g->at_maturity)
        buffer_add_str(b, " whose time to have the event is over");
    size_t odds = 0;
    for (size_t i = 0; i < g->n_phases; i++)
        odds += g->phases[i].odds;
    if (odds)
        buffer_printf(b, ", in %zu phases and %zu steps of the odds compared one by one", g->n_phases - odds,
                      odds);
    else if (g->n_phases > 1)
        buffer_printf(b, ", in %zu phases compared one by one", g->n_phases);
}

void evidence_error_level(struct buffer *b, double alpha)
{
    double times = 1 / alpha;
    if (fabs(times - round(times)) < 1e-6 * times)
        buffer_printf(b, " at most 1 time in %.0f", round(times));
    else
        buffer_printf(b, " at most %g %% of the time", 100 * alpha);
}

static const struct {
    const char *action, *done, *befalls;
} words[] = {{"stop", "Stopped", "is stopped like this"},
             {"pause", "Paused", "is paused like this"},
             {"hold", "Ramp held", "has its ramp held like this"},
             {"roll_back", "Rolled back", "is rolled back like this"},
             {"alert", "Alert", "raises such an alert"}};
#define N_WORDS (sizeof words / sizeof *words)

static size_t word(const char *action)
{
    size_t i = 0;
    while (i + 1 < N_WORDS && strcmp(words[i].action, action) != 0)
        i++;
    return i;
}

const char *evidence_done(const char *action)
{
    return words[word(action)].done;
}

const char *evidence_befalls(const char *action)
{
    return words[word(action)].befalls;
}

bool guard_by_tilt(const struct guard_case *g)
{
    return strcmp(g->kind, "binary") != 0;
}

static void add_events_claim(struct buffer *b, const struct guard_case *g, const struct guardrail_verdict *v)
{
    bool up = g->rule.harm == EVT_UP;
    add_what_happened(b, g, v);
    buffer_add_str(b, up ? " (at least " : " (at most ");
    evidence_ratio(b, up ? v->lower : v->upper, up ? -1 : 1);
    if (g->rule.margin != 1)
        buffer_printf(b, ", where %g × is tolerated", g->rule.margin);
    buffer_add_str(b, "; ");
    add_counts(b, g);
    buffer_add_str(b, "). ");
}

/* The tilt speaks of the distribution; the ratio of the values is shown with its bounds or not at all. */
static void add_values_claim(struct buffer *b, const struct guard_case *g, const struct guardrail_verdict *v)
{
    int64_t tu = 0, cu = 0;
    for (size_t i = 0; i < g->n_phases; i++) {
        tu = plus(tu, g->phases[i].treatment_units);
        cu = plus(cu, g->phases[i].control_units);
    }
    buffer_printf(b, "%s of %s %s with %s than with %s (",
                  strcmp(g->kind, "ratio") == 0 ? "the numerators" : "values", g->metric,
                  g->rule.harm == EVT_UP ? "are higher" : "are lower", g->treatment, g->control);
    if (v->has_events) {
        evidence_ratio(b, v->risk_ratio, 0);
        buffer_add_str(b, ", between ");
        evidence_ratio(b, v->lower, -1);
        buffer_add_str(b, " and ");
        evidence_ratio(b, v->upper, 1);
        buffer_add_str(b, "; ");
    }
    evidence_count(b, tu);
    buffer_add_str(b, " units against ");
    evidence_count(b, cu);
    buffer_add_str(b, " whose time is over");
    if (g->n_phases > 1)
        buffer_printf(b, ", in %zu phases compared one by one", g->n_phases);
    buffer_add_str(b, "). ");
}

void evidence_sentence(const struct guard_case *g, const struct guardrail_verdict *v, char *buf, size_t cap)
{
    struct buffer b = {0};
    buffer_printf(&b, "%s: ", evidence_done(g->action));
    (guard_by_tilt(g) ? add_values_claim : add_events_claim)(&b, g, v);
    if (v->counts_broken)
        buffer_add_str(&b, "The arms do not hold the units their shares say, and it holds even so. ");
    if (g->nothing_to_roll_back)
        buffer_add_str(&b, "There is no earlier phase to roll back to. ");
    buffer_printf(&b, "A harmless experiment %s", evidence_befalls(g->action));
    evidence_error_level(&b, g->rule.alpha);
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
    add_int(o, "metric_version", g->metric_version);
    add_text(o, "kind", g->kind);
    add_text(o, "action", g->action);
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
    add_number(o, guard_by_tilt(g) ? "ratio" : "risk_ratio", v->has_events ? v->risk_ratio : INFINITY);
    if (guard_by_tilt(g)) {
        add_number(o, "ratio_lower", v->has_events ? v->lower : INFINITY);
        add_number(o, "ratio_upper", v->has_events ? v->upper : INFINITY);
    } else if (g->rule.harm == EVT_UP)
        add_number(o, "risk_ratio_lower", v->lower);
    else
        add_number(o, "risk_ratio_upper", v->upper);
    add_number(o, "srm_ln_e", v->srm_ln_e);
    json_out_key(o, "counts_broken");
    json_out_bool(o, v->counts_broken);
}

static void add_buckets(struct json_out *o, const char *key, const struct arm_sums *arm)
{
    char bucket[16];
    json_out_key(o, key);
    json_out_begin_object(o);
    for (size_t i = 0; i < arm->bucket_count; i++) {
        snprintf(bucket, sizeof bucket, "%d", arm->buckets[i].bucket);
        add_int(o, bucket, arm->buckets[i].n);
    }
    json_out_end_object(o);
}

static void add_scores(struct json_out *o, const struct scores *s)
{
    json_out_key(o, "scores");
    json_out_begin_object(o);
    add_number(o, "centre", s->centre);
    add_number(o, "scale", s->scale);
    add_number(o, "clip", s->clip);
    add_number(o, "cap", SCORE_CAP);
    json_out_end_object(o);
}

/* Phases and steps of the odds are two lists: "phases" [{"phase", …}] and, where there are any, "odds"
 * [{"odds", …}]. */
static void add_phases(struct json_out *o, const struct guard_case *g, const struct evt_phase *events,
                       bool odds)
{
    json_out_key(o, odds ? "odds" : "phases");
    json_out_begin_array(o);
    for (size_t i = 0; i < g->n_phases; i++) {
        const struct phase_counts *p = &g->phases[i];
        if (p->odds != odds)
            continue;
        json_out_begin_object(o);
        add_int(o, odds ? "odds" : "phase", p->number);
        add_number(o, "q", events[i].q);
        add_int(o, "treatment_share_ppm", p->treatment_share_ppm);
        add_int(o, "control_share_ppm", p->control_share_ppm);
        add_int(o, "treatment_units", p->treatment_units);
        add_int(o, "treatment_events", p->treatment_events);
        add_int(o, "control_units", p->control_units);
        add_int(o, "control_events", p->control_events);
        if (guard_by_tilt(g)) {
            add_buckets(o, "treatment_buckets", &p->treatment);
            add_buckets(o, "control_buckets", &p->control);
        }
        json_out_end_object(o);
    }
    json_out_end_array(o);
}

void evidence_time(char buf[48], int64_t us)
{
    char day[32];
    time_t s = (time_t)(us / 1000000);
    struct tm tm;
    gmtime_r(&s, &tm);
    (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf, 48, "%s.%06dZ", day, (int)(us % 1000000));
}

static void add_decider(struct json_out *o, const char *method, const char *node, int64_t epoch,
                        int64_t now_us)
{
    char when[48];
    evidence_time(when, now_us);
    add_text(o, "decided_at", when);
    add_text(o, "node", node);
    add_int(o, "epoch", epoch);
    add_text(o, "method", method);
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
        add_phases(&o, g, events, false);
        if (g->n_phases > 0 && g->phases[g->n_phases - 1].odds)
            add_phases(&o, g, events, true);
        if (guard_by_tilt(g))
            add_scores(&o, &g->scores);
        add_decider(&o, guard_by_tilt(g) ? TILT_METHOD : METHOD, node, epoch, now_us);
        json_out_end_object(&o);
        if (!o.overflow) {
            text[o.len] = '\0';
            return text;
        }
        free(text);
        cap = o.len;
    }
}

static void add_arm_counts(struct buffer *b, const struct arm_sums *a)
{
    buffer_printf(b, " %.17g;%.17g;%.17g;%.17g", a->sum, a->sum_sq, a->sum_d, a->sum_dd);
    for (size_t i = 0; i < a->bucket_count; i++)
        buffer_printf(b, ",%d:%" PRId64, a->buckets[i].bucket, a->buckets[i].n);
}

char *evidence_counts(const struct guard_case *g)
{
    struct buffer b = {0};
    if (guard_by_tilt(g))
        buffer_printf(&b, "tilt1 %.17g", g->scores.scale);
    else
        buffer_add_str(&b, "evt2"); /* another method is another text */
    for (size_t i = 0; i < g->n_phases; i++) {
        const struct phase_counts *p = &g->phases[i];
        buffer_printf(&b,
                      " %s%" PRId64 ":%" PRId64 "/%" PRId64 ",%" PRId64 "/%" PRId64 ",%" PRId64 "/%" PRId64,
                      p->odds ? "odds" : "", p->number, p->treatment_share_ppm, p->control_share_ppm,
                      p->treatment_events, p->treatment_units, p->control_events, p->control_units);
        if (guard_by_tilt(g)) {
            add_arm_counts(&b, &p->treatment);
            add_arm_counts(&b, &p->control);
        }
    }
    buffer_add(&b, "", 1);
    if (b.failed) {
        buffer_free(&b);
        return NULL;
    }
    return (char *)b.data;
}
