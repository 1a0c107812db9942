/* Runs the worked numbers of statistics.json against src/stats: tests/vectors/statistics [FILE.json].
 * A line per failing case, a line per skipped function, and "N passed, N failed, N skipped" at the end. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/across.h"
#include "stats/drift.h"
#include "stats/evt.h"
#include "stats/fixed.h"
#include "stats/multiplicity.h"
#include "stats/srm.h"

#define MAX_ITEMS 64

/* One case and how it is going. */
struct run {
    json_t *input, *expected;
    const char *id;
    double rel_tol, abs_tol;
    int wrong;
};

static double number(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* What was expected under `key` (an item of it when item >= 0) against what came out. */
static void same(struct run *r, const char *key, int item, double got)
{
    json_t *v = json_object_get(r->expected, key);
    if (v && item >= 0)
        v = json_array_get(v, (size_t)item);
    double want = json_number_value(v);
    if (json_is_number(v) && fabs(got - want) <= r->abs_tol + r->rel_tol * fabs(want))
        return;
    r->wrong++;
    printf("FAIL %s: %s", r->id, key);
    if (item >= 0)
        printf("[%d]", item);
    printf(" is %.17g, not %.17g\n", got, want);
}

static size_t evt_phases(struct run *r, struct evt_phase *out)
{
    json_t *list = json_object_get(r->input, "phases"), *p;
    size_t i;
    json_array_foreach(list, i, p)
    {
        if (i == MAX_ITEMS)
            break;
        out[i] = (struct evt_phase){json_integer_value(json_object_get(p, "treat")),
                                    json_integer_value(json_object_get(p, "control")), number(p, "q")};
    }
    return i;
}

static void check_evt_log_e(struct run *r)
{
    struct evt_phase phases[MAX_ITEMS];
    size_t n = evt_phases(r, phases);
    const char *harm = json_string_value(json_object_get(r->input, "harm"));
    enum evt_harm way = harm && strcmp(harm, "down") == 0 ? EVT_DOWN : EVT_UP;
    same(r, "log_e", -1, evt_log_e(phases, n, number(r->input, "r0"), way));
}

static void check_evt_rr_bounds(struct run *r)
{
    struct evt_phase phases[MAX_ITEMS];
    size_t n = evt_phases(r, phases);
    double threshold = -log(number(r->input, "alpha"));
    same(r, "lower", -1, evt_rr_lower(phases, n, threshold, 1));
    same(r, "upper", -1, evt_rr_upper(phases, n, threshold, 1));
}

static void check_dirichlet_multinomial(struct run *r)
{
    json_t *batch, *v;
    size_t b, i, k = 0;
    int64_t counts[MAX_ITEMS] = {0};
    double p[MAX_ITEMS], c = 0;
    json_array_foreach(json_object_get(r->input, "batches"), b, batch)
    {
        json_array_foreach(batch, i, v) counts[i] += json_integer_value(v);
    }
    json_array_foreach(json_object_get(r->input, "p0"), k, v) p[k] = json_number_value(v);
    json_array_foreach(json_object_get(r->input, "alpha_vector"), i, v) c += json_number_value(v);
    double log_e = srm_log_e_at(counts, p, k, c);
    same(r, "log_e", -1, log_e);
    same(r, "sequential_p_value_final", -1, fmin(1, exp(-log_e)));
}

static void check_chi2(struct run *r)
{
    json_t *v;
    size_t i, k = 0;
    int64_t counts[MAX_ITEMS] = {0};
    double w[MAX_ITEMS] = {0};
    json_array_foreach(json_object_get(r->input, "counts"), k, v) counts[k] = json_integer_value(v);
    json_array_foreach(json_object_get(r->input, "weights"), i, v) w[i] = json_number_value(v);
    same(r, "p", -1, srm_chi2(counts, w, k, NULL));
}

static struct arm_sums arm(json_t *of, const char *name)
{
    json_t *a = json_object_get(of, name);
    return (struct arm_sums){
        .n = number(a, "n"), .sum = number(a, "sum"), .sum_sq = number(a, "sum_squares")};
}

static void check_z(struct run *r)
{
    struct arm_sums t = arm(r->input, "treatment"), c = arm(r->input, "control");
    struct fixed_result f = z_test_props(&t, &c, number(r->input, "alpha"));
    same(r, "difference", -1, f.difference);
    same(r, "ci", 0, f.low);
    same(r, "ci", 1, f.high);
    same(r, "p_value", -1, f.p);
}

static void check_welch(struct run *r)
{
    struct arm_sums t = arm(r->input, "treatment"), c = arm(r->input, "control");
    struct fixed_result f = welch_t(&t, &c, number(r->input, "alpha"));
    same(r, "estimate", -1, f.difference);
    same(r, "ci", 0, f.low);
    same(r, "ci", 1, f.high);
    same(r, "p_value", -1, f.p);
}

static void check_phases(struct run *r)
{
    struct arm_sums t[MAX_ITEMS], c[MAX_ITEMS];
    json_t *p;
    size_t k = 0;
    json_array_foreach(json_object_get(r->input, "phases"), k, p)
    {
        t[k] = arm(p, "treatment");
        c[k] = arm(p, "control");
    }
    struct across a = across_phases(ACROSS_MEAN, t, c, k);
    struct estimate d = contrast_difference(&a.arms);
    same(r, "estimate", -1, d.value);
    same(r, "std_err", -1, sqrt(d.variance));
}

static void check_ebh(struct run *r)
{
    json_t *v, *want = json_object_get(r->expected, "rejected");
    size_t i, k = 0, listed = 0;
    double ln_e[MAX_ITEMS];
    bool rejected[MAX_ITEMS];
    json_array_foreach(json_object_get(r->input, "e"), k, v) ln_e[k] = log(json_number_value(v));
    size_t hits = ebh(ln_e, k, number(r->input, "alpha"), rejected);
    for (i = 0; i < k; i++)
        if (rejected[i])
            same(r, "rejected", (int)listed++, (double)i);
    if (listed != hits || hits != json_array_size(want)) {
        r->wrong++;
        printf("FAIL %s: %zu rejected, not %zu\n", r->id, hits, json_array_size(want));
    }
}

static void check_drift(struct run *r)
{
    json_t *v;
    size_t i;
    struct drift d;
    drift_init(&d, number(r->input, "p0"), DRIFT_UP);
    json_array_foreach(json_object_get(r->input, "x"), i, v)
    {
        if (json_integer_value(v))
            drift_event(&d);
        else
            drift_quiet(&d, 1);
        same(r, "path", (int)i, exp(drift_ln_m(&d)));
    }
}

static const struct {
    const char *function;
    void (*check)(struct run *r);
} checks[] = {
    {"evt_log_e", check_evt_log_e},
    {"evt_rr_bounds", check_evt_rr_bounds},
    {"dirichlet_multinomial_log_e", check_dirichlet_multinomial},
    {"chi2_p", check_chi2},
    {"e_bh", check_ebh},
    {"shiryaev_roberts_mixture", check_drift},
    {"z_test_props", check_z},
    {"welch_t_two_sided", check_welch},
    {"phase_standardised_difference", check_phases},
};

/* 1 passed, 0 failed, -1 skipped. */
static int run_case(json_t *c)
{
    const char *function = json_string_value(json_object_get(c, "function"));
    struct run r = {.input = json_object_get(c, "input"),
                    .expected = json_object_get(c, "expected"),
                    .id = json_string_value(json_object_get(c, "id")),
                    .rel_tol = number(c, "rel_tol"),
                    .abs_tol = number(c, "abs_tol")};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!function || strcmp(checks[i].function, function) != 0)
            continue;
        checks[i].check(&r);
        return r.wrong == 0;
    }
    printf("skipped %s: %s belongs to a later part of the product\n", r.id,
           function ? function : "no function");
    return -1;
}

int main(int argc, char **argv)
{
    char path[4096];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/vectors/statistics.json", srcdir ? srcdir : ".");
    const char *file = argc > 1 ? argv[1] : path;
    json_error_t e;
    json_t *doc = json_load_file(file, 0, &e), *c;
    if (!doc) {
        fprintf(stderr, "%s: %s (line %d)\n", file, e.text, e.line);
        return 2;
    }
    int passed = 0, failed = 0, skipped = 0;
    size_t i;
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        int verdict = run_case(c);
        *(verdict > 0 ? &passed : verdict == 0 ? &failed : &skipped) += 1;
    }
    json_decref(doc);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed > 0 || passed == 0;
}
