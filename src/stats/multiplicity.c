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

/* c(k), the number reaching n / (k alpha), grows with k, so going from k to c(k) whenever c(k) < k never
 * passes the largest k with c(k) >= k. */
double ebh_threshold(double (*ln_e)(const void *list, size_t i), const void *list, size_t n, double alpha)
{
    bool sane = alpha > 0 && alpha < 1;
    for (size_t k = sane ? n : 0; k > 0;) {
        double threshold = log((double)n) - log((double)k) - log(alpha);
        size_t hits = 0;
        for (size_t i = 0; i < n; i++)
            hits += ln_e(list, i) >= threshold; /* false for NaN */
        if (hits >= k)
            return threshold;
        k = hits;
    }
    return INFINITY;
}

static double plain(const void *list, size_t i)
{
    return ((const double *)list)[i];
}

size_t ebh(const double *ln_e, size_t n, double alpha, bool *rejected)
{
    double threshold = ebh_threshold(plain, ln_e, n, alpha);
    size_t hits = 0;
    for (size_t i = 0; i < n; i++) {
        rejected[i] = !isinf(threshold) && ln_e[i] >= threshold;
        hits += rejected[i];
    }
    return hits;
}
