#include "stats/multiplicity.h"

#include <math.h>

double ebonferroni_threshold(double alpha, double weight)
{
    bool sane = alpha > 0 && alpha < 1 && weight > 0 && weight <= 1 + 1e-9;
    return sane ? -log(alpha) - log(weight) : INFINITY;
}

size_t ebonferroni_normalise(double *weight, size_t n)
{
    double top = 0, sum = 0;
    size_t positive = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(weight[i] > 0) || isinf(weight[i]))
            weight[i] = 0;
        positive += weight[i] > 0;
        top = fmax(top, weight[i]);
    }
    for (size_t i = 0; i < n; i++) /* by the largest first: the sum of large ones would overflow */
        sum += top > 0 ? weight[i] / top : 0;
    for (size_t i = 0; i < n; i++)
        weight[i] = top > 0 ? weight[i] / top / sum : 0;
    return positive;
}

/* How many reach n / (k alpha). */
static size_t reaching(const double *ln_e, size_t n, double threshold, bool *rejected)
{
    size_t hits = 0;
    for (size_t i = 0; i < n; i++) {
        rejected[i] = ln_e[i] >= threshold; /* false for NaN */
        hits += rejected[i];
    }
    return hits;
}

/* c(k), the number reaching n / (k alpha), grows with k, so going from k to c(k) whenever c(k) < k never
 * passes the largest k with c(k) >= k. */
size_t ebh(const double *ln_e, size_t n, double alpha, bool *rejected)
{
    bool sane = alpha > 0 && alpha < 1;
    size_t k = sane ? n : 0;
    while (k > 0) {
        size_t hits = reaching(ln_e, n, log((double)n) - log((double)k) - log(alpha), rejected);
        if (hits >= k)
            return hits;
        k = hits;
    }
    for (size_t i = 0; i < n; i++)
        rejected[i] = false;
    return 0;
}
