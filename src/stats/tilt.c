#include "stats/tilt.h"

#include <math.h>

#define MOST_SCORE 1000.0

static const double eta[TILT_GRID] = {0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2};

/* ln(1 - q + q e^a); e^a itself could overflow. */
static long double ln_mix(long double q, long double a)
{
    if (a > 700)
        return a + logl(q + (1 - q) * expl(-a));
    return log1pl(q * expm1l(a));
}

/* n1 ln(θ/q) + n0 ln((1-θ)/(1-q)): θ/q is e^a and (1-θ)/(1-q) is 1, each over the mix. */
static long double gain(double q, long double a, int64_t n1, int64_t n0)
{
    long double mix = ln_mix(q, a);
    return (long double)n1 * (a - mix) - (long double)n0 * mix;
}

void tilt_add(struct tilt *t, double q, double score, int64_t treatment, int64_t control)
{
    int64_t n1 = treatment > 0 ? treatment : 0, n0 = control > 0 ? control : 0;
    if (!(q > 0 && q < 1) || !isfinite(score) || (n1 == 0 && n0 == 0))
        return;
    long double psi = fmax(-MOST_SCORE, fmin(MOST_SCORE, score));
    t->any = true;
    for (int i = 0; i < TILT_GRID; i++) {
        t->up[i] += gain(q, eta[i] * psi, n1, n0);
        t->down[i] += gain(q, -eta[i] * psi, n1, n0);
    }
}

void tilt_add_phase(struct tilt *t, const struct scores *scores, double q, const struct arm_sums *treatment,
                    const struct arm_sums *control)
{
    for (size_t i = 0; i < treatment->bucket_count; i++)
        tilt_add(t, q, score_of(scores, treatment->buckets[i].bucket), treatment->buckets[i].n, 0);
    for (size_t i = 0; i < control->bucket_count; i++)
        tilt_add(t, q, score_of(scores, control->buckets[i].bucket), 0, control->buckets[i].n);
}

double tilt_log_e(const struct tilt *t, enum tilt_harm harm)
{
    const long double *l = harm == TILT_UP ? t->up : t->down;
    long double top = l[0], sum = 0;
    if (!t->any)
        return 0;
    for (int i = 1; i < TILT_GRID; i++)
        top = fmaxl(top, l[i]);
    for (int i = 0; i < TILT_GRID; i++)
        sum += expl(l[i] - top);
    return (double)(top + logl(sum / TILT_GRID));
}
