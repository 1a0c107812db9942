#include "stats/contrast.h"

#include <math.h>

struct contrast contrast_without(enum stat_missing missing)
{
    return (struct contrast){.missing = missing};
}

struct estimate estimate_without(enum stat_missing missing)
{
    return (struct estimate){.missing = missing};
}

static struct estimate estimate_of(double value, double variance, double n)
{
    if (!isfinite(value) || !isfinite(variance))
        return estimate_without(STAT_BAD_SUMS);
    return (struct estimate){.answered = true, .value = value, .variance = fmax(0, variance), .n = n};
}

struct estimate contrast_difference(const struct contrast *c)
{
    if (!c->answered)
        return estimate_without(c->missing);
    return estimate_of(c->treatment - c->control, c->var_treatment + c->var_control - 2 * c->covariance,
                       c->n);
}

struct estimate contrast_relative(const struct contrast *c)
{
    if (!c->answered)
        return estimate_without(c->missing);
    if (c->control == 0)
        return estimate_without(STAT_NO_BASE);
    double r = c->treatment / c->control;
    double v = c->var_treatment - 2 * r * c->covariance + r * r * c->var_control;
    return estimate_of((c->treatment - c->control) / fabs(c->control), v / c->control / c->control, c->n);
}

double contrast_strength(const struct contrast *c)
{
    return c->var_control > 0 ? fabs(c->control) / sqrt(c->var_control) : INFINITY;
}

/* λ² a - 2 λ b + k <= 0 with the coefficients below; bounded when a > 0, and then the estimate itself is
 * inside, so that the discriminant is not negative. */
bool contrast_fieller(const struct contrast *c, double m, double *low, double *high)
{
    *low = -INFINITY;
    *high = INFINITY;
    if (!c->answered || !(m >= 0) || isinf(m))
        return false;
    double a = c->control * c->control - m * m * c->var_control;
    double b = c->treatment * c->control - m * m * c->covariance;
    double k = c->treatment * c->treatment - m * m * c->var_treatment;
    if (!(a > 0))
        return false;
    double root = sqrt(fmax(0, b * b - a * k)), l = (b - root) / a, h = (b + root) / a;
    if (!isfinite(l) || !isfinite(h))
        return false;
    *low = l;
    *high = h;
    return true;
}
