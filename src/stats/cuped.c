#include "stats/cuped.h"

#include <math.h>

struct fit {
    double n, mean_y, mean_x, theta;
    double variance; /* s²_resid / n */
};

static bool sums_of_x(const struct arm_sums *a)
{
    return fabs(a->sum_x) <= 1e150 && fabs(a->sum_xx) <= 1e300 && fabs(a->sum_xy) <= 1e300;
}

static struct fit fit_arm(const struct arm_sums *a)
{
    struct fit f = {.n = a->n, .mean_y = a->sum / a->n, .mean_x = a->sum_x / a->n};
    double xx = centred_sum(a->n, a->sum_x, a->sum_x, a->sum_xx);
    double xy = centred_sum(a->n, a->sum_x, a->sum, a->sum_xy);
    double yy = fmax(0, centred_sum(a->n, a->sum, a->sum, a->sum_sq));
    if (!(xx > 0)) {
        f.variance = yy / (a->n - 1) / a->n;
        return f;
    }
    f.theta = xy / xx;
    double rest = yy - f.theta * xy;
    f.variance = rest > 1e-15 * yy ? rest / (a->n - 2) / a->n : 0;
    return f;
}

/* s_x² / N over both arms. */
static double mean_x_variance(const struct arm_sums *t, const struct arm_sums *c)
{
    double n = t->n + c->n, sum = t->sum_x + c->sum_x;
    return fmax(0, centred_sum(n, sum, sum, t->sum_xx + c->sum_xx)) / (n - 1) / n;
}

static struct cuped without(enum stat_missing missing)
{
    return (struct cuped){.adjusted = contrast_without(missing), .variance_ratio = 1};
}

struct cuped cuped_regress(const struct arm_sums *treatment, const struct arm_sums *control)
{
    if (!arm_usable(treatment, 3) || !arm_usable(control, 3))
        return without(treatment->n < 3 || control->n < 3 ? STAT_NO_UNITS : STAT_BAD_SUMS);
    if (!sums_of_x(treatment) || !sums_of_x(control))
        return without(STAT_BAD_SUMS);
    struct fit t = fit_arm(treatment), c = fit_arm(control);
    double mean_x = (treatment->sum_x + control->sum_x) / (t.n + c.n),
           vx = mean_x_variance(treatment, control);
    struct cuped r = {.theta_treatment = t.theta, .theta_control = c.theta};
    struct contrast *a = &r.adjusted;
    a->n = t.n + c.n;
    a->treatment = t.mean_y - t.theta * (t.mean_x - mean_x);
    a->control = c.mean_y - c.theta * (c.mean_x - mean_x);
    a->var_treatment = t.variance + t.theta * t.theta * vx;
    a->var_control = c.variance + c.theta * c.theta * vx;
    a->covariance = t.theta * c.theta * vx;
    if (!isfinite(a->treatment + a->control) || !isfinite(a->var_treatment + a->var_control) ||
        !isfinite(a->covariance))
        return without(STAT_BAD_SUMS);
    a->answered = true;
    r.var_resid = t.variance + c.variance;
    r.variance_plain = arm_mean_variance(treatment, false) + arm_mean_variance(control, false);
    double v = r.var_resid + (t.theta - c.theta) * (t.theta - c.theta) * vx;
    r.variance_ratio = r.variance_plain > 0 ? v / r.variance_plain : 1;
    return r;
}
