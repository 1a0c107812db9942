/* Who gains: what results say of each segment's own effect, and of how the effect changes along a number. All
 * of it comes from the counts of segments; it is for reading, and nothing that stops an experiment reads it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/gate.h"
#include "stats/uplift.h"
#include "store/results_private.h"

struct asked_segment {
    const struct result_variant *treatment;
    const struct result_cell *cell; /* names the segment */
};

/* Values enter as (x - centre) / scale: powers of raw ones lose digits. */
struct asked_slope {
    const struct result_variant *treatment;
    const char *attribute;
    double low, high, centre, scale;
    double left_out; /* units of both arms whose value is no number of its own */
    struct gate gate;
};

struct result_uplift {
    size_t phases; /* that are compared: the metric's, of a bandit the reserved slice alone */
    struct asked_segment *segments;
    struct uplift *effects; /* of segments[] */
    size_t n_segments;
    struct asked_slope *slopes;
    struct uplift *along; /* of slopes[], per (x - centre) / scale */
    size_t n_slopes;
};

/* A decimal number and nothing else: "0x1F" and "nan" are names. */
static bool number_of(const char *text, double *x)
{
    char *end;
    if (!text || !*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    *x = strtod(text, &end);
    return *end == '\0' && isfinite(*x) && fabs(*x) < 1e30;
}

/* The next segment among the metric's cells at *i or after it; NULL: no more. */
static const struct result_cell *next_segment(const struct result_input *in, const struct result_metric *m,
                                              size_t *i)
{
    for (; *i < in->n_cells; (*i)++) {
        const struct result_cell *c = &in->cells[*i], *before = *i > 0 ? c - 1 : NULL;
        if (c->metric_id == m->id && c->segment != 0 &&
            (!before || before->metric_id != m->id || before->segment != c->segment)) {
            (*i)++;
            return c;
        }
    }
    return NULL;
}

static void arm_of(const struct result_input *in, const struct result_metric *m, size_t phases,
                   int64_t segment, int64_t variant, struct arm_sums *out)
{
    for (size_t k = 0; k < phases; k++) {
        const struct result_cell *c =
            result_cell_find(in, m->id, segment, in->phases[m->first_phase + k].id, variant);
        out[k] = c ? c->sums : (struct arm_sums){.has_cube = true};
    }
}

static enum across_kind kind_of(const struct result_metric *m)
{
    return m->rule.kind == REPORT_BINARY ? ACROSS_PROPORTION : ACROSS_MEAN;
}

static int judge_segments(const struct result_input *in, const struct result_metric *m,
                          const struct asympcs_rule *rule, struct result_uplift *u)
{
    size_t n = u->n_segments, phases = u->phases;
    int64_t control = result_control(in)->id;
    struct arm_sums *t = calloc(n * phases + 1, sizeof *t), *c = calloc(n * phases + 1, sizeof *c);
    struct segment *segments = calloc(n + 1, sizeof *segments);
    u->effects = calloc(n + 1, sizeof *u->effects);
    bool good = t && c && segments && u->effects;
    for (size_t i = 0; good && i < n; i++) {
        const struct asked_segment *s = &u->segments[i];
        arm_of(in, m, phases, s->cell->segment, s->treatment->id, t + i * phases);
        arm_of(in, m, phases, s->cell->segment, control, c + i * phases);
        segments[i] = (struct segment){t + i * phases, c + i * phases};
    }
    if (good)
        uplift_segments(kind_of(m), segments, n, phases, rule, u->effects);
    free(t);
    free(c);
    free(segments);
    return good ? ERR_OK : ERR_NOMEM;
}

/* All units of a value of x, by what is known of them together. */
static void add_value(struct uplift_sums *s, const struct arm_sums *a, double x)
{
    double xx = x * x;
    s->n += a->n;
    s->x += a->n * x;
    s->xx += a->n * xx;
    s->xxx += a->n * xx * x;
    s->xxxx += a->n * xx * xx;
    s->y += a->sum;
    s->xy += x * a->sum;
    s->xxy += xx * a->sum;
    s->xxxy += xx * x * a->sum;
    s->yy += a->sum_sq;
    s->xyy += x * a->sum_sq;
    s->xxyy += xx * a->sum_sq;
}

static void add_arm(struct arm_sums *total, const struct arm_sums *a)
{
    total->n += a->n;
    total->sum += a->sum;
    total->sum_sq += a->sum_sq;
    total->sum_cube += a->sum_cube;
    total->amounts += a->amounts;
    total->has_cube = total->has_cube && a->has_cube;
}

/* One arm along one attribute: sums per phase, and the same units as an arm for the gate. */
static void sum_along(const struct result_input *in, const struct result_metric *m, size_t phases,
                      struct asked_slope *s, int64_t variant, struct uplift_sums *sums,
                      struct arm_sums *totals)
{
    const struct result_cell *c;
    for (size_t k = 0; k < phases; k++)
        totals[k] = (struct arm_sums){.has_cube = true};
    for (size_t i = 0; (c = next_segment(in, m, &i));) {
        double x = 0;
        bool number = number_of(c->value, &x);
        if (strcmp(c->attribute, s->attribute) != 0)
            continue;
        for (size_t k = 0; k < phases; k++) {
            const struct result_cell *at =
                result_cell_find(in, m->id, c->segment, in->phases[m->first_phase + k].id, variant);
            if (at && number) {
                add_value(&sums[k], &at->sums, (x - s->centre) / s->scale);
                add_arm(&totals[k], &at->sums);
            } else if (at) {
                s->left_out += at->sums.n;
            }
        }
    }
}

static int judge_slopes(const struct result_input *in, const struct result_metric *m,
                        const struct asympcs_rule *rule, struct result_uplift *u)
{
    size_t n = u->n_slopes, phases = u->phases;
    struct uplift_sums *t = calloc(n * phases + 1, sizeof *t), *c = calloc(n * phases + 1, sizeof *c);
    struct arm_sums *arms = calloc(2 * phases + 1, sizeof *arms);
    u->along = calloc(n + 1, sizeof *u->along);
    bool good = t && c && arms && u->along;
    for (size_t i = 0; good && i < n; i++) {
        struct asked_slope *s = &u->slopes[i];
        sum_along(in, m, phases, s, s->treatment->id, t + i * phases, arms);
        sum_along(in, m, phases, s, result_control(in)->id, c + i * phases, arms + phases);
        s->gate = gate_judge(kind_of(m), arms, arms + phases, phases);
        if (!s->gate.open) /* asked all the same, and without an answer */
            memset(t + i * phases, 0, phases * sizeof *t);
    }
    if (good)
        uplift_interactions(t, c, n, phases, rule, u->along);
    free(t);
    free(c);
    free(arms);
    return good ? ERR_OK : ERR_NOMEM;
}

/* The range of an attribute whose values all are numbers, two of them or more. */
static bool range_of(const struct result_input *in, const struct result_metric *m, const char *attribute,
                     struct asked_slope *s)
{
    const struct result_cell *c;
    bool numbers = true;
    *s = (struct asked_slope){.attribute = attribute, .low = INFINITY, .high = -INFINITY};
    for (size_t i = 0; (c = next_segment(in, m, &i));) {
        double x = 0;
        if (strcmp(c->attribute, attribute) != 0 || !c->value)
            continue;
        numbers = numbers && number_of(c->value, &x);
        s->low = fmin(s->low, x);
        s->high = fmax(s->high, x);
    }
    s->centre = s->low / 2 + s->high / 2;
    s->scale = s->high / 2 - s->low / 2;
    return numbers && s->scale > 0;
}

static bool first_of_attribute(const struct result_input *in, const struct result_metric *m,
                               const struct result_cell *segment)
{
    const struct result_cell *c;
    for (size_t i = 0; (c = next_segment(in, m, &i)) && c != segment;)
        if (strcmp(c->attribute, segment->attribute) == 0)
            return false;
    return true;
}

static int list_asked(const struct result_input *in, const struct result_metric *m, struct result_uplift *u)
{
    const struct result_cell *c;
    size_t n = 0;
    for (size_t i = 0; next_segment(in, m, &i);)
        n += in->n_variants;
    u->segments = calloc(n + 1, sizeof *u->segments);
    u->slopes = calloc(n + 1, sizeof *u->slopes);
    if (!u->segments || !u->slopes)
        return ERR_NOMEM;
    for (size_t i = 0; (c = next_segment(in, m, &i));) {
        struct asked_slope along;
        bool numeric = first_of_attribute(in, m, c) && range_of(in, m, c->attribute, &along);
        for (size_t v = 0; v < in->n_variants; v++) {
            const struct result_variant *t = &in->variants[v];
            if (t->control)
                continue;
            u->segments[u->n_segments++] = (struct asked_segment){t, c};
            along.treatment = t;
            if (numeric)
                u->slopes[u->n_slopes++] = along;
        }
    }
    return ERR_OK;
}

int result_uplift_new(const struct result_input *in, const struct result_metric *m,
                      struct result_uplift **out)
{
    struct asympcs_rule rule = {.alpha = m->rule.alpha, .n_star = m->rule.n_star, .side = ASYMPCS_BOTH};
    *out = NULL;
    if (m->rule.kind == REPORT_RATIO || m->rule.kind == REPORT_QUANTILE || !result_control(in))
        return ERR_OK;
    struct result_uplift *u = calloc(1, sizeof *u);
    if (!u)
        return ERR_NOMEM;
    u->phases = results_adaptive(in) ? results_slice(in, m) : m->phases;
    int code = list_asked(in, m, u);
    if (code == ERR_OK)
        code = judge_segments(in, m, &rule, u);
    if (code == ERR_OK)
        code = judge_slopes(in, m, &rule, u);
    if (code != ERR_OK || u->n_segments == 0) {
        result_uplift_free(u);
        return code;
    }
    *out = u;
    return ERR_OK;
}

void result_uplift_free(struct result_uplift *u)
{
    if (!u)
        return;
    free(u->segments);
    free(u->effects);
    free(u->slopes);
    free(u->along);
    free(u);
}

static void put_number(struct json_out *o, const char *key, bool known, double v)
{
    json_out_key(o, key);
    json_out_double(o, known ? v : NAN);
}

static void put_text(struct json_out *o, const char *key, const char *v)
{
    json_out_key(o, key);
    if (v)
        json_out_string(o, v);
    else
        json_out_null(o);
}

static void put_bool(struct json_out *o, const char *key, bool v)
{
    json_out_key(o, key);
    json_out_bool(o, v);
}

/* Why there is no number. */
static void put_missing(struct json_out *o, enum stat_missing missing, double have, double needed)
{
    char text[200];
    const char *of = missing == STAT_FEW_EVENTS    ? "units with the event, and as many without,"
                     : missing == STAT_FEW_AMOUNTS ? "units with an amount"
                     : missing == STAT_SKEWED      ? "units, for values as skew as these,"
                                                   : NULL;
    if (of)
        snprintf(text, sizeof text, "suppressed: %.0f %s are needed in each arm, and one has %.0f", needed,
                 of, have);
    else
        snprintf(text, sizeof text, "no answer: %s", stat_missing_words(missing));
    put_text(o, "words", text);
}

/* What the numbers say. */
static void put_finding(struct json_out *o, const struct uplift *u, const char *nothing, const char *up,
                        const char *down)
{
    put_text(o, "words", !u->rejected ? nothing : u->effect > 0 ? up : down);
}

/* unit: what the numbers are divided by. */
static void put_numbers(struct json_out *o, const struct uplift *u, double unit)
{
    put_number(o, "treatment", u->answered, u->treatment / unit);
    put_number(o, "control", u->answered, u->control / unit);
    put_number(o, "effect", u->answered, u->effect / unit);
    put_number(o, "std_error", u->answered, u->std_error / unit);
    put_number(o, "low", u->answered, u->low / unit);
    put_number(o, "high", u->answered, u->high / unit);
    put_number(o, "p", u->answered, u->p);
    put_number(o, "ln_e", u->answered, u->ln_e);
    put_bool(o, "rejected", u->rejected);
}

/* Whether what was found is good; nobody knows of a metric that has no good direction. */
static const char *worth(const struct result_metric *m, const struct uplift *u)
{
    if (!u->rejected || strcmp(m->direction_good, "none") == 0)
        return NULL;
    return (u->effect > 0) == (strcmp(m->direction_good, "up") == 0) ? "gain" : "loss";
}

static void put_segment(struct json_out *o, const struct result_metric *m, const struct asked_segment *s,
                        const struct uplift *u)
{
    json_out_begin_object(o);
    put_text(o, "attribute", s->cell->attribute);
    put_text(o, "value", s->cell->value);
    put_number(o, "units", true, u->units);
    put_bool(o, "suppressed", !u->answered);
    put_numbers(o, u, 1);
    put_text(o, "found", worth(m, u));
    if (!u->answered)
        put_missing(o, u->missing, u->have, u->needed);
    else
        put_finding(o, u, "no effect shown here", "higher here with the treatment",
                    "lower here with the treatment");
    json_out_end_object(o);
}

static void put_slope(struct json_out *o, const struct asked_slope *s, const struct uplift *u)
{
    json_out_begin_object(o);
    put_text(o, "attribute", s->attribute);
    put_number(o, "from", true, s->low);
    put_number(o, "to", true, s->high);
    put_number(o, "units", true, u->units);
    put_number(o, "left_out", true, s->left_out);
    put_bool(o, "suppressed", !u->answered);
    put_numbers(o, u, s->scale);
    if (!s->gate.open)
        put_missing(o, s->gate.missing, s->gate.have, s->gate.needed);
    else if (!u->answered)
        put_missing(o, u->missing, 0, 0);
    else
        put_finding(o, u, "no change of the effect along it shown", "the effect rises with it",
                    "the effect falls with it");
    json_out_end_object(o);
}

void result_uplift_write(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                         const struct result_variant *v, const struct result_uplift *u)
{
    json_out_key(o, "uplift");
    json_out_begin_object(o);
    put_text(o, "use", "for reading: never used to stop");
    put_text(
        o, "method",
        results_adaptive(in)
            ? "of the reserved slice: the effect in each segment, and treatment × number; AsympCS, "
              "anytime-valid; e-BH over all segments of the metric, and over all its numbers"
            : "the effect in each segment, and treatment × number; AsympCS, anytime-valid; e-BH over all "
              "segments of the metric, and over all its numbers");
    put_number(o, "alpha", true, m->rule.alpha);
    put_number(o, "n_star", true, m->rule.n_star);
    put_number(o, "asked", true, (double)u->n_segments);
    put_number(o, "slopes_asked", true, (double)u->n_slopes);
    json_out_key(o, "segments");
    json_out_begin_array(o);
    for (size_t i = 0; i < u->n_segments; i++)
        if (u->segments[i].treatment == v)
            put_segment(o, m, &u->segments[i], &u->effects[i]);
    json_out_end_array(o);
    json_out_key(o, "slopes");
    json_out_begin_array(o);
    for (size_t i = 0; i < u->n_slopes; i++)
        if (u->slopes[i].treatment == v)
            put_slope(o, &u->slopes[i], &u->along[i]);
    json_out_end_array(o);
    json_out_end_object(o);
}
