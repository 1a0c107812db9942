#include "stats/fixed.h"

#include <math.h>

#include "stats/special.h"

static double level(double alpha)
{
    return alpha > 0 && alpha < 1 ? alpha : 0.05;
}

/* Enough units, and sums whose squares do not overflow. NaN is never usable. */
static bool usable(const struct arm_sums *a, double needed)
{
    return a->n >= needed && a->n <= 1e150 && fabs(a->sum) <= 1e150 && fabs(a->sum_sq) <= 1e300;
}

/* Variance of the arm's mean. */
static double mean_variance(const struct arm_sums *a, bool proportion)
{
    double mean = a->sum / a->n;
    double v = proportion ? mean * (1 - mean) : (a->sum_sq - a->sum * mean) / (a->n - 1);
    return v > 0 ? v / a->n : 0; /* rounding may leave a negative zero */
}

static struct fixed_result conclude(double difference, double variance, double df, double alpha)
{
    struct fixed_result r = {
        .answered = true, .difference = difference, .std_error = sqrt(variance), .df = df};
    double a = level(alpha);
    double quantile = isinf(df) ? -normal_quantile(a / 2) : student_quantile_two_sided(a, df);
    if (r.std_error > 0)
        r.statistic = difference / r.std_error;
    else
        r.statistic = difference == 0 ? 0 : copysign(INFINITY, difference);
    r.low = difference - quantile * r.std_error;
    r.high = difference + quantile * r.std_error;
    r.p = isinf(df) ? 2 * normal_cdf(-fabs(r.statistic)) : student_two_sided(r.statistic, df);
    return r;
}

struct fixed_result z_test_props(const struct arm_sums *treatment, const struct arm_sums *control,
                                 double alpha)
{
    if (!usable(treatment, 1) || !usable(control, 1))
        return (struct fixed_result){0};
    double d = treatment->sum / treatment->n - control->sum / control->n;
    return conclude(d, mean_variance(treatment, true) + mean_variance(control, true), INFINITY, alpha);
}

double z_pooled(const struct arm_sums *treatment, const struct arm_sums *control)
{
    if (!usable(treatment, 1) || !usable(control, 1))
        return 0;
    double p = (treatment->sum + control->sum) / (treatment->n + control->n);
    double v = p * (1 - p) * (1 / treatment->n + 1 / control->n);
    double d = treatment->sum / treatment->n - control->sum / control->n;
    return v > 0 ? d / sqrt(v) : 0;
}

struct fixed_result welch_t(const struct arm_sums *treatment, const struct arm_sums *control, double alpha)
{
    if (!usable(treatment, 2) || !usable(control, 2))
        return (struct fixed_result){0};
    double vt = mean_variance(treatment, false), vc = mean_variance(control, false), v = vt + vc;
    double df = treatment->n + control->n - 2;
    if (v > 0) { /* shares of the variance first: their squares can't overflow */
        double st = vt / v, sc = vc / v;
        df = 1 / (st * st / (treatment->n - 1) + sc * sc / (control->n - 1));
    }
    return conclude(treatment->sum / treatment->n - control->sum / control->n, v, df, alpha);
}

struct fixed_result phase_standardised(const struct arm_sums *treatment, const struct arm_sums *control,
                                       size_t phases, bool proportion, double alpha)
{
    double needed = proportion ? 1 : 2, n = 0, difference = 0, variance = 0;
    for (size_t k = 0; k < phases; k++)
        if (usable(&treatment[k], needed) && usable(&control[k], needed))
            n += treatment[k].n + control[k].n;
    if (n <= 0)
        return (struct fixed_result){0};
    for (size_t k = 0; k < phases; k++) {
        if (!usable(&treatment[k], needed) || !usable(&control[k], needed))
            continue;
        double w = (treatment[k].n + control[k].n) / n;
        difference += w * (treatment[k].sum / treatment[k].n - control[k].sum / control[k].n);
        variance +=
            w * w * (mean_variance(&treatment[k], proportion) + mean_variance(&control[k], proportion));
    }
    return conclude(difference, variance, INFINITY, alpha);
}
