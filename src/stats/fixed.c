#include "stats/fixed.h"

#include <math.h>

#include "stats/special.h"

static double level(double alpha)
{
    return alpha > 0 && alpha < 1 ? alpha : 0.05;
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
    if (!arm_usable(treatment, 1) || !arm_usable(control, 1))
        return (struct fixed_result){0};
    double d = treatment->sum / treatment->n - control->sum / control->n;
    return conclude(d, arm_mean_variance(treatment, true) + arm_mean_variance(control, true), INFINITY,
                    alpha);
}

double z_pooled(const struct arm_sums *treatment, const struct arm_sums *control)
{
    if (!arm_usable(treatment, 1) || !arm_usable(control, 1))
        return 0;
    double p = (treatment->sum + control->sum) / (treatment->n + control->n);
    double v = p * (1 - p) * (1 / treatment->n + 1 / control->n);
    double d = treatment->sum / treatment->n - control->sum / control->n;
    return v > 0 ? d / sqrt(v) : 0;
}

struct fixed_result welch_t(const struct arm_sums *treatment, const struct arm_sums *control, double alpha)
{
    if (!arm_usable(treatment, 2) || !arm_usable(control, 2))
        return (struct fixed_result){0};
    double vt = arm_mean_variance(treatment, false), vc = arm_mean_variance(control, false), v = vt + vc;
    double df = treatment->n + control->n - 2;
    if (v > 0) { /* shares of the variance first: their squares can't overflow */
        double st = vt / v, sc = vc / v;
        df = 1 / (st * st / (treatment->n - 1) + sc * sc / (control->n - 1));
    }
    return conclude(treatment->sum / treatment->n - control->sum / control->n, v, df, alpha);
}

struct fixed_result fixed_normal(double difference, double variance, double alpha)
{
    if (!isfinite(difference) || !isfinite(variance) || variance < 0)
        return (struct fixed_result){0};
    return conclude(difference, variance, INFINITY, alpha);
}
