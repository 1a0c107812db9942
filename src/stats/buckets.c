#include "stats/buckets.h"

#include <math.h>

#define CLIPPED_SHARE 0.05

/* R20 of ISO 3, in hundredths. */
static const double r20[20] = {100, 112, 125, 140, 160, 180, 200, 224, 250, 280,
                               315, 355, 400, 450, 500, 560, 630, 710, 800, 900};

/* Powers of ten up to 1e22 are exact doubles. */
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9, 1e10,
                              1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20};

double bucket_edge(int i)
{
    int held = i < 0 ? 0 : i >= BUCKET_EDGES ? BUCKET_EDGES - 1 : i;
    return r20[held % 20] * tens[held / 20];
}

int bucket_of(double millionths)
{
    double size = fabs(millionths);
    if (!(size > 0))
        return 0;
    int lo = 0, hi = BUCKET_EDGES; /* the number of edges at or below size */
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (bucket_edge(mid) <= size)
            lo = mid + 1;
        else
            hi = mid;
    }
    return millionths > 0 ? lo + 1 : -(lo + 1);
}

static int size_of(int bucket)
{
    if (bucket <= -BUCKET_LAST || bucket >= BUCKET_LAST)
        return BUCKET_LAST;
    return bucket < 0 ? -bucket : bucket;
}

void bucket_range(int bucket, double *low, double *high)
{
    int k = size_of(bucket);
    double inner = k < 2 ? 0 : bucket_edge(k - 2), outer = k == 0 ? 0 : bucket_edge(k - 1);
    if (k == BUCKET_LAST)
        outer = INFINITY;
    *low = bucket < 0 ? -outer : inner;
    *high = bucket < 0 ? -inner : outer;
}

double bucket_middle(int bucket)
{
    int k = size_of(bucket);
    double m = 0;
    if (k == 1)
        m = bucket_edge(0) / 2;
    else if (k == BUCKET_LAST)
        m = bucket_edge(BUCKET_EDGES - 1);
    else if (k > 1)
        m = sqrt(bucket_edge(k - 2)) * sqrt(bucket_edge(k - 1));
    return bucket < 0 ? -m : m;
}

static double count_of(const struct bucket_count *b)
{
    return b->n > 0 ? (double)b->n : 0;
}

/* Nonzero units whose size is above that of `bucket`. */
static double above(const struct bucket_count *pooled, size_t n, int size)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += size_of(pooled[i].bucket) > size ? count_of(&pooled[i]) : 0;
    return sum;
}

/* The middle of the smallest size with no more than 5 % of the nonzero units above it. */
static double clip_of(const struct bucket_count *pooled, size_t n)
{
    double allowed = CLIPPED_SHARE * above(pooled, n, 0);
    int lo = 0, hi = BUCKET_LAST;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (above(pooled, n, mid) <= allowed)
            hi = mid;
        else
            lo = mid + 1;
    }
    return bucket_middle(lo);
}

static double clipped(int bucket, double clip)
{
    return fmax(-clip, fmin(clip, bucket_middle(bucket)));
}

bool scores_register(const struct bucket_count *pooled, size_t n, struct scores *out,
                     enum stat_missing *missing)
{
    double units = 0, mean = 0, spread = 0;
    *out = (struct scores){.clip = clip_of(pooled, n)};
    for (size_t i = 0; i < n; i++)
        units += count_of(&pooled[i]);
    *missing = STAT_NO_BUCKETS;
    if (units < SCORE_UNITS)
        return false;
    for (size_t i = 0; i < n; i++)
        mean += clipped(pooled[i].bucket, out->clip) * (count_of(&pooled[i]) / units);
    for (size_t i = 0; i < n; i++) {
        double d = clipped(pooled[i].bucket, out->clip) - mean;
        spread += d * d * (count_of(&pooled[i]) / units);
    }
    *missing = STAT_NO_VARIANCE;
    /* rounding of the mean alone leaves no more than this */
    if (!(sqrt(spread) > 1e-12 * out->clip))
        return false;
    *missing = STAT_COMPLETE;
    out->centre = mean;
    out->scale = sqrt(spread);
    return true;
}

double score_of(const struct scores *s, int bucket)
{
    if (!(s->scale > 0) || !isfinite(s->scale) || !isfinite(s->centre) || !(s->clip >= 0))
        return 0;
    return fmax(-SCORE_CAP, fmin(SCORE_CAP, (clipped(bucket, s->clip) - s->centre) / s->scale));
}
