#include "store/condition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "stats/drift.h"
#include "stats/verdict.h"
#include "store/evidence.h"

static double number_in(const json_t *obj, const char *key)
{
    double v = json_number_value(json_object_get(obj, key));
    return isfinite(v) ? v : 0;
}

static int64_t count_in(const json_t *obj, const char *key)
{
    return (int64_t)fmax(0, fmin(9e18, number_in(obj, key)));
}

static const char *text_in(const json_t *obj, const char *key)
{
    const char *s = json_string_value(json_object_get(obj, key));
    return s ? s : "";
}

static void set_number(json_t *obj, const char *key, double v)
{
    json_object_set_new(obj, key, isfinite(v) ? json_real(v) : json_null());
}

static void set_text(json_t *obj, const char *key, const char *v)
{
    json_object_set_new(obj, key, json_string(v));
}

static void set_bool(json_t *obj, const char *key, bool v)
{
    json_object_set_new(obj, key, json_boolean(v));
}

static void say_missing(struct condition_verdict *v, const char *what)
{
    snprintf(v->missing, sizeof v->missing, "%s", what);
}

static double ln_half_sum(double a, double b)
{
    double top = fmax(a, b);
    return isinf(top) ? top : top + log(0.5 * (exp(a - top) + exp(b - top)));
}

/* SRM: E of the exposed units, and where units mature the mean of that and E of those that did. */

struct srm_counts {
    size_t n, k;
    int64_t *exposed, *matured; /* n × k */
    double *weights;
    struct srm_phase *phases;
};

static void srm_free(struct srm_counts *s)
{
    free(s->exposed);
    free(s->matured);
    free(s->weights);
    free(s->phases);
}

static bool srm_read(const json_t *inputs, struct srm_counts *s)
{
    const json_t *phases = json_object_get(inputs, "phases");
    s->n = json_array_size(phases);
    s->k = json_array_size(json_object_get(inputs, "variants"));
    size_t room = s->n * s->k + 1;
    s->exposed = calloc(room, sizeof *s->exposed);
    s->matured = calloc(room, sizeof *s->matured);
    s->weights = calloc(room, sizeof *s->weights);
    s->phases = calloc(s->n + 1, sizeof *s->phases);
    if (!s->exposed || !s->matured || !s->weights || !s->phases)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        const json_t *p = json_array_get(phases, i);
        for (size_t j = 0; j < s->k; j++) {
            s->exposed[i * s->k + j] =
                (int64_t)json_number_value(json_array_get(json_object_get(p, "units"), j));
            s->matured[i * s->k + j] =
                (int64_t)json_number_value(json_array_get(json_object_get(p, "matured_units"), j));
            s->weights[i * s->k + j] = json_number_value(json_array_get(json_object_get(p, "shares_ppm"), j));
        }
    }
    return true;
}

static double srm_of(struct srm_counts *s, const int64_t *counts)
{
    for (size_t i = 0; i < s->n; i++)
        s->phases[i] = (struct srm_phase){&counts[i * s->k], &s->weights[i * s->k]};
    return srm_phases_log_e(s->phases, s->n, s->k);
}

/* "control 4,000 where its share is 5,000, treatment …" */
static void srm_sentence(const struct condition *c, const struct srm_counts *s, struct buffer *b)
{
    const json_t *names = json_object_get(c->inputs, "variants");
    buffer_add_str(b, "the variants do not hold the units their shares say (");
    for (size_t j = 0; j < s->k; j++) {
        double units = 0, expected = 0;
        for (size_t i = 0; i < s->n; i++) {
            double n = 0, w = 0;
            for (size_t l = 0; l < s->k; l++) {
                n += (double)s->exposed[i * s->k + l];
                w += s->weights[i * s->k + l];
            }
            units += (double)s->exposed[i * s->k + j];
            expected += w > 0 ? n * s->weights[i * s->k + j] / w : 0;
        }
        buffer_printf(b, "%s%s ", j ? ", " : "", json_string_value(json_array_get(names, j)));
        evidence_count(b, (int64_t)units);
        buffer_add_str(b, " where its share is ");
        evidence_count(b, (int64_t)round(expected));
    }
    buffer_add_str(b, "). Until the cause is found its comparisons mean nothing. ");
}

