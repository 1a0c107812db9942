#include "stats/power.h"

#include <math.h>
#include <stdbool.h>

#include "stats/special.h"

#define MOST_PHASES 64  /* of a plan of this many the first are taken: more only adds power */
#define HALVINGS 16     /* ln of the ratio to 1e-4: finer than the normal approximation is */
#define FARTHEST_LN 7.0 /* a ratio of 1,100: what that does not reach has no power */

struct question {
    const struct evt_phase *phases;
    size_t n;
    double r0, ln_threshold;
    enum evt_harm harm;
};

static double theta(double q, double ln_ratio)
{
    double odds = q / (1 - q) * exp(ln_ratio);
    return isinf(odds) ? 1 : odds / (1 + odds);
}

/* Events of both arms; negative ones are 0, and the sum is held where every count fits. */
static int64_t events_of(const struct evt_phase *p)
{
    int64_t t = p->treatment > 0 ? p->treatment : 0, c = p->control > 0 ? p->control : 0;
    const int64_t most = INT64_C(1) << 62;
    return t > most - (c < most ? c : most) ? most : t + c;
}

static bool comparable(const struct evt_phase *p)
{
    return p->q > 0 && p->q < 1 && events_of(p) > 0;
}

/* Do the counts that the risk ratio e^ln_ratio would give reach the threshold? */
static bool reached_at(const struct question *k, double ln_ratio)
{
    struct evt_phase expected[MOST_PHASES];
    for (size_t i = 0; i < k->n; i++) {
        const struct evt_phase *p = &k->phases[i];
        int64_t all = events_of(p);
        expected[i] = *p;
        if (!comparable(p))
            continue;
        expected[i].treatment = llround((double)all * theta(p->q, ln_ratio));
        expected[i].control = all - expected[i].treatment;
    }
    return evt_log_e(expected, k->n, k->r0, k->harm) >= k->ln_threshold;
}

/* The distance from the margin, in ln of the ratio and in the direction of harm, at which the threshold is
 * reached. */
static double distance_needed(const struct question *k)
{
    double sign = k->harm == EVT_UP ? 1 : -1, lo = 0, hi = FARTHEST_LN;
    if (!reached_at(k, log(k->r0) + sign * hi))
        return INFINITY;
    for (int i = 0; i < HALVINGS; i++) {
        double mid = 0.5 * (lo + hi);
        *(reached_at(k, log(k->r0) + sign * mid) ? &hi : &lo) = mid;
    }
    return hi;
}

double evt_power(const struct evt_phase *phases, size_t n, double r0, enum evt_harm harm, double ln_threshold,
                 double ratio)
{
    struct question k = {phases, n < MOST_PHASES ? n : MOST_PHASES, r0, ln_threshold, harm};
    double information = 0;
    if (!(r0 > 0) || !isfinite(r0) || !(ratio > 0) || !isfinite(ratio) || !isfinite(ln_threshold))
        return 0;
    for (size_t i = 0; i < k.n; i++) {
        double t = comparable(&phases[i]) ? theta(phases[i].q, log(ratio)) : 0;
        information += (double)events_of(&phases[i]) * t * (1 - t);
    }
    double sign = harm == EVT_UP ? 1 : -1, needed = distance_needed(&k);
    if (!isfinite(needed) || information <= 0)
        return 0;
    return normal_cdf((sign * (log(ratio) - log(r0)) - needed) * sqrt(information));
}
