#include "stats/adaptive.h"

#include <math.h>

#define ARMS 2                          /* that share alpha in a difference */
#define LN_MAX_RATIO 115.12925464970228 /* ln 1e50 */

static const struct mixture usual = {2, 0.01, 0.3};

double adaptive_plug_in(const struct arm_sums *earlier, size_t phases)
{
    double n = 0, sum = 0;
    for (size_t i = 0; i < phases; i++) {
        n += earlier[i].n;
        sum += earlier[i].sum;
    }
    return n > 0 && isfinite(sum / n) ? sum / n : 0;
}

double adaptive_score(const struct adaptive_phase *p, bool in_arm, double y)
{
    return in_arm ? p->m + (y - p->m) / p->e : p->m;
}

static bool usable(const struct adaptive_phase *p)
{
    return p->e > 0 && p->e <= 1 && isfinite(p->m);
}

void adaptive_add(struct adaptive_sums *s, const struct adaptive_phase *p, bool in_arm, double y)
{
    if (!usable(p)) {
        s->left_out++;
        return;
    }
    double h = sqrt(p->e), score = adaptive_score(p, in_arm, y);
    s->n += 1;
    s->g += score;
    s->h += h;
    s->hg += h * score;
    s->hh += p->e;
    s->hhg += p->e * score;
    s->hhgg += p->e * score * score;
}

/* With d = y - m over the arm's n units, ΣΓ = N m + Σd/e and ΣΓ² = N m² + 2m Σd/e + Σd²/e². */
void adaptive_add_phase(struct adaptive_sums *s, const struct adaptive_phase *p, double units,
                        const struct arm_sums *arm)
{
    if (!usable(p) || !(units > 0)) {
        s->left_out++;
        return;
    }
    double d = (arm->sum - arm->n * p->m) / p->e;
    double dd = (arm->sum_sq - 2 * p->m * arm->sum + arm->n * p->m * p->m) / p->e / p->e;
    double g = units * p->m + d, gg = units * p->m * p->m + 2 * p->m * d + dd, h = sqrt(p->e);
    s->phases++;
    s->n += units;
    s->g += g;
    s->h += h * units;
    s->hg += h * g;
    s->hh += p->e * units;
    s->hhg += p->e * g;
    s->hhgg += p->e * gg;
}

void adaptive_add_unit(struct adaptive_sums *s, double sum_h, double sum_hg)
{
    s->clustered = true;
    s->unit_hh += sum_h * sum_h;
    s->unit_hg += sum_h * sum_hg;
    s->unit_gg += sum_hg * sum_hg;
}

struct estimate adaptive_mean(const struct adaptive_sums *s)
{
    if (!(s->n > 0) || !(s->h > 0))
        return estimate_without(STAT_NO_UNITS);
    double value = s->hg / s->h;
    double squares = s->hhgg - 2 * value * s->hhg + value * value * s->hh;
    if (s->clustered)
        squares = s->unit_gg - 2 * value * s->unit_hg + value * value * s->unit_hh;
    double variance = squares / s->h / s->h;
    if (!isfinite(value) || !isfinite(variance))
        return estimate_without(STAT_BAD_SUMS);
    /* what is nothing but rounding of the squares is no variance */
    double whole = s->clustered ? s->unit_gg : s->hhgg;
    if (squares <= 1e-14 * whole)
        variance = 0;
    return (struct estimate){.answered = true, .value = value, .variance = variance, .n = s->n};
}

double adaptive_aipw(const struct adaptive_sums *s)
{
    return s->n > 0 && isfinite(s->g) ? s->g / s->n : 0;
}

struct asympcs adaptive_interval(const struct adaptive_sums *s, const struct asympcs_rule *rule)
{
    struct estimate e = adaptive_mean(s);
    return asympcs_interval(&e, rule);
}

/* The smallest alpha at which m = |difference| / (sum of standard errors) is outside, each arm at half. */
static double union_p(double m, double x)
{
    double ln_p = log(ARMS) + 0.5 * log1p(x) - 0.5 * m * m * (x / (x + 1));
    return fmin(1, exp(ln_p));
}

struct asympcs adaptive_difference(const struct adaptive_sums *treatment, const struct adaptive_sums *control,
                                   const struct asympcs_rule *rule)
{
    struct estimate t = adaptive_mean(treatment), c = adaptive_mean(control);
    if (!t.answered || !c.answered)
        return asympcs_without(t.answered ? c.missing : t.missing, NULL);
    struct asympcs_rule each = {rule->alpha / ARMS, rule->n_star, rule->side};
    double n = fmin(t.n, c.n), rho = asympcs_rho(&each), x = n * rho * rho;
    double wide = sqrt(t.variance) + sqrt(c.variance), m = asympcs_multiplier(&each, n);
    struct estimate e = {true, STAT_COMPLETE, t.value - c.value, t.variance + c.variance, n};
    if (rule->side != ASYMPCS_BOTH || !(rule->alpha < 1) || !(rho > 0) || isinf(m))
        return asympcs_without(STAT_BAD_RULE, &e);
    if (!(t.variance > 0) || !(c.variance > 0))
        return asympcs_without(STAT_NO_VARIANCE, &e);
    struct asympcs a = asympcs_without(STAT_COMPLETE, &e);
    a.answered = true;
    a.rho = rho;
    a.low = a.estimate - m * wide;
    a.high = a.estimate + m * wide;
    a.p = union_p(fabs(a.estimate) / wide, x);
    a.ln_e = a.p > 0 ? -log(a.p) : 1e300;
    return a;
}