static void judge_srm(const struct condition *c, struct condition_verdict *v, struct buffer *b)
{
    struct srm_counts s = {0};
    const char *by = text_in(c->inputs, "matured_by");
    if (!srm_read(c->inputs, &s)) {
        srm_free(&s);
        json_decref(v->found);
        v->found = NULL;
        return;
    }
    double exposed = srm_of(&s, s.exposed), matured = *by ? srm_of(&s, s.matured) : 0;
    v->has_ln_e = true;
    v->ln_e = *by ? ln_half_sum(exposed, matured) : exposed;
    v->reached = v->ln_e >= v->threshold;
    set_number(v->found, "ln_e_exposed", exposed);
    set_number(v->found, "ln_e_matured", *by ? matured : INFINITY);
    set_bool(v->found, "in_an_arm_of_share_0", isinf(v->ln_e));
    if (v->reached)
        srm_sentence(c, &s, b);
    srm_free(&s);
}

/* Success and futility. */

struct effect {
    const char *treatment;
    const json_t *phases;
    size_t n;
    struct arm_sums *t, *c;
    struct evt_phase *events;
    struct srm_pair *units;
    struct verdict verdict;
};

static struct arm_sums arm_of(const json_t *a, bool binary)
{
    struct arm_sums s = {.n = number_in(a, "units"),
                         .sum = number_in(a, binary ? "events" : "sum"),
                         .sum_sq = number_in(a, "sum_sq"),
                         .sum_cube = number_in(a, "sum_cu"),
                         .amounts = number_in(a, "amounts"),
                         .sum_d = number_in(a, "den_sum"),
                         .sum_dd = number_in(a, "den_sum_sq"),
                         .sum_yd = number_in(a, "cross_sum"),
                         .has_cube = true};
    return s;
}

static bool effect_read(const json_t *treatment, bool binary, struct effect *x)
{
    x->treatment = text_in(treatment, "treatment");
    x->phases = json_object_get(treatment, "phases");
    x->n = json_array_size(x->phases);
    x->t = calloc(x->n + 1, sizeof *x->t);
    x->c = calloc(x->n + 1, sizeof *x->c);
    x->events = calloc(x->n + 1, sizeof *x->events);
    x->units = calloc(x->n + 1, sizeof *x->units);
    if (!x->t || !x->c || !x->events || !x->units)
        return false;
    for (size_t i = 0; i < x->n; i++) {
        const json_t *p = json_array_get(x->phases, i), *t = json_object_get(p, "treatment"),
                     *c = json_object_get(p, "control");
        double q = evt_q(number_in(p, "treatment_share_ppm"), number_in(p, "control_share_ppm"));
        x->t[i] = arm_of(t, binary);
        x->c[i] = arm_of(c, binary);
        x->events[i] = (struct evt_phase){count_in(t, "events"), count_in(c, "events"), q};
        x->units[i] = (struct srm_pair){count_in(t, "units"), count_in(c, "units"), q};
    }
    return true;
}

static void effect_free(struct effect *x)
{
    free(x->t);
    free(x->c);
    free(x->events);
    free(x->units);
}

/* What is claimed, and on which scale. */
struct claim {
    bool success, up, binary, by_events, relative;
    enum across_kind kind;
    struct verdict_rule rule;
    double n_star;
};

static struct claim claim_of(const struct condition *c)
{
    const char *kind = text_in(c->inputs, "metric_kind");
    double effect = number_in(c->inputs, "smallest_effect"),
           relative = number_in(c->inputs, "smallest_relative");
    struct claim k = {.success = strcmp(c->kind, "success") == 0,
                      .up = strcmp(text_in(c->inputs, "direction_good"), "up") == 0,
                      .binary = strcmp(kind, "binary") == 0,
                      .n_star = number_in(c->inputs, "planned_units")};
    k.kind = k.binary ? ACROSS_PROPORTION : strcmp(kind, "ratio") == 0 ? ACROSS_RATIO : ACROSS_MEAN;
    k.relative = !k.success && relative > 0;
    k.by_events = k.binary && (k.success || k.relative);
    double bar = k.relative ? relative : effect;
    k.rule = (struct verdict_rule){.claim = k.success ? VERDICT_SUCCESS : VERDICT_FUTILITY,
                                   .way = k.up == k.success ? VERDICT_ABOVE : VERDICT_BELOW,
                                   .alpha = c->alpha,
                                   .weight = c->weight,
                                   /* all treatments must be futile, so that none of them costs more */
                                   .arms = k.success ? (int)number_in(c->inputs, "arms") : 2};
    if (k.success)
        k.rule.bar = k.by_events;
    else
        k.rule.bar = k.by_events ? (k.up ? 1 + bar : fmax(0, 1 - bar)) : k.up ? bar : -bar;
    return k;
}

