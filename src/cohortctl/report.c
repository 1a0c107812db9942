#include "cohortctl/report.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cohortctl/table.h"

#define RATIO_ALARM 0.01 /* a p below it says that the counts are broken */

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

static void add_interval(struct table *t, double low, double high, int decimals)
{
    if (isnan(low) || isnan(high))
        table_add(t, "%s", "");
    else
        table_add(t, "%+.*f to %+.*f", decimals, low, decimals, high);
}

static void add_head(struct table *t, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        table_add(t, "%s", names[i]);
}

/* How a kind of metric is shown: rates in percent, their differences in percentage points. */
struct look {
    const char *head[6];
    double factor;
    const char *value, *difference;
    int decimals; /* of the interval */
};

static const struct look binary_look = {
    {"variant", "n", "rate %", "difference pp", "95 % interval *", "z"}, 100, "%.3f", "%+.4f", 4};
static const struct look mean_look = {
    {"variant", "n", "mean", "difference", "95 % interval *", "t"}, 1, "%.5f", "%+.5f", 5};

static int print_metric(const json_t *metric, FILE *out)
{
    const struct look *k = strcmp(text_of(metric, "kind"), "binary") == 0 ? &binary_look : &mean_look;
    size_t i;
    const json_t *v;
    struct table *t = table_new("lrrrrr");
    if (!t)
        return ERR_NOMEM;
    fprintf(out, "\n%s (%s)\n", text_of(metric, "metric"), text_of(metric, "kind"));
    add_head(t, k->head, 6);
    json_array_foreach(json_object_get(metric, "variants"), i, v)
    {
        table_add(t, "%s%s", text_of(v, "variant"), is_true(v, "is_control") ? " (control)" : "");
        add_count(t, number_of(v, "units"));
        add_number(t, k->value, k->factor * number_of(v, "value"));
        add_number(t, k->difference, k->factor * number_of(v, "difference"));
        add_interval(t, k->factor * number_of(v, "low"), k->factor * number_of(v, "high"), k->decimals);
        add_number(t, "%.3f", number_of(v, "statistic"));
    }
    int rc = table_print(t, out, 2);
    table_free(t);
    return rc;
}

static int print_metrics(const json_t *doc, FILE *out)
{
    size_t i;
    const json_t *m, *metrics = json_object_get(doc, "metrics");
    int rc = 0;
    if (json_array_size(metrics) == 0)
        fputs("\nNo metric is counted: give the experiment a guardrail.\n", out);
    json_array_foreach(metrics, i, m)
    {
        if (rc == 0)
            rc = print_metric(m, out);
    }
    if (json_array_size(metrics) > 0)
        fputs("\n* fixed horizon: for one look at the end. It may never stop an experiment.\n", out);
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

static void print_ratio(const json_t *doc, FILE *out)
{
    const json_t *srm = json_object_get(doc, "srm"), *v;
    double p = number_of(srm, "p"), units = 0;
    char digits[32];
    size_t i;
    json_array_foreach(json_object_get(srm, "variants"), i, v)
    {
        units += number_of(v, "units");
    }
    fprintf(out, "%s units", isnan(units) ? "no" : table_thousands((long long)units, digits));
    if (!isnan(p))
        fprintf(out, "; sample ratio p %.4f: %s", p,
                p < RATIO_ALARM ? "THE COUNTS ARE BROKEN, trust nothing below"
                                : "the counts fit their shares");
    fputs("\n", out);
}

static void print_stop(const json_t *doc, FILE *out)
{
    const json_t *stop = json_object_get(doc, "stop");
    if (json_is_object(stop))
        fprintf(out, "\nstopped by its guardrail, %s\n%s\n", text_of(stop, "at"), text_of(stop, "sentence"));
}

int report_results(const json_t *doc, FILE *out, struct error *e)
{
    const char *as_of = text_of(doc, "as_of");
    if (!json_is_object(doc) || !json_is_array(json_object_get(doc, "metrics")))
        return error_set(e, ERR_DAMAGED, "", "the answer is not a results document");
    fprintf(out, "%s: %s%s%s\n", text_of(doc, "experiment"), text_of(doc, "status"),
            *as_of ? ", counted up to " : "", as_of);
    print_ratio(doc, out);
    int rc = print_metrics(doc, out);
    if (rc == 0)
        rc = print_guardrails(doc, out);
    print_stop(doc, out);
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}