double adaptive_difference_variance(const struct adaptive_sums *treatment,
                                    const struct adaptive_sums *control, const struct adaptive_pair *phases,
                                    size_t n)
{
    struct estimate t = adaptive_mean(treatment), c = adaptive_mean(control);
    if (!t.answered || !c.answered)
        return 0;
    double cross = 0; /* Σ h_t (Γ_t - est_t) h_c (Γ_c - est_c) */
    for (size_t i = 0; i < n; i++) {
        const struct adaptive_pair *p = &phases[i];
        double product = p->m_c * p->g_t + p->m_t * p->g_c - p->units * p->m_t * p->m_c;
        product += p->units * t.value * c.value - t.value * p->g_c - c.value * p->g_t;
        if (p->e_t > 0 && p->e_c > 0)
            cross += sqrt(p->e_t * p->e_c) * product;
    }
    double v = t.variance + c.variance - 2 * cross / treatment->h / control->h;
    return isfinite(v) ? fmax(0, v) : 0;
}

/* l(e^t) over the phases that hold a comparison; as evt.h leaves the others out. */
static double log_likelihood(const struct evt_phase *phases, size_t n, double t)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double s = (double)phases[i].treatment, f = (double)phases[i].control, q = phases[i].q;
        if (!(q > 0 && q < 1))
            continue;
        double odds = log(q) - log1p(-q) + t; /* ln θ = -ln(1 + e^-odds) */
        double ln_theta = odds > 0 ? -log1p(exp(-odds)) : odds - log1p(exp(odds));
        sum += (s > 0 ? s * ln_theta : 0) + (f > 0 ? f * (ln_theta - odds) : 0);
    }
    return sum;
}

/* Its points to one side of 0; -1 when it makes no sense. */
static int points_beside(const struct mixture *m)
{
    double points = m->reach / m->step;
    if (!(m->step > 0 && m->sd > 0 && points >= 0 && points <= MIXTURE_POINTS * 0.5))
        return -1;
    return (int)(points + 0.5);
}

static double ln_mixture(const struct evt_phase *phases, size_t n, const struct mixture *m)
{
    double l[MIXTURE_POINTS], top = -INFINITY, sum = 0, weights = 0;
    int side = points_beside(m);
    for (int i = 0; i < 2 * side + 1; i++) {
        double t = m->step * (i - side), z = t / m->sd;
        l[i] = log_likelihood(phases, n, t) - 0.5 * z * z;
        top = fmax(top, l[i]);
        weights += exp(-0.5 * z * z);
    }
    for (int i = 0; i < 2 * side + 1; i++)
        sum += exp(l[i] - top);
    return top + log(sum) - log(weights);
}

double mixture_log_e(const struct evt_phase *phases, size_t n, double r)
{
    double t = r > 0 ? fmin(LN_MAX_RATIO, fmax(-LN_MAX_RATIO, log(r))) : -LN_MAX_RATIO;
    return ln_mixture(phases, n, &usual) - log_likelihood(phases, n, t);
}

/* Where l falls to `level` going from `inside` (l >= level) in direction ±1; ±INFINITY when it never does. */
static double leaves(const struct evt_phase *phases, size_t n, double inside, double direction, double level)
{
    double in = inside, out = inside + direction * 0.25, step = 0.25;
    while (log_likelihood(phases, n, out) >= level) {
        in = out;
        step *= 2;
        out += direction * step;
        if (fabs(out) > LN_MAX_RATIO)
            return direction * INFINITY;
    }
    for (int i = 0; i < 100 && fabs(out - in) > 1e-13 * fmax(1, fabs(in)); i++) {
        double mid = 0.5 * (in + out);
        *(log_likelihood(phases, n, mid) >= level ? &in : &out) = mid;
    }
    return in;
}

struct mixture_interval mixture_interval_with(const struct evt_phase *phases, size_t n, double alpha,
                                              const struct mixture *mixture)
{
    struct mixture_interval m = {.high = INFINITY, .estimate = evt_rr_mle(phases, n)};
    double events = 0;
    for (size_t i = 0; i < n; i++)
        if (phases[i].q > 0 && phases[i].q < 1)
            events += (double)(phases[i].treatment > 0 ? phases[i].treatment : 0) +
                      (double)(phases[i].control > 0 ? phases[i].control : 0);
    if (!(events > 0) || points_beside(mixture) < 0)
        return m;
    m.ln_mixture = ln_mixture(phases, n, mixture);
    m.ln_e = m.ln_mixture - log_likelihood(phases, n, 0);
    if (!(alpha > 0 && alpha < 1))
        return m;
    /* a mean of likelihoods is never above their largest, so that the estimate is inside */
    double t = fmin(LN_MAX_RATIO, fmax(-LN_MAX_RATIO, log(m.estimate))), level = m.ln_mixture + log(alpha);
    m.answered = true;
    m.low = exp(leaves(phases, n, t, -1, level));
    m.high = exp(leaves(phases, n, t, 1, level));
    return m;
}

struct mixture_interval mixture_interval(const struct evt_phase *phases, size_t n, double alpha)
{
    return mixture_interval_with(phases, n, alpha, &usual);
}
