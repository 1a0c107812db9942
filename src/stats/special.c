#include "stats/special.h"

#include <float.h>
#include <math.h>

#define LN_SQRT_2PI 0.91893853320467274178
#define SQRT1_2 0.70710678118654752440
#define MAX_TERMS 100000

double normal_cdf(double z)
{
    return isnan(z) ? 0.5 : 0.5 * erfc(-z * SQRT1_2);
}

/* The quantile of a p <= 1/2, as a positive distance from 0. */
static double lower_quantile(double p)
{
    double t = sqrt(-2 * log(p));
    double z =
        t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 4; i++) {
        /* (Φ(-z) - p) / φ(z), with the density taken out of both so that tails do not underflow early */
        double density = exp(-0.5 * z * z - LN_SQRT_2PI);
        if (density <= 0)
            break;
        double step = (0.5 * erfc(z * SQRT1_2) - p) / density;
        z += step / (1 + 0.5 * z * step);
    }
    return z;
}

double normal_quantile(double p)
{
    if (isnan(p) || p == 0.5)
        return 0;
    if (p <= 0)
        return -INFINITY;
    if (p >= 1)
        return INFINITY;
    return p < 0.5 ? -lower_quantile(p) : lower_quantile(1 - p);
}

double ln_gamma(double x)
{
    if (!(x > 0))
        return INFINITY;
    int sign; /* lgamma() would write a global */
    return lgamma_r(x, &sign);
}

double stirling_rest(double x)
{
    if (!(x > 0))
        return INFINITY;
    if (x < 10)
        return ln_gamma(x) - ((x - 0.5) * log(x) - x + LN_SQRT_2PI);
    double i = 1 / x, j = i * i;
    return i *
           (1.0 / 12 -
            j * (1.0 / 360 - j * (1.0 / 1260 - j * (1.0 / 1680 - j * (1.0 / 1188 - j * (691.0 / 360360))))));
}

/* x^a e^-x / Γ(a) without overflow. */
static double gamma_front(double a, double x)
{
    return exp(a * log(x) - x - ln_gamma(a));
}

static double gamma_p_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int i = 1; i < MAX_TERMS && term > sum * DBL_EPSILON; i++) {
        term *= x / (a + i);
        sum += term;
    }
    return sum * gamma_front(a, x);
}

static double gamma_q_fraction(double a, double x)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int i = 1; i < MAX_TERMS; i++) {
        double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        d = fabs(d) < tiny ? 1 / tiny : 1 / d;
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON)
            break;
    }
    return h * gamma_front(a, x);
}

double gamma_q(double a, double x)
{
    if (!(a > 0) || !(x > 0))
        return 1;
    if (isinf(x))
        return 0;
    double q = x < a + 1 ? 1 - gamma_p_series(a, x) : gamma_q_fraction(a, x);
    return fmin(1, fmax(0, q));
}

double chi2_upper(double x, double df)
{
    return df > 0 && x > 0 ? gamma_q(df / 2, x / 2) : 1;
}

static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = fabs(d) < tiny ? 1 / tiny : 1 / d;
    double h = d;
    for (int m = 1; m < MAX_TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d;
        d = fabs(d) < tiny ? 1 / tiny : 1 / d;
        c = 1 + even / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        d = 1 + odd * d;
        d = fabs(d) < tiny ? 1 / tiny : 1 / d;
        c = 1 + odd / c;
        c = fabs(c) < tiny ? tiny : c;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON)
            break;
    }
    return h;
}

/* ln B(a, b), with the two large log-gammas subtracted analytically. */
static double ln_beta(double a, double b)
{
    double big = fmax(a, b), small = fmin(a, b), sum = a + b;
    if (big < 10)
        return ln_gamma(a) + ln_gamma(b) - ln_gamma(sum);
    /* ln Γ(big) - ln Γ(sum) by Stirling */
    double diff = -(big - 0.5) * log1p(small / big) - small * log(sum) + small + stirling_rest(big) -
                  stirling_rest(sum);
    return ln_gamma(small) + diff;
}

double beta_inc(double a, double b, double x, double y)
{
    if (!(a > 0) || !(b > 0) || !(x > 0))
        return 0;
    if (!(y > 0))
        return 1;
    double front = exp(a * log(x) + b * log(y) - ln_beta(a, b));
    if (x < (a + 1) / (a + b + 2))
        return fmin(1, front * beta_fraction(a, b, x) / a);
    return fmax(0, 1 - front * beta_fraction(b, a, y) / b);
}

double student_two_sided(double t, double df)
{
    if (!(df > 0) || isnan(t) || t == 0)
        return 1;
    if (isinf(t))
        return 0;
    double tt = t * t;
    if (df > 1e6)
        return erfc(fabs(t) * (1 - 0.25 / df) / sqrt(1 + tt / (2 * df)) * SQRT1_2);
    if (isinf(tt))
        return 0;
    /* 1 - I_y(1/2, df/2), by the side that keeps the digits of small answers */
    return beta_inc(df / 2, 0.5, df / (df + tt), tt / (df + tt));
}

double student_quantile_two_sided(double p, double df)
{
    if (!(df > 0) || !(p > 0))
        return INFINITY;
    if (p >= 1)
        return 0;
    double lo = 0, hi = 1;
    while (student_two_sided(hi, df) > p && hi < 1e300)
        hi *= 2;
    for (int i = 0; i < 200 && hi - lo > DBL_EPSILON * hi; i++) {
        double mid = 0.5 * (lo + hi);
        *(student_two_sided(mid, df) > p ? &lo : &hi) = mid;
    }
    return 0.5 * (lo + hi);
}
