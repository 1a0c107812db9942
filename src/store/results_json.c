#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/results_private.h"

#define LN_E_WRITTEN 34.0 /* e itself beyond this has more digits than readers take */

static void add_number(struct json_out *o, const char *key, double v)
{
    json_out_key(o, key);
    json_out_double(o, v); /* null where it is infinite */
}

static void add_known(struct json_out *o, const char *key, bool known, double v)
{
    add_number(o, key, known ? v : NAN);
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

static void add_bool(struct json_out *o, const char *key, bool v)
{
    json_out_key(o, key);
    json_out_bool(o, v);
}

/* What was written to b, which is emptied. */
static void add_words(struct json_out *o, const char *key, struct buffer *b)
{
    json_out_key(o, key);
    json_out_string_n(o, b->failed ? "" : (const char *)b->data, b->failed ? 0 : b->len);
    buffer_clear(b);
}

static void add_range(struct json_out *o, const char *key, const struct report_range *r, bool bounds)
{
    json_out_key(o, key);
    if (!r->known) {
        json_out_null(o);
        return;
    }
    json_out_begin_object(o);
    add_number(o, "value", r->value);
    add_known(o, "low", bounds, r->low);
    add_known(o, "high", bounds, r->high);
    json_out_end_object(o);
}

static void add_gate(struct json_out *o, const struct report *r, const struct result_metric *m,
                     const char *treatment, const char *control)
{
    struct buffer b = {0};
    bool counted = r->gate.needed > 0;
    words_gate(&b, r, m, treatment, control);
    json_out_key(o, "gate");
    json_out_begin_object(o);
    add_bool(o, "open", r->gate.open);
    add_known(o, "have", counted, r->gate.have);
    add_known(o, "needed", counted, r->gate.needed);
    add_number(o, "skew", r->gate.skew);
    add_words(o, "words", &b);
    json_out_end_object(o);
    buffer_free(&b);
}

static void add_cuped(struct json_out *o, const struct report *r)
{
    json_out_key(o, "cuped");
    json_out_begin_object(o);
    add_known(o, "difference", r->cuped.known, r->cuped.value);
    add_known(o, "low", r->has_cuped_interval, r->cuped.low);
    add_known(o, "high", r->has_cuped_interval, r->cuped.high);
    add_known(o, "gain", r->cuped.known, r->cuped_gain);
    if (!r->cuped.known)
        add_text(o, "missing", stat_missing_words(r->cuped_missing));
    json_out_end_object(o);
}

/* Right for one look at the end only. */
static void add_fixed(struct json_out *o, const struct report *r)
{
    json_out_key(o, "fixed_horizon");
    if (!r->fixed.answered) {
        json_out_null(o);
        return;
    }
    json_out_begin_object(o);
    add_number(o, "statistic", r->fixed.statistic);
    add_number(o, "low", r->fixed.low);
    add_number(o, "high", r->fixed.high);
    add_number(o, "p", r->fixed.p);
    add_text(o, "method", "normal; for one look at the end, it may never stop an experiment");
    json_out_end_object(o);
}

static void add_sums(struct json_out *o, const struct result_metric *m, const struct result_cell *c,
                     int phase)
{
    const struct arm_sums *s = &c->sums;
    json_out_begin_object(o);
    add_int(o, "phase", phase);
    add_number(o, "share_ppm", c->share);
    add_number(o, "n", s->n);
    add_number(o, "sum", s->sum);
    if (m->rule.kind != REPORT_BINARY) {
        add_number(o, "sum_sq", s->sum_sq);
        add_known(o, "sum_cu", s->has_cube, s->sum_cube);
        add_number(o, "amounts", s->amounts);
    }
    if (m->rule.kind == REPORT_RATIO) {
        add_number(o, "den_sum", s->sum_d);
        add_number(o, "den_sum_sq", s->sum_dd);
        add_number(o, "cross_sum", s->sum_yd);
    }
    if (m->rule.cuped) {
        add_number(o, "x_sum", s->sum_x);
        add_number(o, "x_sum_sq", s->sum_xx);
        add_number(o, "xy_sum", s->sum_xy);
    }
    json_out_end_object(o);
}

/* The counts all of it came from, so that anyone can compute it again. */
static void add_phases(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                       int64_t variant)
{
    json_out_key(o, "sums");
    json_out_begin_array(o);
    for (size_t k = 0; k < m->phases; k++) {
        const struct result_phase *p = &in->phases[m->first_phase + k];
        const struct result_cell *c = result_cell_find(in, m->id, 0, p->id, variant);
        if (c)
            add_sums(o, m, c, p->number);
    }
    json_out_end_array(o);
}

static void add_comparison(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                           const struct report *r, const char *treatment, const char *method)
{
    const struct result_variant *control = result_control(in);
    struct buffer b = {0};
    add_known(o, "control_value", r->has_values, r->control);
    add_known(o, "difference", r->has_difference, r->difference);
    add_known(o, "std_error", r->has_difference && r->std_error > 0, r->std_error);
    add_known(o, "low", r->has_interval, r->low);
    add_known(o, "high", r->has_interval, r->high);
    add_range(o, "lift", &r->lift, r->has_interval);
    if (m->rule.kind == REPORT_BINARY)
        add_range(o, "risk_ratio", &r->risk_ratio, true);
    add_known(o, "p", r->method != REPORT_NONE, r->p);
    add_known(o, "ln_e", r->method != REPORT_NONE, r->ln_e);
    add_known(o, "e", r->method != REPORT_NONE && r->ln_e < LN_E_WRITTEN, exp(fmax(-700, r->ln_e)));
    if (method && r->method != REPORT_NONE)
        buffer_add_str(&b, method);
    else
        words_method(&b, r);
    add_words(o, "method", &b);
    buffer_free(&b);
    add_number(o, "alpha", m->rule.alpha);
    add_number(o, "n_star", m->rule.n_star);
    add_gate(o, r, m, treatment, control ? control->key : "control");
    if (m->rule.cuped && m->rule.kind != REPORT_RATIO && m->rule.kind != REPORT_QUANTILE)
        add_cuped(o, r);
    add_fixed(o, r);
    add_int(o, "phases", (int64_t)r->phases);
    add_int(o, "phases_left_out", (int64_t)r->left_out);
}

/* Arrays for one comparison; freed together. */
struct arms {
    struct arm_sums *t, *c;
    double *q, *weights;
};

static bool arms_make(struct arms *a, size_t phases)
{
    a->t = calloc(phases + 1, sizeof *a->t);
    a->c = calloc(phases + 1, sizeof *a->c);
    a->q = calloc(phases + 1, sizeof *a->q);
    a->weights = calloc(phases + 1, sizeof *a->weights);
    return a->t && a->c && a->q && a->weights;
}

static void arms_free(struct arms *a)
{
    free(a->t);
    free(a->c);
    free(a->q);
    free(a->weights);
}

static void add_variant(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                        const struct result_variant *v, struct arms *a, const struct result_judged *j,
                        const struct result_uplift *gains)
{
    double units = 0, exposed = 0, value = 0;
    struct buffer b = {0};
    for (size_t k = 0; k < m->phases; k++) {
        const struct result_phase *p = &in->phases[m->first_phase + k];
        const struct result_cell *c = result_cell_find(in, m->id, 0, p->id, v->id);
        a->t[k] = c ? c->sums : (struct arm_sums){0};
        a->weights[k] = p->units;
        units += a->t[k].n;
        exposed += c ? (double)c->exposed : 0;
    }
    bool known = report_value(&m->rule, a->t, a->weights, m->phases, &value);
    if (j && j->report.has_values)
        value = j->report.treatment;
    json_out_begin_object(o);
    add_int(o, "metric_id", m->id);
    add_int(o, "metric_version", m->version);
    add_int(o, "variant_id", v->id);
    add_int(o, "segment", 0);
    json_out_key(o, "body");
    json_out_begin_object(o);
    add_text(o, "variant", v->key);
    add_bool(o, "is_control", v->control);
    add_bool(o, "dropped", v->dropped);
    add_int(o, "units", (int64_t)units);
    add_int(o, "exposed", (int64_t)exposed);
    add_bool(o, "matured", m->matures);
    words_maturity(&b, in, m, units, exposed);
    add_words(o, "maturity", &b);
    add_known(o, "value", known, value);
    if (m->rule.kind == REPORT_QUANTILE) {
        struct report_range q = report_quantile(&m->rule, a->t, a->weights, m->phases);
        add_range(o, "value_range", &q, true);
    }
    if (j)
        add_comparison(o, in, m, &j->report, v->key, j->method);
    if (j && j->adaptive) {
        json_out_key(o, "uniform");
        json_out_begin_object(o);
        add_number(o, "units", j->uniform.treatment_n);
        add_number(o, "control_units", j->uniform.control_n);
        add_known(o, "value", j->uniform.has_values, j->uniform.treatment);
        add_comparison(o, in, m, &j->uniform, v->key, NULL);
        json_out_end_object(o);
    }
    if (gains && !v->control)
        result_uplift_write(o, in, m, v, gains);
    add_phases(o, in, m, v->id);
    json_out_end_object(o);
    json_out_end_object(o);
    buffer_free(&b);
}

/* The segments of one attribute, one after the other among the metric's cells. */
struct group {
    const struct result_cell *first[64];
    size_t n;
};

static void next_group(const struct result_input *in, int64_t metric, size_t *at, struct group *g)
{
    g->n = 0;
    for (; *at < in->n_cells; (*at)++) {
        const struct result_cell *c = &in->cells[*at];
        if (c->metric_id != metric || c->segment == 0 ||
            (g->n > 0 && g->first[g->n - 1]->segment == c->segment))
            continue;
        if (g->n == 0 || strcmp(g->first[0]->attribute, c->attribute) == 0) {
            if (g->n < 64)
                g->first[g->n++] = c;
        }
    }
}

static void add_disparity(struct json_out *o, const struct result_metric *m, const struct result_variant *v,
                          const struct result_cell *c, const struct disparity *d)
{
    json_out_begin_object(o);
    add_int(o, "metric_id", m->id);
    add_int(o, "metric_version", m->version);
    add_int(o, "variant_id", v->id);
    add_int(o, "segment", c->segment);
    json_out_key(o, "body");
    json_out_begin_object(o);
    add_text(o, "attribute", c->attribute);
    json_out_key(o, "value");
    if (c->value)
        json_out_string(o, c->value);
    else
        json_out_null(o);
    add_text(o, "variant", v->key);
    add_number(o, "units", d->units);
    add_number(o, "events", d->events);
    add_bool(o, "suppressed", !d->answered);
    if (!d->answered)
        add_text(o, "missing", stat_missing_words(d->missing));
    add_known(o, "rate", d->answered, d->treatment);
    add_known(o, "control_rate", d->answered, d->control);
    add_known(o, "selection_ratio", d->answered, d->ratio_treatment);
    add_known(o, "control_selection_ratio", d->answered, d->ratio_control);
    add_known(o, "effect", d->answered, d->effect);
    add_known(o, "effect_rest", d->answered, d->effect_rest);
    add_known(o, "difference", d->answered, d->difference);
    add_known(o, "low", d->answered, d->low);
    add_known(o, "high", d->answered, d->high);
    add_known(o, "ln_e", d->answered, d->ln_e);
    add_bool(o, "differs", d->rejected);
    add_text(o, "method",
             "effect here less effect elsewhere, anytime-valid; e-BH over the attribute's values");
    json_out_end_object(o);
    json_out_end_object(o);
}

static int add_group(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                     const struct result_variant *v, const struct group *g)
{
    struct asympcs_rule rule = {.alpha = m->rule.alpha, .n_star = m->rule.n_star, .side = ASYMPCS_BOTH};
    enum across_kind kind = m->rule.kind == REPORT_BINARY ? ACROSS_PROPORTION : ACROSS_MEAN;
    struct segment segments[64];
    struct disparity found[64];
    struct arms a;
    bool good = arms_make(&a, g->n * m->phases);
    for (size_t s = 0; good && s < g->n; s++) {
        size_t at = s * m->phases;
        result_arms(in, m, g->first[s]->segment, v->id, result_control(in)->id, a.t + at, a.c + at, a.q + at);
        segments[s] = (struct segment){a.t + at, a.c + at};
    }
    if (good) {
        segment_disparity(kind, segments, g->n, m->phases, &rule, found);
        for (size_t s = 0; s < g->n; s++)
            add_disparity(o, m, v, g->first[s], &found[s]);
    }
    arms_free(&a);
    return good ? ERR_OK : ERR_NOMEM;
}

/* Of every attribute: they are told apart by name, whatever order their segments were first seen in. */
static int add_segments(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                        const struct result_variant *v)
{
    int code = ERR_OK;
    if (m->rule.kind == REPORT_RATIO || m->rule.kind == REPORT_QUANTILE || !result_control(in))
        return ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < in->n_cells; i++) {
        const struct result_cell *c = &in->cells[i];
        bool seen = c->metric_id != m->id || c->segment == 0;
        for (size_t k = 0; !seen && k < i; k++)
            seen = in->cells[k].metric_id == m->id && in->cells[k].segment != 0 &&
                   strcmp(in->cells[k].attribute, c->attribute) == 0;
        if (seen)
            continue;
        struct group g;
        size_t at = i;
        next_group(in, m->id, &at, &g);
        code = add_group(o, in, m, v, &g);
    }
    return code;
}