static void judge_effect(const struct claim *k, struct effect *x)
{
    if (k->by_events) {
        x->verdict = verdict_of_events(&k->rule, x->events, x->units, x->n);
        return;
    }
    struct across a = across_phases(k->kind, x->t, x->c, x->n);
    struct estimate e = k->relative ? contrast_relative(&a.arms) : contrast_difference(&a.arms);
    struct gate gate = gate_judge(k->kind, x->t, x->c, x->n);
    if (gate.open && !e.answered) {
        gate.open = false;
        gate.missing = e.missing;
    }
    x->verdict = verdict_of_estimate(&k->rule, &e, &gate, k->n_star, x->units, x->n);
}

static const char *missing_words(const struct verdict *v)
{
    switch (v->missing) {
    case VERDICT_COMPLETE:
        return v->blocked ? "counts of units that fit their shares: success is blocked while they don't" : "";
    case VERDICT_BAD_RULE:
        return "a rule that makes sense";
    case VERDICT_NO_EVENTS:
        return "a unit with the event";
    case VERDICT_NO_METHOD:
        return "a method for this metric";
    case VERDICT_GATED:
    case VERDICT_NO_ANSWER:
        return stat_missing_words(v->missing_in_gate);
    }
    return "";
}

static json_t *effect_json(const struct claim *k, const struct effect *x)
{
    const struct verdict *v = &x->verdict;
    json_t *o = json_object(), *q = json_array();
    set_text(o, "treatment", x->treatment);
    set_text(o, "by", k->by_events ? "EVT" : k->relative ? "AsympCS, relative" : "AsympCS");
    set_number(o, "bar", v->bar);
    set_text(o, "way", v->way == VERDICT_ABOVE ? "above" : "below");
    set_number(o, "ln_e", v->ln_e);
    set_number(o, "estimate", v->answered ? v->estimate : INFINITY);
    set_number(o, "low", v->low);
    set_number(o, "high", v->high);
    set_number(o, "srm_ln_e", v->srm_ln_e);
    set_bool(o, "counts_broken", v->counts_broken);
    set_bool(o, "blocked", v->blocked);
    set_bool(o, "reached", v->reached);
    set_text(o, "missing", missing_words(v));
    for (size_t i = 0; i < x->n; i++)
        json_array_append_new(q, json_real(x->events[i].q));
    json_object_set_new(o, "q", q);
    return o;
}

static void add_value(struct buffer *b, const struct claim *k, double v)
{
    if (k->by_events)
        evidence_ratio(b, v, 0);
    else if (k->relative)
        buffer_printf(b, "%+.3g %%", 100 * v);
    else
        buffer_printf(b, "%+.4g", v);
}

static void effect_sentence(const struct condition *c, const struct claim *k, const struct effect *x,
                            struct buffer *b)
{
    const struct verdict *v = &x->verdict;
    bool above = v->way == VERDICT_ABOVE;
    if (k->success)
        buffer_printf(b, "%s is better with %s than with %s (", c->metric, x->treatment,
                      text_in(c->inputs, "control"));
    else
        buffer_printf(b, "%s gains less with %s than is worth having (", c->metric, x->treatment);
    add_value(b, k, v->estimate);
    buffer_add_str(b, above ? ", at least " : ", at most ");
    add_value(b, k, above ? v->low : v->high);
    if (!k->success) {
        buffer_add_str(b, ", where ");
        add_value(b, k, v->bar);
        buffer_add_str(b, " was the aim");
    }
    buffer_add_str(b, "). ");
}

/* Success: the first treatment that wins. Futility: all of them must have failed. */
static void judge_effects(const struct condition *c, struct condition_verdict *v, struct buffer *b)
{
    const json_t *list = json_object_get(c->inputs, "treatments");
    size_t n = json_array_size(list), won = 0;
    struct claim k = claim_of(c);
    json_t *found = json_array();
    bool quantile = strcmp(text_in(c->inputs, "metric_kind"), "quantile") == 0;
    bool aimless = strcmp(text_in(c->inputs, "direction_good"), "none") == 0;
    bool no_bar = !k.success && number_in(c->inputs, "smallest_effect") <= 0 && !k.relative;
    v->has_ln_e = n > 0;
    v->ln_e = k.success ? -INFINITY : INFINITY;
    v->threshold = verdict_threshold(&k.rule);
    for (size_t i = 0; i < n && found; i++) {
        struct effect x = {0};
        const json_t *t = json_array_get(list, i);
        bool read = effect_read(t, k.binary, &x);
        if (read && !quantile && !aimless && !no_bar) {
            judge_effect(&k, &x);
            v->ln_e = k.success ? fmax(v->ln_e, x.verdict.ln_e) : fmin(v->ln_e, x.verdict.ln_e);
            json_array_append_new(found, effect_json(&k, &x));
            if (!x.verdict.reached && *missing_words(&x.verdict))
                snprintf(v->missing, sizeof v->missing, "%s: %s", x.treatment, missing_words(&x.verdict));
            if (x.verdict.reached && (won++ == 0 || !k.success))
                effect_sentence(c, &k, &x, b);
            if (x.verdict.reached && k.success && v->treatment_id == 0)
                v->treatment_id = count_in(t, "treatment_id");
        }
        effect_free(&x);
        if (!read) {
            json_decref(found);
            found = NULL;
        }
    }
    v->reached = k.success ? won > 0 : n > 0 && won == n;
    if (quantile || aimless || no_bar || n == 0) {
        say_missing(v, quantile  ? "a method for quantiles"
                       : aimless ? "which way of the metric is good"
                       : no_bar  ? "the smallest effect worth having"
                                 : "a treatment");
        v->has_ln_e = v->reached = false;
    }
    if (!isfinite(v->ln_e))
        v->ln_e = 0;
    if (!found || json_object_set_new(v->found, "treatments", found) != 0) {
        json_decref(v->found);
        v->found = NULL;
    }
}

