/* What is stored of one arm of one phase, and the shape of every answer. Each method reads the fields it
 * needs of the same struct, so that a caller fills it once from a row of counts.
 *
 * Every method answers for every input: finite numbers with `answered`, or answered = false and what is
 * missing. Never NaN. */
#ifndef COHORT_STATS_SUMS_H
#define COHORT_STATS_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bucket (buckets.h) and how many units are in it. */
struct bucket_count {
    int bucket;
    int64_t n;
};

/* Sums over the units of an arm in a phase, in any unit of measure, the same for all. y is the unit's value;
 * for a proportion 1 when it had the event (only n and sum are read); for a ratio the numerator. What no
 * method that is used reads may stay 0. */
struct arm_sums {
    double n;                           /* units */
    double sum, sum_sq;                 /* Σy, Σy² */
    double sum_cube;                    /* Σy³, for the gate of means; read with has_cube */
    double amounts;                     /* units with y != 0, for the gate of means */
    double sum_x, sum_xx, sum_xy;       /* CUPED: the covariate, measured before the first exposure */
    double sum_d, sum_dd, sum_yd;       /* ratio: the denominator */
    const struct bucket_count *buckets; /* quantiles, histogram tilt; rising in bucket; borrowed */
    size_t bucket_count;
    bool has_cube;
};

enum stat_missing {
    STAT_COMPLETE,
    STAT_NO_UNITS,         /* an arm has fewer units than its variance needs, in every phase */
    STAT_BAD_SUMS,         /* NaN, infinite, beyond 1e150, or no sums that data can have */
    STAT_NO_VARIANCE,      /* every unit has the same value */
    STAT_NO_DENOMINATOR,   /* the denominator of a ratio is 0 in an arm */
    STAT_WEAK_DENOMINATOR, /* a denominator that can't be told from 0: every value remains possible */
    STAT_NO_BASE,          /* control's value is 0: nothing to be relative to */
    STAT_BAD_RULE,         /* alpha, n*, or the quantile makes no sense */
    STAT_FEW_EVENTS,       /* gate: events */
    STAT_FEW_AMOUNTS,      /* gate: units with an amount */
    STAT_SKEWED,           /* gate: units, for values as skew as these */
    STAT_SKEW_UNKNOWN,     /* gate: Σy³ is not stored */
    STAT_NO_BUCKETS        /* no unit has a bucket, or too few to register scores */
};

/* A phrase for people, such as "an arm has no units"; "" for STAT_COMPLETE. */
const char *stat_missing_words(enum stat_missing missing);

/* At least `needed` units, and Σy, Σy² whose squares do not overflow. NaN is never usable. */
bool arm_usable(const struct arm_sums *a, double needed);

/* Σ(u - ū)(v - v̄) from Σu, Σv, Σuv over n units; 0 where nothing but rounding is left of Σuv. */
double centred_sum(double n, double sum_u, double sum_v, double sum_uv);

/* Variance of the arm's mean: p(1-p)/n of a proportion, s²/n with divisor n - 1 of a mean. Never negative. */
double arm_mean_variance(const struct arm_sums *a, bool proportion);

#endif
