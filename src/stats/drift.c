#include "stats/drift.h"

#include <math.h>

#include "stats/special.h"

static const double grid[DRIFT_GRID] = {1.25, 1.5, 2, 3, 5};

static double ln_add(double a, double b)
{
    double top = fmax(a, b);
    return isinf(top) ? top : top + log1p(exp(fmin(a, b) - top));
}

/* ln M after one observation: ln(1 + M) + ln L. Held below what a double's exponent carries many times over,
 * so that M can come down again. */
static double next_ln_m(double ln_m, double ln_l)
{
    return fmin(1e300, fmax(-1e300, ln_add(0, ln_m) + ln_l));
}

static double ln_mean(const double *ln_m)
{
    double sum = -INFINITY;
    for (size_t i = 0; i < DRIFT_GRID; i++)
        sum = ln_add(sum, ln_m[i]);
    return sum - log(DRIFT_GRID);
}

static bool at_least(double ln_m, double run_length)
{
    return run_length >= 1 && ln_m >= log(run_length);
}

void drift_init(struct drift *d, double p0, enum drift_way way)
{
    d->answered = p0 >= 1e-300 && p0 <= 1 - 1e-12; /* beyond, the grid's rates round to 0 or 1 */
    d->p0 = d->answered ? p0 : 0;
    for (size_t i = 0; i < DRIFT_GRID; i++) {
        d->p1[i] = way == DRIFT_UP ? fmin(grid[i] * d->p0, 0.5 * (1 + d->p0)) : d->p0 / grid[i];
        d->ln_m[i] = -INFINITY;
    }
}

/* P(rate <= p | the counts) less the tail: beta_inc rises in p. */
static double limit(double a, double b, double tail)
{
    double lo = 0, hi = 1;
    for (int i = 0; i < 200 && hi - lo > 1e-15 * hi; i++) {
        double mid = 0.5 * (lo + hi);
        *(beta_inc(a, b, mid, 1 - mid) < tail ? &lo : &hi) = mid;
    }
    return 0.5 * (lo + hi);
}

double drift_base(int64_t events, int64_t units, enum drift_way way, double confidence,
                  enum drift_missing *missing)
{
    double k = (double)events, n = (double)units, c = confidence > 0 && confidence < 1 ? confidence : 0.95;
    *missing = units <= 0                  ? DRIFT_NO_DATA
               : events > units            ? DRIFT_BAD_BASE
               : events < DRIFT_MIN_EVENTS ? DRIFT_FEW_EVENTS
                                           : DRIFT_COMPLETE;
    if (*missing != DRIFT_COMPLETE)
        return 0;
    double p = way == DRIFT_DOWN ? limit(k, n - k + 1, 1 - c) : k < n ? limit(k + 1, n - k, c) : 1;
    if (p > 0 && p < 1)
        return p;
    *missing = DRIFT_BAD_BASE; /* everybody has the event: nothing can drift up */
    return 0;
}

/* M after n quiet units is L^n M + L (1 - L^n) / (1 - L), for L = (1 - p1) / (1 - p0). */
void drift_quiet(struct drift *d, int64_t n)
{
    if (!d->answered || n <= 0)
        return;
    for (size_t i = 0; i < DRIFT_GRID; i++) {
        double ln_l = log1p(-d->p1[i]) - log1p(-d->p0), ln_power = (double)n * ln_l;
        double ln_sum = log((double)n);
        if (ln_l != 0) /* the geometric sum, from the side on which nothing cancels */
            ln_sum = ln_l < 0 ? log(expm1(ln_power) / expm1(ln_l))
                              : ln_power - ln_l + log(expm1(-ln_power) / expm1(-ln_l));
        d->ln_m[i] = fmin(1e300, ln_add(d->ln_m[i] + ln_power, ln_l + ln_sum));
    }
}

void drift_event(struct drift *d)
{
    for (size_t i = 0; d->answered && i < DRIFT_GRID; i++)
        d->ln_m[i] = next_ln_m(d->ln_m[i], log(d->p1[i] / d->p0));
}

