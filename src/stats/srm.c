#include "stats/srm.h"

#include <math.h>
#include <stdbool.h>

#include "stats/special.h"

#define LN_SQRT_2PI 0.91893853320467274178

static const double concentrations[] = {1e3, 1e4};
#define CONCENTRATIONS (sizeof concentrations / sizeof *concentrations)

static double count_of(int64_t n)
{
    return n > 0 ? (double)n : 0;
}

static double weight_of(double w)
{
    return w > 0 && isfinite(w) ? w : 0;
}

/* Totals of what can be compared. False: an arm of share 0 has units. */
static bool totals(const int64_t *counts, const double *weights, size_t k, double *n, double *w, size_t *arms)
{
    *n = *w = 0;
    *arms = 0;
    for (size_t i = 0; i < k; i++) {
        if (weight_of(weights[i]) <= 0 && counts[i] > 0)
            return false;
        *n += count_of(counts[i]);
        *w += weight_of(weights[i]);
        *arms += weight_of(weights[i]) > 0;
    }
    return true;
}

/* (1 + e) ln(1 + e) - e, which is e²/2 and a little for small e. */
static double divergence(double e)
{
    if (e <= -1)
        return 1;
    if (fabs(e) > 1e-2)
        return (1 + e) * log1p(e) - e;
    double sum = 0, power = e * e;
    for (int i = 2; i <= 10; i++, power *= -e)
        sum += power / (i * (i - 1));
    return sum;
}

/* With a_i = c p_i + n_i and A = c + n, Stirling's formula turns the log-gammas of the sum into
 * A KL(a/A || p) + c Σ p_i ln p_i - ½ Σ ln a_i + ½ ln A + (k-1) ln √(2π) + Σ rest(a_i) - rest(A);
 * the first term, the only large one, is a sum of non-negative divergences. */
double srm_log_e_at(const int64_t *counts, const double *weights, size_t k, double c)
{
    double n, w;
    size_t arms;
    if (!totals(counts, weights, k, &n, &w, &arms))
        return INFINITY;
    if (arms < 2 || n <= 0 || !(c > 0) || isinf(c))
        return 0;
    double total = c + n;
    double sum = ln_gamma(c) + 0.5 * log(total) - stirling_rest(total) + ((double)arms - 1) * LN_SQRT_2PI;
    for (size_t i = 0; i < k; i++) {
        double p = weight_of(weights[i]) / w;
        if (p <= 0)
            continue;
        double prior = c * p, a = prior + count_of(counts[i]);
        sum += total * p * divergence((count_of(counts[i]) - n * p) / (total * p));
        sum += prior * log(p) - 0.5 * log(a) + stirling_rest(a) - ln_gamma(prior);
    }
    return sum;
}

static double ln_mean_exp(const double *x, size_t n)
{
    double top = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        top = fmax(top, x[i]);
    if (isinf(top))
        return top;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return top + log(sum / (double)n);
}

double srm_log_e(const int64_t *counts, const double *weights, size_t k)
{
    double e[CONCENTRATIONS];
    for (size_t i = 0; i < CONCENTRATIONS; i++)
        e[i] = srm_log_e_at(counts, weights, k, concentrations[i]);
    return ln_mean_exp(e, CONCENTRATIONS);
}

static bool same_shares(const struct srm_phase *a, const struct srm_phase *b, size_t k)
{
    double wa = 0, wb = 0;
    for (size_t i = 0; i < k; i++) {
        wa += weight_of(a->weights[i]);
        wb += weight_of(b->weights[i]);
    }
    for (size_t i = 0; i < k; i++)
        if (fabs(weight_of(a->weights[i]) / wa - weight_of(b->weights[i]) / wb) > 1e-12)
            return false;
    return true;
}

static bool has_units(const struct srm_phase *p, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (p->counts[i] > 0)
            return true;
    return false;
}

/* All phases with units have the same shares: one phase, with the counts added up. */
static bool one_phase(const struct srm_phase *phases, size_t n, size_t k, const struct srm_phase **shares)
{
    *shares = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!has_units(&phases[i], k))
            continue;
        if (*shares && !same_shares(*shares, &phases[i], k))
            return false;
        *shares = &phases[i];
    }
    return true;
}

static int64_t added(int64_t a, int64_t b)
{
    return b <= 0 ? a : a > INT64_MAX - b ? INT64_MAX : a + b;
}

static const double losses[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5};
#define LOSSES (sizeof losses / sizeof *losses)

/* ln of the likelihood ratio of one phase when arm i alone keeps the fraction `keep` of its units:
 * θ_j / p_j = w_j / Σ p w. */
