/* Runs worked numbers against src/stats: tests/vectors/statistics [FILE.json], by default statistics.json
 * beside its source. A line per failing case; a function that nobody knows is a failure. The last line is "N
 * passed, N failed". */
#include "statistics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *function;
    void (*check)(struct run *r);
} checks[] = {
    {"evt_log_e", check_evt_log_e},
    {"evt_rr_bounds", check_evt_rr_bounds},
    {"dirichlet_multinomial_log_e", check_dirichlet_multinomial},
    {"histogram_tilt_log_e", check_tilt},
    {"e_bh", check_ebh},
    {"shiryaev_roberts_mixture", check_drift},
    {"chi2_p", check_chi2},
    {"z_test_props", check_z},
    {"welch_t_two_sided", check_welch},
    {"asympcs_two_sided", check_asympcs},
    {"asympcs_two_sided_relative", check_asympcs_relative},
    {"asympcs_one_sided_greater", check_asympcs_greater},
    {"asympcs_one_sided_lesser", check_asympcs_lesser},
    {"delta_method_ratio", check_ratio},
    {"lin_interacted_regression", check_lin},
    {"phase_standardised_difference", check_phases},
    {"beta_posterior_prob_best (= Thompson propensities without floor)", check_beta_best},
    {"gaussian_prob_best_then_floor", check_gaussian_best},
    {"aipw_scores_and_sqrt_e_weighted_estimate", check_adaptive},
    {"event_mark_mixture_lr_cs", check_mixture},
    {"ips_snips", check_ips},
};

void wrong(struct run *r, const char *why)
{
    r->wrong++;
    printf("FAIL %s: %s\n", r->id, why);
}

/* A number, or "inf", "-inf". */
static int read_number(json_t *v, double *out)
{
    const char *text = json_string_value(v);
    *out = json_number_value(v);
    if (text && strcmp(text, "inf") == 0)
        *out = INFINITY;
    else if (text && strcmp(text, "-inf") == 0)
        *out = -INFINITY;
    else if (!json_is_number(v))
        return 0;
    return 1;
}

void same(struct run *r, const char *key, int item, double got)
{
    double want;
    json_t *v = json_object_get(r->expected, key);
    if (v && item >= 0)
        v = json_array_get(v, (size_t)item);
    r->compared++;
    if (read_number(v, &want) && (got == want || fabs(got - want) <= r->abs_tol + r->rel_tol * fabs(want)))
        return;
    r->wrong++;
    printf("FAIL %s: %s", r->id, key);
    if (item >= 0)
        printf("[%d]", item);
    if (!v)
        printf(" is %.17g, and was not expected\n", got);
    else
        printf(" is %.17g, not %.17g\n", got, want);
}

void same_if(struct run *r, const char *key, int item, double got)
{
    if (json_object_get(r->expected, key))
        same(r, key, item, got);
}

double number(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

size_t numbers(struct run *r, json_t *array, double *out)
{
    size_t n = json_array_size(array);
    if (n > MAX_ITEMS) {
        wrong(r, "more numbers than this program takes");
        n = MAX_ITEMS;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(array, i));
    return n;
}

size_t counts(struct run *r, json_t *array, int64_t *out)
{
    double values[MAX_ITEMS];
    size_t n = numbers(r, array, values);
    for (size_t i = 0; i < n; i++)
        out[i] = (int64_t)values[i];
    return n;
}

struct arm_sums plain_arm(json_t *of, const char *name)
{
    json_t *a = json_object_get(of, name);
    return (struct arm_sums){
        .n = number(a, "n"), .sum = number(a, "sum"), .sum_sq = number(a, "sum_squares")};
}

/* Nothing compared proves nothing. */
static int checked(struct run *r, void (*check)(struct run *))
{
    check(r);
    if (r->wrong == 0 && r->compared == 0)
        wrong(r, "the case expects nothing");
    return r->wrong == 0;
}

static int run_case(json_t *c)
{
    const char *function = json_string_value(json_object_get(c, "function"));
    const char *id = json_string_value(json_object_get(c, "id"));
    struct run r = {.input = json_object_get(c, "input"),
                    .expected = json_object_get(c, "expected"),
                    .id = id ? id : "a case without an id",
                    .rel_tol = number(c, "rel_tol"),
                    .abs_tol = number(c, "abs_tol")};
    for (size_t i = 0; function && i < sizeof checks / sizeof *checks; i++)
        if (strcmp(checks[i].function, function) == 0)
            return checked(&r, checks[i].check);
    printf("FAIL %s: unknown function %s\n", r.id, function ? function : "(none)");
    return 0;
}

static int run_all(json_t *cases)
{
    int passed = 0, failed = 0;
    size_t i;
    json_t *c;
    json_array_foreach(cases, i, c)
    {
        *(run_case(c) ? &passed : &failed) += 1;
    }
    if (passed + failed == 0)
        printf("no cases\n");
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

int main(int argc, char **argv)
{
    char path[4096];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/vectors/statistics.json", srcdir ? srcdir : ".");
    const char *file = argc > 1 ? argv[1] : path;
    json_error_t e;
    json_t *doc = json_load_file(file, JSON_REJECT_DUPLICATES, &e);
    if (!doc) {
        fprintf(stderr, "%s: %s (line %d)\n", file, e.text, e.line);
        return 2;
    }
    int failed = run_all(json_object_get(doc, "cases"));
    json_decref(doc);
    return failed;
}