static const struct result_judged *find_judged(const struct result_judged *judged, size_t n,
                                               const struct result_metric *m, const struct result_variant *v)
{
    for (size_t i = 0; i < n; i++)
        if (judged[i].metric == m && judged[i].treatment == v)
            return &judged[i];
    return NULL;
}

static int write_results(const struct result_input *in, const struct result_judged *judged, size_t n,
                         struct json_out *o)
{
    int code = ERR_OK;
    json_out_begin_array(o);
    for (size_t i = 0; i < in->n_metrics; i++) {
        const struct result_metric *m = &in->metrics[i];
        struct result_uplift *gains = NULL;
        struct arms a;
        if (!arms_make(&a, m->phases))
            code = ERR_NOMEM;
        if (code == ERR_OK)
            code = result_uplift_new(in, m, &gains);
        for (size_t k = 0; code == ERR_OK && k < in->n_variants; k++) {
            const struct result_variant *v = &in->variants[k];
            add_variant(o, in, m, v, &a, find_judged(judged, n, m, v), gains);
            if (!v->control)
                code = add_segments(o, in, m, v);
        }
        result_uplift_free(gains);
        arms_free(&a);
    }
    json_out_end_array(o);
    return code;
}

static int write_summary(const struct result_input *in, const struct result_judged *judged, size_t n,
                         struct json_out *o)
{
    struct buffer b = {0};
    json_out_begin_object(o);
    words_decision(&b, in, judged, n);
    add_words(o, "decision", &b);
    json_out_key(o, "warning");
    words_srm(&b, &in->srm);
    if (in->srm.alarm)
        json_out_string_n(o, (const char *)b.data, b.failed ? 0 : b.len);
    else
        json_out_null(o);
    json_out_key(o, "srm");
    json_out_begin_object(o);
    add_bool(o, "alarm", in->srm.alarm);
    add_known(o, "ln_e", in->srm.any, in->srm.ln_e);
    add_words(o, "words", &b);
    add_text(o, "method", "Dirichlet-multinomial inside each phase; anytime-valid, alarm at E of 100");
    json_out_end_object(o);
    json_out_end_object(o);
    buffer_free(&b);
    return ERR_OK;
}

