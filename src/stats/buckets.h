/* Fixed buckets for values, and the scores of the histogram tilt.
 *
 * The edges are the preferred numbers R20 of ISO 3 (1, 1.12, 1.25, 1.4, 1.6 … 9, times powers of ten: twenty
 * a decade, each about 12 % above the last), from 0.0001 to 1e16 in the metric's unit. In millionths, as
 * values are stored, every edge is a whole number, so that C and SQL put a value into the same bucket on
 * every machine, and a quantile read off an edge is a number people know. Values are in millionths here: 0
 * the value 0 1                      (0, 100) k = 2 … BUCKET_LAST-1  [edge(k-2), edge(k-1)),   edge(i) =
 * R20[i % 20] * 10^(2 + i / 20) BUCKET_LAST            1e22 and more: an outcome of 1e15 and whatever sums
 * reach has its place -k                     the mirror image of k A larger number is a larger value. The
 * layout never changes; a new one would be a new version of the metric. */
#ifndef COHORT_STATS_BUCKETS_H
#define COHORT_STATS_BUCKETS_H

#include "stats/sums.h"

#define BUCKET_EDGES 401 /* 100 to 1e22 millionths */
#define BUCKET_LAST (BUCKET_EDGES + 1)

/* The i-th positive edge, 0 <= i < BUCKET_EDGES, exact; outside of it the nearest one. */
double bucket_edge(int i);

/* The bucket of a value; NaN is 0, infinities are in the last ones. */
int bucket_of(double millionths);

/* The values of a bucket lie between low and high; both 0 for bucket 0, infinite at the far ends. Numbers
 * beyond BUCKET_LAST count as that one. */
void bucket_range(int bucket, double *low, double *high);

/* A value that stands for the bucket: the geometric mean of its edges, the inner edge at the far ends. */
double bucket_middle(int bucket);

/* Scores ψ of the buckets: ψ_b = (clipped middle - centre) / scale, held within ±SCORE_CAP.
 *
 * The tilt is exact for any ψ that is fixed without looking at the arms, so ψ only decides what it is good
 * at. Linear in the value, it follows the mean, the thing that is guarded; amounts are clipped where only 5 %
 * of the nonzero ones are larger (winsorised: one huge order can't decide), centred so that a mere surplus of
 * units is no evidence, and in standard deviations so that the grid of η means the same for cents and for
 * hours. The cap keeps the score of rare amounts within reach of that grid: at η = 0.1 it bets on 1.8 times
 * as many. */
#define SCORE_CAP 6.0
#define SCORE_UNITS 100 /* fewer register nothing */
struct scores {
    double centre, scale, clip; /* millionths; clip is a size, for both signs */
};

/* Registers scores from a histogram of history, or of the first units of the experiment with both arms
 * pooled: given their values, their arms are still random, so units that helped to register may be counted.
 * Once registered they are frozen. False, with why: fewer than SCORE_UNITS units, or all in one bucket.
 * Counts below 0 are 0. */
bool scores_register(const struct bucket_count *pooled, size_t n, struct scores *out,
                     enum stat_missing *missing);

/* ψ of a bucket; 0 when the scores are none (scale not above 0, or not numbers). */
double score_of(const struct scores *s, int bucket);

#endif