static double loss_ratio(const struct srm_phase *p, size_t k, size_t arm, double keep)
{
    double n, w;
    size_t arms;
    if (!totals(p->counts, p->weights, k, &n, &w, &arms))
        return INFINITY;
    if (arms < 2)
        return 0;
    double share = weight_of(p->weights[arm]) / w;
    return count_of(p->counts[arm]) * log(keep) - n * log1p(share * (keep - 1));
}

/* keep > 1: every other arm loses. */
static double keep_of(size_t i)
{
    double kept = 1 - losses[i % LOSSES];
    return i < LOSSES ? kept : 1 / kept;
}

static double ln_add(double a, double b)
{
    double top = fmax(a, b);
    return isinf(top) ? top : top + log1p(exp(fmin(a, b) - top));
}

/* The same loss in every phase: the mixture outside. */
static double common_loss(const struct srm_phase *phases, size_t n, size_t k)
{
    double sum = -INFINITY;
    for (size_t arm = 0; arm < k; arm++)
        for (size_t i = 0; i < 2 * LOSSES; i++) {
            double ln = 0;
            for (size_t p = 0; p < n; p++)
                ln += loss_ratio(&phases[p], k, arm, keep_of(i));
            sum = ln_add(sum, ln);
        }
    return sum - log((double)(2 * LOSSES * k)); /* NOLINT(bugprone-integer-division): a count */
}

/* Each phase its own loss: the mixture inside. */
static double phase_losses(const struct srm_phase *phases, size_t n, size_t k)
{
    double product = 0;
    for (size_t p = 0; p < n; p++)
        product += common_loss(&phases[p], 1, k);
    return product;
}

double srm_phases_log_e(const struct srm_phase *phases, size_t n, size_t k)
{
    const struct srm_phase *shares;
    double units, w;
    size_t arms;
    for (size_t p = 0; p < n; p++)
        if (!totals(phases[p].counts, phases[p].weights, k, &units, &w, &arms))
            return INFINITY;
    if (k < 2)
        return 0;
    if (k <= SRM_POOLED_ARMS && one_phase(phases, n, k, &shares)) {
        int64_t counts[SRM_POOLED_ARMS] = {0};
        for (size_t p = 0; p < n; p++)
            for (size_t i = 0; i < k; i++)
                counts[i] = added(counts[i], phases[p].counts[i]);
        return shares ? srm_log_e(counts, shares->weights, k) : 0;
    }
    return ln_add(common_loss(phases, n, k), phase_losses(phases, n, k)) - log(2);
}

static double pair_log_e(const struct srm_pair *p, double q, double c)
{
    return srm_log_e_at((const int64_t[]){p->treatment, p->control}, (const double[]){q, 1 - q}, 2, c);
}

double srm_pairs_log_e(const struct srm_pair *pairs, size_t n)
{
    double e[CONCENTRATIONS] = {0};
    for (size_t c = 0; c < CONCENTRATIONS; c++)
        for (size_t i = 0; i < n; i++)
            if (pairs[i].q > 0 && pairs[i].q < 1)
                e[c] += pair_log_e(&pairs[i], pairs[i].q, concentrations[c]);
    return ln_mean_exp(e, CONCENTRATIONS);
}

double srm_q_upper(const struct srm_pair *pair, double alpha)
{
    double t = count_of(pair->treatment), n = t + count_of(pair->control);
    if (n <= 0 || !(alpha > 0) || alpha >= 1)
        return 1;
    /* in the odds' logarithm, from the observed share outwards */
    double threshold = -log(alpha), near = log((t + 0.5) / (n - t + 0.5)), far = 37;
    for (int i = 0; i < 100 && far - near > 1e-12; i++) {
        double mid = 0.5 * (near + far), q = 1 / (1 + exp(-mid)), e[CONCENTRATIONS];
        for (size_t c = 0; c < CONCENTRATIONS; c++)
            e[c] = pair_log_e(pair, q, concentrations[c]);
        *(ln_mean_exp(e, CONCENTRATIONS) < threshold ? &near : &far) = mid;
    }
    return far >= 37 ? 1 : 1 / (1 + exp(-far));
}

double srm_q_lower(const struct srm_pair *pair, double alpha)
{
    struct srm_pair mirror = {pair->control, pair->treatment, 0};
    return 1 - srm_q_upper(&mirror, alpha);
}

double srm_chi2(const int64_t *counts, const double *weights, size_t k, double *statistic)
{
    double n, w, x = 0, unused;
    size_t arms;
    double *out = statistic ? statistic : &unused;
    *out = 0;
    if (!totals(counts, weights, k, &n, &w, &arms)) {
        *out = INFINITY;
        return 0;
    }
    if (arms < 2 || n <= 0)
        return 1;
    for (size_t i = 0; i < k; i++) {
        double expected = n * (weight_of(weights[i]) / w), d = count_of(counts[i]) - expected;
        if (expected > 0)
            x += d * d / expected;
    }
    *out = x;
    return chi2_upper(x, (double)arms - 1);
}
