#include "stats/quantile.h"

#include <math.h>

#include "stats/srm.h"

/* Everything one arm's interval is found from. */
struct view {
    const struct arm_sums *arms;
    const double *weights; /* of the phases that count; NULL entries are not used */
    size_t phases;
    double p, c, ln_threshold;
    size_t used; /* phases with units */
    double weight;
};

static int64_t count_of(const struct bucket_count *b)
{
    return b->n > 0 ? b->n : 0;
}

static int64_t plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* Units in buckets up to and with `bucket`. */
static int64_t up_to(const struct arm_sums *a, int bucket)
{
    int64_t n = 0;
    for (size_t i = 0; i < a->bucket_count; i++)
        if (a->buckets[i].bucket <= bucket)
            n = plus(n, count_of(&a->buckets[i]));
    return n;
}

static int64_t units_of(const struct arm_sums *a)
{
    return up_to(a, BUCKET_LAST);
}

double quantile_log_e(int64_t below, int64_t n, double p, double c)
{
    int64_t s = below < 0 ? 0 : below > n ? n : below;
    if (n <= 0 || !(p > 0 && p < 1) || !(c > 0))
        return 0;
    return srm_log_e_at((const int64_t[]){s, n - s}, (const double[]){p, 1 - p}, 2, c);
}

/* The end of { p : ln M < threshold } away from S/n, towards `end` (0 or 1). M rises as p leaves S/n. */
static double bound_of_f(int64_t s, int64_t n, const struct view *v, double end)
{
    double near = (double)s / (double)n, far = end;
    for (int i = 0; i < 60 && fabs(far - near) > 1e-12; i++) {
        double mid = 0.5 * (near + far);
        *(quantile_log_e(s, n, mid, v->c) < v->ln_threshold ? &near : &far) = mid;
    }
    return far;
}

static bool counts(const struct view *v, size_t k)
{
    return v->weights[k] > 0 && isfinite(v->weights[k]) && units_of(&v->arms[k]) > 0;
}

static double share_below(const struct view *v, int bucket)
{
    double f = 0;
    for (size_t k = 0; k < v->phases; k++)
        if (counts(v, k))
            f += v->weights[k] / v->weight *
                 ((double)up_to(&v->arms[k], bucket) / (double)units_of(&v->arms[k]));
    return f;
}

/* Is it established that F at the upper edge of `bucket` lies below p (end 1), above it (end 0)? */
static bool established(const struct view *v, int bucket, double end)
{
    double f = 0;
    for (size_t k = 0; k < v->phases; k++) {
        if (!counts(v, k))
            continue;
        int64_t n = units_of(&v->arms[k]), s = up_to(&v->arms[k], bucket);
        if (v->used == 1) {
            bool side = end > 0.5 ? (double)s < v->p * (double)n : (double)s > v->p * (double)n;
            return side && quantile_log_e(s, n, v->p, v->c) >= v->ln_threshold;
        }
        f += v->weights[k] / v->weight * bound_of_f(s, n, v, end);
    }
    return end > 0.5 ? f < v->p : f > v->p;
}

static bool share_reached(const struct view *v, int bucket, double unused)
{
    (void)unused;
    return share_below(v, bucket) >= v->p * (1 - 1e-12);
}

static bool not_below(const struct view *v, int bucket, double end)
{
    return !established(v, bucket, end);
}

/* The first bucket in -BUCKET_LAST … BUCKET_LAST at which a condition that stays true is true. */
static int first_bucket(const struct view *v, bool (*holds)(const struct view *, int, double), double end)
{
    int lo = -BUCKET_LAST, hi = BUCKET_LAST;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2; /* towards lo: never hi */
        if (holds(v, mid, end))
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* Within the bucket that holds the quantile: by its share of the units, geometrically where the edges allow.
 */
static double estimate_in(const struct view *v, int bucket)
{
    double low, high, before = share_below(v, bucket - 1), here = share_below(v, bucket) - before;
    bucket_range(bucket, &low, &high);
    if (low == high || isinf(low) || isinf(high) || !(here > 0))
        return bucket_middle(bucket);
    double part = fmax(0, fmin(1, (v->p - before) / here));
    if (low == 0 || high == 0)
        return low + part * (high - low);
    return low * pow(high / low, part);
}

static struct quantile without(enum stat_missing missing)
{
    return (struct quantile){.missing = missing, .low = -INFINITY, .high = INFINITY};
}

/* c, 0 for a rule that makes no sense. */
static double concentration(const struct quantile_rule *rule)
{
    struct asympcs_rule r = {rule->alpha, rule->n_star, ASYMPCS_BOTH};
    double rho = asympcs_rho(&r);
    return rho > 0 && rule->p > 0 && rule->p < 1 ? 1 / (rho * rho) : 0;
}

struct quantile quantile_arm(const struct arm_sums *arm, const double *weights, size_t phases,
                             const struct quantile_rule *rule)
{
    struct view v = {.arms = arm, .weights = weights, .phases = phases, .p = rule->p};
    struct quantile q = {.answered = true};
    double unused;
    v.c = concentration(rule);
    if (!(v.c > 0) || isinf(v.c))
        return without(STAT_BAD_RULE);
    for (size_t k = 0; k < phases; k++) {
        if (!counts(&v, k))
            continue;
        v.used++;
        v.weight += weights[k];
        q.n += (double)units_of(&arm[k]);
    }
    if (v.used == 0 || !isfinite(v.weight))
        return without(STAT_NO_BUCKETS);
    v.ln_threshold = -log(rule->alpha);
    if (v.used > 1)
        v.ln_threshold += log((double)v.used * (2 * BUCKET_LAST + 1));
    q.estimate = estimate_in(&v, first_bucket(&v, share_reached, 0));
    bucket_range(first_bucket(&v, not_below, 1), &q.low, &unused);
    bucket_range(first_bucket(&v, established, 0), &unused, &q.high);
    return q;
}

#define MOST_PHASES 256 /* more than this are left out: the oldest are kept */

struct quantile quantile_difference(const struct arm_sums *treatment, const struct arm_sums *control,
                                    size_t phases, const struct quantile_rule *rule)
{
    double weights[MOST_PHASES];
    size_t n = phases < MOST_PHASES ? phases : MOST_PHASES;
    struct quantile_rule half = *rule;
    half.alpha = rule->alpha / 2;
    for (size_t k = 0; k < n; k++) {
        double t = (double)units_of(&treatment[k]), c = (double)units_of(&control[k]);
        weights[k] = t > 0 && c > 0 ? t + c : 0;
    }
    struct quantile t = quantile_arm(treatment, weights, n, &half),
                    c = quantile_arm(control, weights, n, &half);
    if (!t.answered || !c.answered)
        return without(t.answered ? c.missing : t.missing);
    return (struct quantile){.answered = true,
                             .n = t.n + c.n,
                             .estimate = t.estimate - c.estimate,
                             .low = t.low - c.high,
                             .high = t.high - c.low};
}