void drift_interval(struct drift *d, int64_t events, int64_t units)
{
    if (!d->answered || units <= 0)
        return;
    double n = (double)units, k = fmin(n, fmax(0, (double)events));
    for (size_t i = 0; i < DRIFT_GRID; i++) {
        double l = k * log(d->p1[i] / d->p0) + (n - k) * (log1p(-d->p1[i]) - log1p(-d->p0));
        d->ln_m[i] = next_ln_m(d->ln_m[i], l);
    }
}

double drift_ln_m(const struct drift *d)
{
    return ln_mean(d->ln_m);
}

bool drift_alarm(const struct drift *d, double run_length)
{
    return at_least(drift_ln_m(d), run_length);
}

static bool usable(const struct volume_interval *x)
{
    return x->volume >= 1e-15 && x->volume <= 1e15 && x->outcomes >= 0;
}

struct volume_base volume_calibrate(const struct volume_interval *intervals, size_t n)
{
    struct volume_base b = {.missing = DRIFT_NO_DATA};
    double outcomes = 0, volume = 0, over = 0, squares = 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        if (!usable(&intervals[i]))
            continue;
        outcomes += (double)intervals[i].outcomes;
        volume += intervals[i].volume;
        used++;
    }
    if (used <= 0)
        return b;
    b.missing = outcomes < DRIFT_MIN_EVENTS  ? DRIFT_FEW_EVENTS
                : used < DRIFT_MIN_INTERVALS ? DRIFT_FEW_INTERVALS
                                             : DRIFT_COMPLETE;
    if (b.missing != DRIFT_COMPLETE)
        return b;
    b.rate = outcomes / volume;
    for (size_t i = 0; i < n; i++) {
        if (!usable(&intervals[i]))
            continue;
        double m = b.rate * intervals[i].volume, d = (double)intervals[i].outcomes - m;
        over += d * d * used / (used - 1) - m;
        squares += m * m;
    }
    b.dispersion = fmax(0, over / squares);
    b.answered = true;
    return b;
}

void volume_init(struct volume_drift *d, const struct volume_base *base, enum drift_way way)
{
    d->base = *base;
    d->base.answered &=
        base->rate >= 1e-100 && base->rate <= 1e100 && base->dispersion >= 0 && base->dispersion <= 1e100;
    for (size_t i = 0; i < DRIFT_GRID; i++) {
        d->ratio[i] = way == DRIFT_UP ? grid[i] : 1 / grid[i];
        d->ln_m[i] = -INFINITY;
    }
}

/* ln of the negative binomial's part that depends on the mean m: k ln m - (k + 1/a) ln(1 + a m), which is
 * k ln m - m for a = 0. */
static double ln_volume(double k, double m, double a)
{
    double rest = a * m > 1e-9 ? log1p(a * m) / a : m;
    return k * (log(m) - log1p(a * m)) - rest;
}

void volume_observe(struct volume_drift *d, const struct volume_interval *x)
{
    if (!d->base.answered || !usable(x))
        return;
    double m = d->base.rate * x->volume, k = (double)x->outcomes, a = d->base.dispersion;
    for (size_t i = 0; i < DRIFT_GRID; i++)
        d->ln_m[i] = next_ln_m(d->ln_m[i], ln_volume(k, d->ratio[i] * m, a) - ln_volume(k, m, a));
}

double volume_ln_m(const struct volume_drift *d)
{
    return ln_mean(d->ln_m);
}

bool volume_alarm(const struct volume_drift *d, double run_length)
{
    return at_least(volume_ln_m(d), run_length);
}

double volume_ln_silence(const struct volume_base *base, double volume)
{
    if (!base->answered || !(volume > 0))
        return 0;
    double m = base->rate * volume, a = base->dispersion;
    return a * m > 1e-9 ? -log1p(a * m) / a : -m;
}
