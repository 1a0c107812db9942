#include "cohortctl/report.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cohortctl/table.h"

static const char *text_of(const json_t *o, const char *member)
{
    const char *s = json_string_value(json_object_get(o, member));
    return s ? s : "";
}

/* A number, or NaN where the document has none. */
static double number_of(const json_t *o, const char *member)
{
    const json_t *v = json_object_get(o, member);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static bool is_true(const json_t *o, const char *member)
{
    return json_is_true(json_object_get(o, member));
}

/* A cell with a number, empty where there is none. */
static void add_number(struct table *t, const char *fmt, double v) __attribute__((format(printf, 2, 0)));
static void add_number(struct table *t, const char *fmt, double v)
{
    char cell[64];
    cell[0] = '\0';
    if (!isnan(v))
        snprintf(cell, sizeof cell, fmt, v);
    table_add(t, "%s", cell);
}

static void add_count(struct table *t, double n)
{
    char digits[32];
    table_add(t, "%s", isnan(n) ? "" : table_thousands((long long)n, digits));
}

#define AS_POWER (-1) /* in place of decimals: 1.14508e+12 */

/* As many decimals as make six digits, five at most. */
static int decimals_for(double v)
{
    int before = fabs(v) >= 1 ? (int)floor(log10(fabs(v))) + 1 : 1;
    return before > 9 ? AS_POWER : before >= 6 ? 0 : 6 - before;
}

static void show(char *buf, size_t cap, double v, int decimals, bool sign)
{
    if (isnan(v))
        snprintf(buf, cap, "?");
    else if (decimals == AS_POWER || fabs(v) >= 1e9)
        snprintf(buf, cap, sign ? "%+.6g" : "%.6g", v);
    else
        snprintf(buf, cap, sign ? "%+.*f" : "%.*f", decimals, v);
}

static void add_shown(struct table *t, double v, int decimals, bool sign)
{
    char cell[64];
    show(cell, sizeof cell, v, decimals, sign);
    table_add(t, "%s", isnan(v) ? "" : cell);
}

static void add_interval(struct table *t, double low, double high, int decimals)
{
    char a[64], b[64];
    if (isnan(low) && isnan(high)) {
        table_add(t, "%s", "");
        return;
    }
    show(a, sizeof a, low, decimals, true);
    show(b, sizeof b, high, decimals, true);
    table_add(t, "%s to %s", a, b);
}

static void add_p(struct table *t, double p)
{
    if (isnan(p))
        table_add(t, "%s", "");
    else if (p < 0.0001)
        table_add(t, "%s", "<0.0001");
    else
        table_add(t, "%.4f", p);
}

static void add_head(struct table *t, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        table_add(t, "%s", names[i]);
}

#define LINE_WIDTH 80

/* Text folded between words; later lines are indented like the first. */
static void print_folded(FILE *out, int indent, const char *text)
{
    int column = indent;
    fprintf(out, "%*s", indent, "");
    while (*text) {
        size_t bytes = strcspn(text, " ");
        int width = 0;
        for (size_t i = 0; i < bytes; i++)
            width += ((unsigned char)text[i] & 0xC0) != 0x80;
        if (column > indent && column + 1 + width > LINE_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, bytes, out);
        column += width;
        text += bytes;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static bool is_binary(const json_t *metric)
{
    return strcmp(text_of(metric, "kind"), "binary") == 0;
}

/* How many decimals this metric's numbers get: those of its largest value. */
static int decimals_of(const json_t *metric)
{
    const json_t *v;
    double largest = 0;
    size_t i;
    json_array_foreach(json_object_get(metric, "variants"), i, v)
    {
        double value = number_of(v, "value");
        largest = isnan(value) ? largest : fmax(largest, fabs(value));
    }
    return is_binary(metric) ? 3 : decimals_for(largest);
}

/* The head of the column of values. */
static const char *value_name(const json_t *metric)
{
    const char *kind = text_of(metric, "kind");
    return is_binary(metric)               ? "rate %"
           : strcmp(kind, "ratio") == 0    ? "ratio"
           : strcmp(kind, "quantile") == 0 ? "quantile"
                                           : "mean";
}

static void add_row(struct table *t, const json_t *metric, const json_t *v, bool fixed)
{
    const json_t *from = fixed ? json_object_get(v, "fixed_horizon") : v;
    double factor = is_binary(metric) ? 100 : 1, value = factor * number_of(v, "value"),
           difference = factor * number_of(v, "difference");
    int decimals = decimals_of(metric);
    table_add(t, "%s%s", text_of(v, "variant"),
              is_true(v, "is_control") ? " (control)"
              : is_true(v, "dropped")  ? " (dropped)"
                                       : "");
    add_count(t, number_of(v, "units"));
    add_shown(t, value, decimals, false);
    add_shown(t, difference, decimals, true);
    add_interval(t, factor * number_of(from, "low"), factor * number_of(from, "high"), decimals);
    add_p(t, number_of(from, "p"));
}

static void add_bound(char *buf, size_t cap, double v, const char *fmt)
{
    if (isnan(v))
        snprintf(buf, cap, "?");
    else
        snprintf(buf, cap, fmt, v);
}

/* "+72 % (+65 % to +79 %) of control" */
static void print_range(FILE *out, const char *name, const json_t *range, double factor, const char *fmt)
{
    char value[40], low[40], high[40], line[200];
    if (!json_is_object(range) || isnan(number_of(range, "value")))
        return;
    add_bound(value, sizeof value, factor * number_of(range, "value"), fmt);
    add_bound(low, sizeof low, factor * number_of(range, "low"), fmt);
    add_bound(high, sizeof high, factor * number_of(range, "high"), fmt);
    if (isnan(number_of(range, "low")) && isnan(number_of(range, "high")))
        snprintf(line, sizeof line, "%s %s", name, value);
    else
        snprintf(line, sizeof line, "%s %s (%s to %s)", name, value, low, high);
    print_folded(out, 6, line);
}

static void print_cuped(FILE *out, const json_t *cuped, double factor)
{
    char line[200];
    if (!json_is_object(cuped))
        return;
    if (isnan(number_of(cuped, "difference")))
        snprintf(line, sizeof line, "CUPED: no answer, %s", text_of(cuped, "missing"));
    else
        snprintf(line, sizeof line, "CUPED: difference %+.5g (%+.5g to %+.5g), variance %.0f %% smaller",
                 factor * number_of(cuped, "difference"), factor * number_of(cuped, "low"),
                 factor * number_of(cuped, "high"), 100 * number_of(cuped, "gain"));
    print_folded(out, 6, line);
}

/* Of a bandit: the same in the traffic that keeps equal shares. */
static void print_uniform(FILE *out, const json_t *slice)
{
    char n[32], of[32], line[300];
    if (!json_is_object(slice))
        return;
    snprintf(line, sizeof line, "in the reserved slice, %s units against %s: %s",
             table_thousands((long long)number_of(slice, "units"), n),
             table_thousands((long long)number_of(slice, "control_units"), of), text_of(slice, "method"));
    print_folded(out, 6, line);
    print_range(out, "its lift", json_object_get(slice, "lift"), 100, "%+.3g %%");
    print_range(out, "its risk ratio", json_object_get(slice, "risk_ratio"), 1, "%.3g ×");
}

/* What a table has no room for. */
static void print_details(FILE *out, const json_t *metric, const json_t *v)
{
    const json_t *gate = json_object_get(v, "gate");
    double ln_e = number_of(v, "ln_e");
    char line[600], e[40] = "";
    if (is_true(v, "is_control") || !json_is_object(gate))
        return;
    if (ln_e > 13.8)
        snprintf(e, sizeof e, "E 10^%.1f; ", ln_e / log(10));
    else if (!isnan(ln_e))
        snprintf(e, sizeof e, "E %.3g; ", exp(ln_e));
    snprintf(line, sizeof line, "%s: %s%s", text_of(v, "variant"), e, text_of(v, "method"));
    print_folded(out, 4, line);
    print_range(out, "lift", json_object_get(v, "lift"), 100, "%+.3g %%");
    print_range(out, "risk ratio", json_object_get(v, "risk_ratio"), 1, "%.3g ×");
    print_cuped(out, json_object_get(v, "cuped"), is_binary(metric) ? 100 : 1);
    if (strcmp(text_of(gate, "words"), "open") != 0)
        print_folded(out, 6, text_of(gate, "words"));
    print_uniform(out, json_object_get(v, "uniform"));
}

static int print_metric(const json_t *metric, bool fixed, FILE *out)
{
    const char *const head[] = {"variant",
                                "n",
                                value_name(metric),
                                is_binary(metric) ? "diff pp" : "difference",
                                fixed ? "fixed horizon *" : "95 % interval",
                                "p"};
    size_t i;
    const json_t *v, *first = json_array_get(json_object_get(metric, "variants"), 0);
    struct table *t = table_new("lrrrrr");
    if (!t)
        return ERR_NOMEM;
    fprintf(out, "\n%s (%s%s)\n", text_of(metric, "metric"), text_of(metric, "kind"),
            strcmp(text_of(metric, "role"), "primary") == 0 ? ", primary" : "");
    if (json_is_string(json_object_get(metric, "versions")))
        print_folded(out, 2, text_of(metric, "versions"));
    if (is_true(first, "matured"))
        json_array_foreach(json_object_get(metric, "variants"), i, v)
        {
            char line[300];
            snprintf(line, sizeof line, "%s: %s", text_of(v, "variant"), text_of(v, "maturity"));
            print_folded(out, 2, line);
        }
    add_head(t, head, 6);
    json_array_foreach(json_object_get(metric, "variants"), i, v)
    {
        add_row(t, metric, v, fixed);
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    if (!fixed)
        json_array_foreach(json_object_get(metric, "variants"), i, v)
        {
            print_details(out, metric, v);
        }
    return rc;
}

static int print_metrics(const json_t *doc, bool fixed, FILE *out)
{
    size_t i;
    const json_t *m, *metrics = json_object_get(doc, "metrics");
    int rc = 0;
    if (json_array_size(metrics) == 0)
        fputs("\nNo metric is counted: give the experiment a guardrail or a metric.\n", out);
    json_array_foreach(metrics, i, m)
    {
        if (rc == 0)
            rc = print_metric(m, fixed, out);
    }
    if (json_array_size(metrics) > 0 && fixed)
        fputs("\n* fixed horizon, 95 %: for one look at the end. It may never stop an experiment.\n", out);
    else if (json_array_size(metrics) > 0)
        fputs("\nIntervals (95 %), p and E hold however often you look.\n", out);
    return rc;
}

/* Where every decision is drawn: from the shares that adapted, or from the reserved slice. */
static int print_effects(const json_t *effects, const char *title, FILE *out)
{
    static const char *const head[] = {"variant", "decisions", "mean", "low", "high", "difference", ""};
    const json_t *v;
    size_t i;
    if (json_array_size(json_object_get(effects, "variants")) == 0)
        return 0;
    struct table *t = table_new("lrrrrrl");
    if (!t)
        return ERR_NOMEM;
    fprintf(out, "\n%s\n", title);
    print_folded(out, 2, text_of(effects, "method"));
    add_head(t, head, 7);
    json_array_foreach(json_object_get(effects, "variants"), i, v)
    {
        table_add(t, "%s%s", text_of(v, "variant"), is_true(v, "is_control") ? " (control)" : "");
        add_count(t, number_of(v, "decisions"));
        add_number(t, "%.5g", number_of(v, "value"));
        add_number(t, "%.5g", number_of(v, "low"));
        add_number(t, "%.5g", number_of(v, "high"));
        add_number(t, "%+.5g", number_of(v, "difference"));
        table_add(t, "%s", text_of(v, "words"));
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    return rc;
}

/* Shares now, and the rewards that led to them. */
static int print_bandit(const json_t *doc, FILE *out)
{
    static const char *const head[] = {"variant", "share %", "rewards", "mean"};
    const json_t *bandit = json_object_get(doc, "bandit"), *arm;
    char line[700];
    size_t i;
    if (!json_is_object(bandit))
        return 0;
    struct table *t = table_new("lrrr");
    if (!t)
        return ERR_NOMEM;
    fprintf(out, "\nshares in phase %.0f, by matured %s\n", number_of(bandit, "phase"),
            text_of(bandit, "reward"));
    add_head(t, head, 4);
    json_array_foreach(json_object_get(bandit, "arms"), i, arm)
    {
        table_add(t, "%s", text_of(arm, "variant"));
        add_number(t, "%.1f", number_of(arm, "share_ppm") / 1e4);
        add_count(t, number_of(arm, "rewards"));
        add_number(t, "%.5g", number_of(arm, "mean"));
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    if (*text_of(bandit, "updated_at")) {
        snprintf(line, sizeof line, "updated %s: %s", text_of(bandit, "updated_at"),
                 text_of(bandit, "update"));
        print_folded(out, 2, line);
    }
    const json_t *effects = json_object_get(bandit, "effects");
    if (rc == 0)
        rc = print_effects(json_object_get(effects, "adaptive"), "a decision's reward, had every one got it",
                           out);
    if (rc == 0)
        rc =
            print_effects(json_object_get(effects, "uniform"), "the same from the reserved slice alone", out);
    return rc;
}

/* An experiment against the holdouts it is behind, or a holdout's experiments one by one. */
static int print_lifts(const json_t *doc, FILE *out)
{
    const json_t *own = json_object_get(doc, "holdout_lift"), *lift, *m;
    const json_t *lifts = own ? own : json_object_get(doc, "per_experiment");
    const char *name = own ? "holdout" : "experiment";
    size_t i, k;
    int rc = 0;
    json_array_foreach(lifts, i, lift)
    {
        fprintf(out, "\n%s %s, by arm of the holdout\n", name, text_of(lift, name));
        print_folded(out, 2, text_of(lift, "decision"));
        json_array_foreach(json_object_get(lift, "metrics"), k, m)
        {
            if (rc == 0)
                rc = print_metric(m, false, out);
        }
    }
    return rc;
}

/* Segments whose effect differs, or all of an attribute when few. */
static int print_segments(const json_t *doc, FILE *out)
{
    static const char *const head[] = {"metric", "variant",   "segment", "n",
                                       "effect", "elsewhere", "ratio",   ""};
    const json_t *segments = json_object_get(doc, "segments"), *s;
    size_t i;
    if (json_array_size(segments) == 0)
        return 0;
    struct table *t = table_new("lllrrrrl");
    if (!t)
        return ERR_NOMEM;
    fputs("\nsegments (ratio: its rate over that of the segment with the highest)\n", out);
    add_head(t, head, 8);
    json_array_foreach(segments, i, s)
    {
        const char *value = json_string_value(json_object_get(s, "value"));
        table_add(t, "%s", text_of(s, "metric"));
        table_add(t, "%s", text_of(s, "variant"));
        table_add(t, "%s %s", text_of(s, "attribute"), value ? value : "(other)");
        add_count(t, number_of(s, "units"));
        add_number(t, "%+.4g", number_of(s, "effect"));
        add_number(t, "%+.4g", number_of(s, "effect_rest"));
        add_number(t, "%.2f", number_of(s, "selection_ratio"));
        table_add(t, "%s", is_true(s, "suppressed") ? "too few" : is_true(s, "differs") ? "DIFFERS" : "");
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    return rc;
}

static void add_gain(struct table *t, const char *metric, const json_t *v, const json_t *u, const char *value)
{
    table_add(t, "%s", metric);
    table_add(t, "%s", text_of(v, "variant"));
    table_add(t, "%s %s", text_of(u, "attribute"), value);
    add_count(t, number_of(u, "units"));
    add_number(t, "%+.4g", number_of(u, "effect"));
    add_number(t, "%+.4g", number_of(u, "low"));
    add_number(t, "%+.4g", number_of(u, "high"));
    table_add(t, "%s", text_of(u, "words"));
}

/* Each segment's own effect, and how it changes along a number. */
static void add_gains(struct table *t, const char *metric, const json_t *v)
{
    const json_t *uplift = json_object_get(v, "uplift"), *u;
    size_t i;
    json_array_foreach(json_object_get(uplift, "segments"), i, u)
    {
        const char *value = json_string_value(json_object_get(u, "value"));
        add_gain(t, metric, v, u, value ? value : "(other)");
    }
    json_array_foreach(json_object_get(uplift, "slopes"), i, u)
    {
        add_gain(t, metric, v, u, "(per 1)");
    }
}

static int print_uplift(const json_t *doc, FILE *out)
{
    static const char *const head[] = {"metric", "variant", "segment", "n", "effect", "low", "high", ""};
    const json_t *m, *v;
    size_t i, k;
    bool any = false;
    struct table *t = table_new("lllrrrrl");
    if (!t)
        return ERR_NOMEM;
    add_head(t, head, 8);
    json_array_foreach(json_object_get(doc, "metrics"), i, m)
    {
        json_array_foreach(json_object_get(m, "variants"), k, v)
        {
            any = any || json_is_object(json_object_get(v, "uplift"));
            add_gains(t, text_of(m, "metric"), v);
        }
    }
    if (any)
        fputs("\nwho gains (treatment less control; e-BH over all of a metric; never used to stop)\n", out);
    int rc = any ? table_print(t, out, 2) : 0;
    table_free(t);
    return rc;
}

/* E from its logarithm, also where the number itself is beyond a double. */
static void add_e(struct table *t, double ln_e)
{
    if (isnan(ln_e))
        table_add(t, "%s", "");
    else if (ln_e > 13.8)
        table_add(t, "10^%.1f", ln_e / log(10));
    else
        table_add(t, "%.4g", exp(ln_e));
}

static int print_guardrails(const json_t *doc, FILE *out)
{
    static const char *const head[] = {"metric", "variant", "harm",       "action",
                                       "E",      "at",      "risk ratio", "lower bound"};
    const json_t *guardrails = json_object_get(doc, "guardrails"), *g;
    size_t i;
    if (json_array_size(guardrails) == 0)
        return 0;
    struct table *t = table_new("llllrrrr");
    if (!t)
        return ERR_NOMEM;
    fputs("\nguardrails (valid at every look: they act when E reaches the number under \"at\")\n", out);
    add_head(t, head, 8);
    json_array_foreach(guardrails, i, g)
    {
        table_add(t, "%s", text_of(g, "metric"));
        table_add(t, "%s", text_of(g, "variant"));
        table_add(t, "%s", text_of(g, "direction"));
        table_add(t, "%s", text_of(g, "action"));
        add_e(t, number_of(g, "ln_e"));
        add_number(t, "%.0f", exp(number_of(g, "threshold")));
        add_number(t, "%.3f", number_of(g, "risk_ratio"));
        add_number(t, "%.3f", number_of(g, "lower"));
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    return rc;
}

static void print_ratio(const json_t *doc, bool fixed, FILE *out)
{
    const json_t *srm = json_object_get(doc, "srm"), *v, *switched = json_object_get(doc, "switched");
    double units = 0, p = number_of(json_object_get(srm, "fixed_horizon"), "p");
    char digits[32];
    size_t i;
    json_array_foreach(json_object_get(srm, "variants"), i, v)
    {
        units += number_of(v, "units");
    }
    fprintf(out, "\n%s units", isnan(units) ? "no" : table_thousands((long long)units, digits));
    if (fixed && !isnan(p))
        fprintf(out, "; sample ratio p %.4f (chi-square, fixed horizon)", p);
    else
        fprintf(out, "; %s", is_true(srm, "alarm") ? "THE COUNTS ARE BROKEN" : text_of(srm, "words"));
    fputs("\n", out);
    if (number_of(switched, "units") > 0)
        print_folded(out, 0, text_of(switched, "words"));
}

static void print_stop(const json_t *doc, FILE *out)
{
    const json_t *stop = json_object_get(doc, "stop");
    if (json_is_object(stop)) {
        fprintf(out, "\nstopped by the monitor, %s\n", text_of(stop, "at"));
        print_folded(out, 0, text_of(stop, "sentence"));
    }
}

int report_results(const json_t *doc, bool fixed, FILE *out, struct error *e)
{
    const char *as_of = text_of(doc, "as_of"), *warning = text_of(doc, "warning");
    if (!json_is_object(doc) || !json_is_array(json_object_get(doc, "metrics")))
        return error_set(e, ERR_DAMAGED, "", "the answer is not a results document");
    if (*warning) {
        print_folded(out, 0, warning);
        fputc('\n', out);
    }
    fprintf(out, "%s: %s%s%s\n", text_of(doc, "experiment"), text_of(doc, "status"),
            *as_of ? ", counted up to " : "", as_of);
    if (!*warning && *text_of(doc, "decision"))
        print_folded(out, 0, text_of(doc, "decision"));
    print_ratio(doc, fixed, out);
    int rc = print_bandit(doc, out);
    if (rc == 0)
        rc = print_metrics(doc, fixed, out);
    if (rc == 0)
        rc = print_segments(doc, out);
    if (rc == 0 && !fixed)
        rc = print_uplift(doc, out);
    if (rc == 0 && !fixed)
        rc = print_lifts(doc, out);
    if (rc == 0)
        rc = print_guardrails(doc, out);
    print_stop(doc, out);
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}

static int print_line(const json_t *line, FILE *out)
{
    static const char *const head[] = {"at", "n", "value", "difference", "95 % interval"};
    const json_t *p;
    size_t i;
    struct table *t = table_new("lrrrr");
    if (!t)
        return ERR_NOMEM;
    fprintf(out, "\n%s, %s\n", text_of(line, "metric"), text_of(line, "variant"));
    add_head(t, head, 5);
    json_array_foreach(json_object_get(line, "points"), i, p)
    {
        table_add(t, "%.16s", text_of(p, "at"));
        add_count(t, number_of(p, "units"));
        add_number(t, "%.5f", number_of(p, "value"));
        add_number(t, "%+.5f", number_of(p, "difference"));
        add_interval(t, number_of(p, "low"), number_of(p, "high"), 5);
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    return rc;
}

int report_series(const json_t *doc, FILE *out, struct error *e)
{
    const json_t *lines = json_object_get(doc, "points"), *line;
    size_t i;
    int rc = 0;
    if (!json_is_array(lines))
        return error_set(e, ERR_DAMAGED, "", "the answer is not a series of results");
    fprintf(out, "%s: a point a minute in which results changed, an hour before two days ago\n",
            text_of(doc, "experiment"));
    json_array_foreach(lines, i, line)
    {
        if (rc == 0)
            rc = print_line(line, out);
    }
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}
