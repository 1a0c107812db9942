#include "core/policy.h"

#include <float.h>
#include <string.h>

#include "core/draw.h"

/* Intermediate results of more than 64 bits (x87) or freely rearranged sums would differ between machines. */
_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be calculated as doubles: on i386 build with -msse2 "
                                     "-mfpmath=sse");
#ifdef __FAST_MATH__
#error "-ffast-math would make probabilities differ between builds"
#endif

#define FARTHEST 40.0

/* 2^k as its bits, for k within the range of exponents. */
static double power_of_two(int k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* e^z for -40 … 0: z = k ln 2 + r with |r| at most ln 2 / 2, and the series of e^r to r^13 (what is left out
 * is below 5e-18). ln 2 in two parts, the first with zeros at its end, so that k x the first is exact. */
static double exponential(double z)
{
    static const double ln2_high = 0x1.62e42fefap-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
    static const double inverse_ln2 = 0x1.71547652b82fep+0;
    int k = (int)(z * inverse_ln2 - 0.5);
    double r = (z - (double)k * ln2_high) - (double)k * ln2_low;
    double sum = 1;
    for (int i = 13; i >= 1; i--)
        sum = 1 + r * sum / (double)i;
    return sum * power_of_two(k);
}

double policy_logistic(double z)
{
    double size = z < 0 ? -z : z;
    double e = exponential(size > FARTHEST ? -FARTHEST : -size);
    return z < 0 ? e / (1 + e) : 1 / (1 + e);
}

double policy_dot(const double *w, const double *x, size_t n)
{
    double s[4] = {0, 0, 0, 0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++)
            s[k] += w[i + k] * x[i + k];
    for (size_t k = 0; i + k < n; k++)
        s[k] += w[i + k] * x[i + k];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

size_t policy_probabilities(const double *scores, size_t n, double gamma, uint32_t floor_ppm, uint32_t *ppm,
                            double *confidence)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    const double above_floor = (double)(SLOTS - (uint32_t)n * floor_ppm);
    double others = 0;
    uint32_t others_ppm = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == best)
            continue;
        double p = 1 / ((double)n + gamma * (scores[best] - scores[i]));
        ppm[i] = floor_ppm + (uint32_t)(above_floor * p);
        others += p;
        others_ppm += ppm[i];
    }
    ppm[best] = SLOTS - others_ppm;
    if (confidence)
        *confidence = 1 - others;
    return best;
}

size_t policy_pick(const uint32_t *ppm, size_t n, uint32_t slot)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        sum += ppm[i];
        if (slot < sum)
            return i;
    }
    return n - 1;
}
