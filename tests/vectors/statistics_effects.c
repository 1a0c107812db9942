/* Checks of estimates and their intervals, fixed-horizon and always-valid. */
#include <math.h>
#include <string.h>

#include "statistics.h"
#include "stats/across.h"
#include "stats/cuped.h"
#include "stats/fixed.h"
#include "stats/ratio.h"
#include "stats/srm.h"

void check_chi2(struct run *r)
{
    int64_t n[MAX_ITEMS] = {0};
    double w[MAX_ITEMS] = {0};
    size_t k = counts(r, json_object_get(r->input, "counts"), n);
    if (numbers(r, json_object_get(r->input, "weights"), w) != k)
        wrong(r, "counts and weights are not as many");
    same(r, "p", -1, srm_chi2(n, w, k, NULL));
}

void check_z(struct run *r)
{
    struct arm_sums t = plain_arm(r->input, "treatment"), c = plain_arm(r->input, "control");
    struct fixed_result f = z_test_props(&t, &c, number(r->input, "alpha"));
    same(r, "difference", -1, f.difference);
    same(r, "ci", 0, f.low);
    same(r, "ci", 1, f.high);
    same_if(r, "p_value", -1, f.p);
}

void check_welch(struct run *r)
{
    struct arm_sums t = plain_arm(r->input, "treatment"), c = plain_arm(r->input, "control");
    struct fixed_result f = welch_t(&t, &c, number(r->input, "alpha"));
    same(r, "estimate", -1, f.difference);
    same(r, "ci", 0, f.low);
    same(r, "ci", 1, f.high);
    same_if(r, "p_value", -1, f.p);
}

/* Arms without a sum of squares are proportions. */
static struct contrast contrast_of(struct run *r)
{
    struct arm_sums t = plain_arm(r->input, "treatment"), c = plain_arm(r->input, "control");
    int mean = json_object_get(json_object_get(r->input, "control"), "sum_squares") != NULL;
    return across_one(mean ? ACROSS_MEAN : ACROSS_PROPORTION, &t, &c);
}

static void compare_interval(struct run *r, const struct estimate *e, enum asympcs_side side)
{
    struct asympcs_rule rule = {number(r->input, "alpha"), number(r->input, "n_star"), side};
    struct asympcs a = asympcs_interval(e, &rule);
    same(r, "estimate", -1, a.estimate);
    same(r, "ci", 0, a.low);
    same(r, "ci", 1, a.high);
    same_if(r, "p_value", -1, a.p);
    same_if(r, "std_err", -1, a.std_error);
    same_if(r, "rho", -1, a.rho);
}

static int asks_relative(struct run *r)
{
    const char *effect = json_string_value(json_object_get(r->input, "effect"));
    return effect && strncmp(effect, "relative", 8) == 0;
}

static void check_side(struct run *r, enum asympcs_side side)
{
    struct contrast c = contrast_of(r);
    struct estimate e = asks_relative(r) ? contrast_relative(&c) : contrast_difference(&c);
    compare_interval(r, &e, side);
}

void check_asympcs(struct run *r)
{
    check_side(r, ASYMPCS_BOTH);
}

void check_asympcs_greater(struct run *r)
{
    check_side(r, ASYMPCS_GREATER);
}

void check_asympcs_lesser(struct run *r)
{
    check_side(r, ASYMPCS_LESSER);
}

void check_asympcs_relative(struct run *r)
{
    struct contrast c = contrast_of(r);
    struct estimate e = contrast_relative(&c);
    compare_interval(r, &e, ASYMPCS_BOTH);
}

static struct arm_sums ratio_arm(json_t *of, const char *name)
{
    json_t *a = json_object_get(of, name);
    return (struct arm_sums){.n = number(a, "n"),
                             .sum = number(a, "sum_m"),
                             .sum_sq = number(a, "sum_mm"),
                             .sum_d = number(a, "sum_d"),
                             .sum_dd = number(a, "sum_dd"),
                             .sum_yd = number(a, "sum_md")};
}

static void compare_ratio(struct run *r, const struct asympcs *a, const char *estimate, const char *se,
                          const char *ci)
{
    same_if(r, estimate, -1, a->estimate);
    same_if(r, se, -1, a->std_error);
    if (json_object_get(r->expected, ci)) {
        same(r, ci, 0, a->low);
        same(r, ci, 1, a->high);
    }
}

void check_ratio(struct run *r)
{
    struct arm_sums t = ratio_arm(r->input, "treatment"), c = ratio_arm(r->input, "control");
    struct asympcs_rule rule = {number(r->input, "alpha"), number(r->input, "n_star"), ASYMPCS_BOTH};
    struct contrast k = ratio_contrast(&t, &c);
    struct asympcs d = ratio_difference(&t, &c, 1, &rule), l = ratio_relative(&t, &c, 1, &rule);
    if (json_object_get(r->expected, "ratios")) {
        same(r, "ratios", 0, k.control);
        same(r, "ratios", 1, k.treatment);
    }
    if (json_object_get(r->expected, "unit_variances")) {
        same(r, "unit_variances", 0, ratio_unit_variance(&c));
        same(r, "unit_variances", 1, ratio_unit_variance(&t));
    }
    compare_ratio(r, &d, "estimate", "std_err", "av_ci");
    compare_ratio(r, &l, "rel_estimate", "rel_std_err", "rel_av_ci");
}

static struct arm_sums lin_arm(json_t *of, const char *name)
{
    json_t *a = json_object_get(of, name);
    return (struct arm_sums){.n = number(a, "n"),
                             .sum = number(a, "sum_y"),
                             .sum_sq = number(a, "sum_yy"),
                             .sum_x = number(a, "sum_x"),
                             .sum_xx = number(a, "sum_xx"),
                             .sum_xy = number(a, "sum_xy")};
}

void check_lin(struct run *r)
{
    struct arm_sums t = lin_arm(r->input, "treatment"), c = lin_arm(r->input, "control");
    struct cuped k = cuped_regress(&t, &c);
    struct estimate e = contrast_difference(&k.adjusted);
    same(r, "estimate", -1, e.value);
    same_if(r, "var_resid", -1, k.var_resid);
}

void check_phases(struct run *r)
{
    struct arm_sums t[MAX_ITEMS], c[MAX_ITEMS];
    json_t *p;
    size_t k = 0;
    json_array_foreach(json_object_get(r->input, "phases"), k, p)
    {
        if (k == MAX_ITEMS) {
            wrong(r, "more phases than this program takes");
            break;
        }
        t[k] = plain_arm(p, "treatment");
        c[k] = plain_arm(p, "control");
    }
    struct across a = across_phases(ACROSS_MEAN, t, c, k);
    struct estimate e = contrast_difference(&a.arms);
    same(r, "estimate", -1, e.value);
    same(r, "std_err", -1, sqrt(e.variance));
}