/* Writes until it fits; *out is malloc'ed. */
static int write_all(const struct result_input *in, const struct result_judged *judged, size_t n,
                     int (*write)(const struct result_input *, const struct result_judged *, size_t,
                                  struct json_out *),
                     char **out)
{
    for (size_t cap = 8192;; cap *= 2) {
        struct json_out o;
        char *text = malloc(cap);
        if (!text)
            return ERR_NOMEM;
        json_out_init(&o, text, cap - 1);
        int code = write(in, judged, n, &o);
        if (code == ERR_OK && !o.overflow && o.len < cap) {
            text[o.len] = '\0';
            *out = text;
            return ERR_OK;
        }
        free(text);
        if (code != ERR_OK || cap > ((size_t)1 << 28))
            return ERR_NOMEM;
    }
}

static int judge_all(const struct result_input *in, struct result_judged *judged, size_t *n)
{
    const struct result_variant *control = result_control(in);
    for (size_t i = 0; control && i < in->n_metrics; i++) {
        const struct result_metric *m = &in->metrics[i];
        struct arms a;
        bool good = arms_make(&a, m->phases);
        for (size_t k = 0; good && k < in->n_variants; k++) {
            struct result_judged *j = &judged[*n];
            if (in->variants[k].control)
                continue;
            *n += 1;
            j->metric = m;
            j->treatment = &in->variants[k];
            result_arms(in, m, 0, j->treatment->id, control->id, a.t, a.c, a.q);
            struct report_arms arms = {a.t, a.c, a.q, m->phases};
            struct report_rule rule = m->rule;
            rule.no_marks = results_adaptive(in);
            report_judge(&rule, &arms, &j->report);
            if (results_adaptive(in))
                good = results_adapt(in, m, &arms, j) == ERR_OK;
        }
        arms_free(&a);
        if (!good)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

int results_documents(const struct result_input *in, char **summary, char **results)
{
    size_t n = 0;
    struct result_judged *judged = calloc(in->n_metrics * in->n_variants + 1, sizeof *judged);
    *summary = *results = NULL;
    int code = judged ? judge_all(in, judged, &n) : ERR_NOMEM;
    if (code == ERR_OK)
        code = write_all(in, judged, n, write_summary, summary);
    if (code == ERR_OK)
        code = write_all(in, judged, n, write_results, results);
    free(judged);
    return code;
}
