#include "stats/asympcs.h"

#include <math.h>

#include "stats/special.h"

#define LN_2 0.69314718055994530942

static bool one_sided(const struct asympcs_rule *rule)
{
    return rule->side != ASYMPCS_BOTH;
}

double asympcs_rho(const struct asympcs_rule *rule)
{
    double a = one_sided(rule) ? 2 * rule->alpha : rule->alpha;
    if (!(a > 0 && a < 1) || !(rule->n_star > 0) || isinf(rule->n_star))
        return 0;
    double y = -2 * log(a);
    return sqrt((y + log1p(y)) / rule->n_star);
}

double asympcs_h(double z, double x)
{
    if (!(x > 0) || isnan(z))
        return 0;
    double grown = isinf(x) ? 1 : x / (1 + x);
    return fmax(-1e300, fmin(1e300, -0.5 * log1p(x) + 0.5 * z * z * grown));
}

double asympcs_multiplier(const struct asympcs_rule *rule, double n)
{
    double rho = asympcs_rho(rule), x = n * rho * rho;
    if (!(x > 0) || isinf(x))
        return INFINITY;
    double ln_root = 0.5 * log1p(x);
    double l = one_sided(rule) ? log1p(exp(ln_root) / (2 * rule->alpha)) : ln_root - log(rule->alpha);
    return sqrt(2 * (x + 1) / x * l);
}

/* ln Φ(w): by the first terms of its asymptotic series where erfc underflows. */
static double ln_normal_cdf(double w)
{
    if (w > -30)
        return log(normal_cdf(w));
    return -0.5 * w * w - 0.5 * log(2 * 3.14159265358979323846) - log(-w) - 1 / (w * w);
}

/* p and ln E of z standard errors in the direction that is asked about. */
static void weigh(struct asympcs *a, double z, double x, const struct asympcs_rule *rule)
{
    double h = asympcs_h(z, x);
    a->ln_e = h;
    if (!one_sided(rule)) {
        a->p = fmin(1, exp(-h));
        return;
    }
    double turned = rule->side == ASYMPCS_GREATER ? z : -z, w = turned * sqrt(x / (1 + x));
    a->ln_e = fmax(-1e300, LN_2 + h + ln_normal_cdf(w));
    /* the α at which the one-sided half-width is |z| */
    if (turned > 0) {
        double half = 0.5 * w * w;
        double ln_p = 0.5 * log1p(x) - LN_2 - (half > 700 ? half : log(expm1(half)));
        a->p = fmin(1, exp(ln_p));
    }
}

struct asympcs asympcs_without(enum stat_missing missing, const struct estimate *e)
{
    struct asympcs a = {.missing = missing, .low = -INFINITY, .high = INFINITY, .p = 1};
    if (e && e->answered) {
        a.estimate = e->value;
        a.std_error = sqrt(e->variance);
        a.n = e->n;
    }
    return a;
}

static void open_side(struct asympcs *a, enum asympcs_side side)
{
    if (side == ASYMPCS_GREATER)
        a->high = INFINITY;
    if (side == ASYMPCS_LESSER)
        a->low = -INFINITY;
}

struct asympcs asympcs_interval(const struct estimate *e, const struct asympcs_rule *rule)
{
    double rho = asympcs_rho(rule);
    if (!e->answered)
        return asympcs_without(e->missing, NULL);
    struct asympcs a = asympcs_without(STAT_COMPLETE, e);
    double m = asympcs_multiplier(rule, e->n);
    a.rho = rho;
    if (!(rho > 0) || isinf(m))
        a.missing = STAT_BAD_RULE;
    else if (!(a.std_error > 0))
        a.missing = STAT_NO_VARIANCE;
    else if (!isfinite(a.estimate) || !isfinite(m * a.std_error))
        a.missing = STAT_BAD_SUMS;
    if (a.missing != STAT_COMPLETE)
        return a;
    a.answered = true;
    a.low = a.estimate - m * a.std_error;
    a.high = a.estimate + m * a.std_error;
    open_side(&a, rule->side);
    weigh(&a, a.estimate / a.std_error, e->n * rho * rho, rule);
    return a;
}

static struct asympcs relative_by_fieller(const struct contrast *c, const struct estimate *lift,
                                          const struct asympcs_rule *rule)
{
    struct estimate d = contrast_difference(c);
    struct asympcs a = asympcs_interval(&d, rule);
    double low, high;
    if (!a.answered)
        return asympcs_without(a.missing, lift);
    a.fieller = true;
    a.estimate = lift->value;
    a.std_error = sqrt(lift->variance);
    if (!contrast_fieller(c, asympcs_multiplier(rule, c->n), &low, &high))
        return asympcs_without(STAT_WEAK_DENOMINATOR, lift);
    /* treatment / control - 1, turned where the control is negative: the lift is relative to its size */
    a.low = c->control > 0 ? low - 1 : 1 - high;
    a.high = c->control > 0 ? high - 1 : 1 - low;
    open_side(&a, rule->side);
    return a;
}

struct asympcs asympcs_relative(const struct contrast *c, const struct asympcs_rule *rule)
{
    struct estimate lift = contrast_relative(c);
    if (lift.answered && contrast_strength(c) < DELTA_NEEDS)
        return relative_by_fieller(c, &lift, rule);
    return asympcs_interval(&lift, rule);
}