/* Volume. */

static void at_least(struct volume_drift *d, double ratio, enum drift_way way)
{
    for (size_t i = 0; i < DRIFT_GRID; i++)
        d->ratio[i] = way == DRIFT_UP ? fmax(d->ratio[i], ratio) : fmin(d->ratio[i], 1 / ratio);
}

static size_t calibrate(const struct volume_interval *x, size_t n, struct volume_base *base)
{
    size_t used = DRIFT_MIN_INTERVALS;
    do
        *base = volume_calibrate(x, used < n ? used : n);
    while (!base->answered && used++ < n);
    return used;
}

static void judge_volume(const struct condition *c, struct condition_verdict *v, struct buffer *b)
{
    const json_t *list = json_object_get(c->inputs, "intervals");
    size_t n = json_array_size(list);
    struct volume_interval *x = calloc(n + 1, sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (struct volume_interval){1, (int64_t)fmin(1e15, json_number_value(json_array_get(list, i)))};
    if (!x) {
        json_decref(v->found);
        v->found = NULL;
        return;
    }
    struct volume_base base;
    size_t used = calibrate(x, n, &base);
    struct volume_drift up, down;
    double ratio = fmax(1, number_in(c->inputs, "ratio")), minutes = number_in(c->inputs, "minutes");
    volume_init(&up, &base, DRIFT_UP);
    volume_init(&down, &base, DRIFT_DOWN);
    at_least(&up, ratio, DRIFT_UP);
    at_least(&down, ratio, DRIFT_DOWN);
    v->threshold = log(CONDITION_RUN_LENGTH / c->weight);
    v->ln_e = -INFINITY;
    size_t at = n;
    for (size_t i = used; base.answered && i < n; i++) {
        volume_observe(&up, &x[i]);
        volume_observe(&down, &x[i]);
        double ln_m = ln_half_sum(volume_ln_m(&up), volume_ln_m(&down));
        v->ln_e = fmax(v->ln_e, ln_m);
        if (at == n && ln_m >= v->threshold)
            at = i;
    }
    v->reached = at < n;
    v->has_ln_e = base.answered && used < n;
    set_number(v->found, "run_length", CONDITION_RUN_LENGTH / c->weight);
    set_number(v->found, "calibrated_on", base.answered ? (double)used : 0);
    set_number(v->found, "usual", base.answered ? base.rate : INFINITY);
    set_number(v->found, "dispersion", base.answered ? base.dispersion : INFINITY);
    if (!base.answered)
        say_missing(v, base.missing == DRIFT_FEW_EVENTS ? "20 events to know what is usual"
                                                        : "20 stretches to know what is usual");
    else if (!v->has_ln_e)
        say_missing(v, "a stretch to compare");
    if (v->reached) {
        const char *of = text_in(c->inputs, "of");
        buffer_printf(b, "the volume of %s drifted: ", of);
        evidence_count(b, x[at].outcomes);
        buffer_printf(b, " in %g minutes, where about ", minutes);
        evidence_count(b, (int64_t)round(base.rate));
        buffer_add_str(b, " are usual. ");
    }
    free(x);
}

/* What needs no E. */

static void add_span(struct buffer *b, double seconds)
{
    double unit = fmod(seconds, 86400) == 0  ? 86400
                  : fmod(seconds, 3600) == 0 ? 3600
                  : fmod(seconds, 60) == 0   ? 60
                                             : 1;
    const char *name = unit == 86400 ? "day" : unit == 3600 ? "hour" : unit == 60 ? "minute" : "second";
    buffer_printf(b, "%g %s%s", seconds / unit, name, seconds == unit ? "" : "s");
}

static void judge_plain(const struct condition *c, struct condition_verdict *v, struct buffer *b)
{
    v->reached = json_is_true(json_object_get(c->inputs, "reached"));
    if (strcmp(c->kind, "max_duration") == 0) {
        buffer_add_str(b, "it has run for ");
        add_span(b, number_in(c->inputs, "seconds"));
        buffer_add_str(b, ", as long as it may. ");
    } else if (strcmp(c->kind, "max_units") == 0) {
        evidence_count(b, count_in(c->inputs, "units"));
        buffer_add_str(b, " units are exposed, of ");
        evidence_count(b, count_in(c->inputs, "limit"));
        buffer_add_str(b, " that it may have. ");
    } else {
        bool ever = json_is_true(json_object_get(c->inputs, "ever"));
        buffer_printf(b, "no outcome%s%s has been counted ", c->metric[0] ? " of " : "", c->metric);
        buffer_printf(b,
                      ever ? "for %g minutes, since %s. " : "in %g minutes of watching, and none ever was. ",
                      number_in(c->inputs, "minutes"), text_in(c->inputs, "since"));
        if (!ever)
            say_missing(v, "a first outcome");
    }
}

static void add_chance(const struct condition *c, const struct condition_verdict *v, struct buffer *b)
{
    if (strcmp(c->kind, "volume_drift") == 0) {
        buffer_add_str(b, "A steady volume looks like this less than once in ");
        evidence_count(b, (int64_t)round(exp(v->threshold)));
        buffer_add_str(b, " such stretches.");
    } else if (strcmp(c->kind, "srm") == 0) {
        buffer_add_str(b, "Counts without a fault look like this");
        evidence_error_level(b, c->alpha);
        buffer_add_str(b, ".");
    } else if (v->has_ln_e) {
        buffer_printf(b, "%s",
                      strcmp(c->kind, "success") == 0 ? "An experiment without effect ends like this"
                                                      : "An effect worth having is given up like this");
        evidence_error_level(b, c->alpha);
        buffer_add_str(b, ".");
    }
}

static void finish(const struct condition *c, struct condition_verdict *v, struct buffer *b)
{
    struct buffer s = {0};
    struct error cut; /* cuts at a character */
    buffer_printf(&s, "%s: ", evidence_done(c->action));
    buffer_add(&s, b->data ? b->data : (const void *)"", b->len);
    if (c->nothing_to_roll_back)
        buffer_add_str(&s, "There is no earlier phase to roll back to. ");
    add_chance(c, v, &s);
    buffer_add(&s, "", 1);
    error_set(&cut, ERR_OK, NULL, "%s", s.failed ? "Out of memory for the sentence." : (const char *)s.data);
    size_t n = strlen(cut.text);
    snprintf(v->sentence, sizeof v->sentence, "%.*s", (int)(n > 0 && cut.text[n - 1] == ' ' ? n - 1 : n),
             cut.text);
    buffer_free(&s);
}

void condition_judge(const struct condition *c, struct condition_verdict *v)
{
    struct buffer b = {0};
    *v = (struct condition_verdict){.found = json_object(), .threshold = -log(c->alpha * c->weight)};
    if (!v->found)
        return;
    if (strcmp(c->kind, "srm") == 0)
        judge_srm(c, v, &b);
    else if (strcmp(c->kind, "success") == 0 || strcmp(c->kind, "futility") == 0)
        judge_effects(c, v, &b);
    else if (strcmp(c->kind, "volume_drift") == 0)
        judge_volume(c, v, &b);
    else
        judge_plain(c, v, &b);
    if (v->found && v->reached)
        finish(c, v, &b);
    buffer_free(&b);
}

void condition_verdict_fini(struct condition_verdict *v)
{
    json_decref(v->found);
    v->found = NULL;
}

const char *condition_method(const char *kind)
{
    if (strcmp(kind, "srm") == 0)
        return "SRM: Dirichlet-multinomial per phase, and a grid of losses where shares change; with "
               "matured_by the mean of E over exposed and over matured units; anytime-valid";
    if (strcmp(kind, "success") == 0 || strcmp(kind, "futility") == 0)
        return "EVT for ratios of binary metrics, else AsympCS behind its gate, each phase by itself; "
               "e-Bonferroni; anytime-valid";
    if (strcmp(kind, "volume_drift") == 0)
        return "Shiryaev-Roberts e-detector, the mean of up and down, negative binomial; the first "
               "stretches are what is usual; run length counted in stretches";
    return "a count or a clock; no error level";
}
