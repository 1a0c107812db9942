#include "looks.h"

#include <math.h>

#include "stats/asympcs.h"

static double ln_best_ratio(const struct evt_phase *p, size_t n, enum evt_harm harm)
{
    double r, sum = 0;
    if (n == 1)
        r = p->control ? (double)p->treatment / (double)p->control * (1 - p->q) / p->q : INFINITY;
    else
        r = evt_rr_mle(p, n);
    if (harm == EVT_UP ? r <= 1 : r >= 1)
        return 0;
    for (size_t i = 0; i < n; i++) {
        double theta = isinf(r) ? 1 : p[i].q * r / (p[i].q * r + 1 - p[i].q);
        if (p[i].treatment > 0)
            sum += (double)p[i].treatment * log(theta / p[i].q);
        if (p[i].control > 0)
            sum += (double)p[i].control * log((1 - theta) / (1 - p[i].q));
    }
    return sum;
}

bool evt_stops(const struct evt_phase *p, size_t n, enum evt_harm harm, double threshold)
{
    return ln_best_ratio(p, n, harm) >= threshold && evt_log_e(p, n, 1, harm) >= threshold;
}

bool normal_mixture_reached(double estimate, double variance, double n, double planned, double threshold)
{
    struct estimate e = {.answered = true, .value = estimate, .variance = variance, .n = n};
    struct asympcs_rule rule = {exp(-threshold), planned, ASYMPCS_GREATER};
    return variance > 0 && asympcs_interval(&e, &rule).ln_e >= threshold;
}

bool normal_mixture_stops(const double n[2], const double hits[2], double planned, double threshold)
{
    if (n[0] <= 0 || n[1] <= 0)
        return false;
    double p0 = hits[0] / n[0], p1 = hits[1] / n[1];
    double variance = p0 * (1 - p0) / n[0] + p1 * (1 - p1) / n[1];
    return normal_mixture_reached(p1 - p0, variance, n[0] + n[1], planned, threshold);
}
