#include "stats/sums.h"

#include <float.h>
#include <math.h>

const char *stat_missing_words(enum stat_missing missing)
{
    switch (missing) {
    case STAT_COMPLETE:
        return "";
    case STAT_NO_UNITS:
        return "an arm has no units, or too few for a variance";
    case STAT_BAD_SUMS:
        return "the sums are not numbers that data can have";
    case STAT_NO_VARIANCE:
        return "every unit has the same value";
    case STAT_NO_DENOMINATOR:
        return "the denominator is 0 in an arm";
    case STAT_WEAK_DENOMINATOR:
        return "the denominator cannot be told from 0";
    case STAT_NO_BASE:
        return "the control's value is 0";
    case STAT_BAD_RULE:
        return "the level, the planned size or the quantile is out of range";
    case STAT_FEW_EVENTS:
        return "too few events in the smaller arm";
    case STAT_FEW_AMOUNTS:
        return "too few units with an amount in the smaller arm";
    case STAT_SKEWED:
        return "too few units for values as skew as these";
    case STAT_SKEW_UNKNOWN:
        return "the sum of cubes, which tells how skew the values are";
    case STAT_NO_BUCKETS:
        return "too few units in buckets";
    }
    return "";
}

bool arm_usable(const struct arm_sums *a, double needed)
{
    return a->n >= needed && a->n <= 1e150 && fabs(a->sum) <= 1e150 && fabs(a->sum_sq) <= 1e300;
}

double centred_sum(double n, double sum_u, double sum_v, double sum_uv)
{
    double product = sum_u * (sum_v / n), s = sum_uv - product;
    return fabs(s) <= 8 * DBL_EPSILON * (fabs(sum_uv) + fabs(product)) ? 0 : s;
}

double arm_mean_variance(const struct arm_sums *a, bool proportion)
{
    double mean = a->sum / a->n;
    double v = proportion ? mean * (1 - mean) : centred_sum(a->n, a->sum, a->sum, a->sum_sq) / (a->n - 1);
    return v > 0 ? v / a->n : 0;
}
