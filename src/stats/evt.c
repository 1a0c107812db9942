#include "stats/evt.h"

#include <math.h>
#include <stdbool.h>

#include "stats/quadrature.h"

#define SIGMA 0.69314718055994530942 /* ln 2 */
#define INV_VARIANCE (1 / (SIGMA * SIGMA))
#define LN_HALF_NORMAL 0.14072156793693689465 /* ln(2 / (σ √(2π))) */
#define LN_MAX_RATIO 115.12925464970228       /* ln 1e50 */
#define DROP 45.0                             /* what is e^-45 below the mode is left out: 3e-20 */
#define FARTHEST 600.0 /* odds are held within 1e±100: nothing of weight lies beyond */
#define PANELS 4       /* a side of the mode */
#define NODES QUADRATURE_NODES

/* The question turned so that harm is up: "down" swaps the arms, which turns q into 1 - q and r into 1/r. */
struct view {
    const struct evt_phase *phases;
    size_t n;
    bool mirror;
    double ln_r0;
};

/* One phase of a view: events of the arm that may be harmed and of the other, and the odds of the first at
 * r0. */
struct marks {
    double s, f, odds;
};

static bool marks_of(const struct view *v, size_t i, struct marks *m)
{
    const struct evt_phase *p = &v->phases[i];
    double t = p->treatment > 0 ? (double)p->treatment : 0, c = p->control > 0 ? (double)p->control : 0;
    if (!(p->q > 0 && p->q < 1) || t + c <= 0)
        return false;
    m->s = v->mirror ? c : t;
    m->f = v->mirror ? t : c;
    double odds = (v->mirror ? (1 - p->q) / p->q : p->q / (1 - p->q)) * exp(v->ln_r0);
    m->odds = fmin(1e100, fmax(1e-100, odds));
    return true;
}

static double held_ln(double r)
{
    if (!(r > 0))
        return -LN_MAX_RATIO;
    return fmin(LN_MAX_RATIO, fmax(-LN_MAX_RATIO, log(r)));
}

double evt_q(double treatment_share, double control_share)
{
    double t = treatment_share > 0 ? treatment_share : 0, c = control_share > 0 ? control_share : 0;
    return t + c > 0 ? t / (t + c) : 0;
}

/* l(r0 e^u) - l(r0) of one phase, as s u - (s + f) ln(1 - θ + θ e^u), written on the side of θ where nothing
 * large cancels. */
static double gain(const struct marks *m, double u)
{
    if (m->odds <= 1)
        return m->s * u - (m->s + m->f) * log1p(m->odds / (1 + m->odds) * expm1(u));
    return -m->f * u - (m->s + m->f) * log1p(expm1(-u) / (1 + m->odds));
}

/* Log of the integrand, without the constant of the half normal. */
static double log_integrand(const struct view *v, double u)
{
    double h = -0.5 * INV_VARIANCE * u * u;
    struct marks m;
    for (size_t i = 0; i < v->n; i++)
        if (marks_of(v, i, &m))
            h += gain(&m, u);
    return h;
}

/* l'(r0 e^u) in u, and the information -l''. */
static double slope(const struct view *v, double u, double *information)
{
    double g = 0, k = 0;
    struct marks m;
    for (size_t i = 0; i < v->n; i++) {
        if (!marks_of(v, i, &m))
            continue;
        double rest = exp(-u) / m.odds; /* (1 - θ) / θ */
        double theta = 1 / (1 + rest), one_less = 1 - theta;
        if (rest < 0.5)
            one_less = rest * theta;
        g += m.s * one_less - m.f * theta;
        k += (m.s + m.f) * theta * one_less;
    }
    *information = k;
    return g;
}

/* The root of a falling slope in [lo, hi] by Newton steps that may not leave the bracket. prior: 1/σ² or 0.
 */
static double falling_root(const struct view *v, double lo, double hi, double prior)
{
    double u = 0.5 * (lo + hi), k;
    for (int i = 0; i < 200; i++) {
        double g = slope(v, u, &k) - prior * u;
        *(g > 0 ? &lo : &hi) = u;
        double next = u + g / (k + prior);
        if (!(next > lo && next < hi))
            next = 0.5 * (lo + hi);
        double step = fabs(next - u);
        u = next;
        if (step * sqrt(k + prior) < 1e-6 && step < 1e-9)
            break;
        if (hi - lo <= 4e-16 * fmax(fabs(lo), fabs(hi)))
            break;
    }
    return u;
}

/* Where the integrand is largest over u >= 0. */
static double find_mode(const struct view *v)
{
    double k, hi = 0.5;
    if (slope(v, 0, &k) <= 0)
        return 0;
    while (hi < FARTHEST / 2 && slope(v, hi, &k) - INV_VARIANCE * hi > 0)
        hi *= 2;
    return falling_root(v, 0, hi, INV_VARIANCE);
}

/* How far from the mode, in direction ±1 and within limit, the integrand has fallen by DROP. */
static double reach(const struct view *v, double mode, double top, double direction, double limit)
{
    double k, g = slope(v, mode, &k) - INV_VARIANCE * mode;
    double near = 0, far = 8 / (sqrt(k + INV_VARIANCE) + fabs(g));
    while (far < limit && log_integrand(v, mode + direction * far) > top - DROP) {
        near = far;
        far *= 2;
    }
    if (far > limit)
        far = limit;
    for (int i = 0; i < 6; i++) {
        double mid = 0.5 * (near + far);
        *(log_integrand(v, mode + direction * mid) > top - DROP ? &near : &far) = mid;
    }
    return far;
}

/* The integral of exp(h - top) over [lo, hi]. Phases outside, nodes inside: a phase's constants are computed
 * once. */
static double integrate(const struct view *v, double lo, double hi, double top)
{
    double u[PANELS * NODES], h[PANELS * NODES], half = (hi - lo) / (2 * PANELS), sum = 0;
    for (int i = 0; i < PANELS * NODES; i++) {
        int panel = i / NODES;
        u[i] = lo + half * (2 * panel + 1 + quadrature_node(i % NODES));
        h[i] = -0.5 * INV_VARIANCE * u[i] * u[i] - top;
    }
    struct marks m;
    for (size_t p = 0; p < v->n; p++)
        if (marks_of(v, p, &m))
            for (int i = 0; i < PANELS * NODES; i++)
                h[i] += gain(&m, u[i]);
    for (int i = 0; i < PANELS * NODES; i++)
        sum += quadrature_weight(i % NODES) * exp(h[i]);
    return half * sum;
}

static bool has_events(const struct evt_phase *phases, size_t n)
{
    struct view v = {phases, n, false, 0};
    struct marks m;
    for (size_t i = 0; i < n; i++)
        if (marks_of(&v, i, &m))
            return true;
    return false;
}

static double log_e(const struct view *v)
{
    double mode = find_mode(v), top = log_integrand(v, mode);
    double area = integrate(v, mode, mode + reach(v, mode, top, 1, FARTHEST - mode), top);
    if (mode > 0) {
        double left = reach(v, mode, top, -1, mode);
        area += integrate(v, mode - left, mode, top);
    }
    return LN_HALF_NORMAL + top + log(area);
}

double evt_log_e(const struct evt_phase *phases, size_t n, double r0, enum evt_harm harm)
{
    if (!has_events(phases, n))
        return 0;
    double x = held_ln(r0);
    struct view v = {phases, n, harm == EVT_DOWN, harm == EVT_DOWN ? -x : x};
    return log_e(&v);
}

/* ln E at ln r0 = x, less the threshold: falls in x. */
static double excess(struct view *v, double x, double threshold)
{
    v->ln_r0 = x;
    return log_e(v) - threshold;
}

/* Closes in on the crossing between a (excess fa >= 0) and b (fb < 0), and returns the side of a. Illinois
 * steps, with a bisection whenever three steps did not halve the bracket. */
static double crossing(struct view *v, double threshold, double a, double fa, double b, double fb)
{
    double width = b - a;
    int last = 0; /* the side moved by the step before */
    for (int i = 1; i < 200 && b - a > 1e-11; i++) {
        double x = fa > fb ? a + (b - a) * (fa / (fa - fb)) : 0.5 * (a + b);
        if (i % 3 == 0) {
            if (b - a > 0.5 * width)
                x = 0.5 * (a + b);
            width = b - a;
        }
        if (!(x > a && x < b))
            x = 0.5 * (a + b);
        if (!(x > a && x < b))
            break;
        double fx = excess(v, x, threshold);
        if (fx >= 0) {
            a = x, fa = fx;
            fb *= last > 0 ? 0.5 : 1;
            last = 1;
        } else {
            b = x, fb = fx;
            fa *= last < 0 ? 0.5 : 1;
            last = -1;
        }
    }
    return a;
}

/* ln of the lower bound in the view's orientation, from the anchor outwards; -INFINITY: nothing excluded. The
 * answer >= anchor exactly when the excess at the anchor is >= 0. */
static double ln_lower(struct view *v, double threshold, double anchor)
{
    double f0 = excess(v, anchor, threshold), step = 0.125;
    if (f0 >= 0) {
        double a = anchor, fa = f0;
        for (;; step *= 2) {
            double b = fmin(a + step, LN_MAX_RATIO), fb = excess(v, b, threshold);
            if (fb < 0)
                return crossing(v, threshold, a, fa, b, fb);
            if (b >= LN_MAX_RATIO)
                return b;
            a = b, fa = fb;
        }
    }
    double b = anchor, fb = f0;
    for (;; step *= 2) {
        double a = fmax(b - step, -LN_MAX_RATIO), fa = excess(v, a, threshold);
        if (fa >= 0)
            return crossing(v, threshold, a, fa, b, fb);
        if (a <= -LN_MAX_RATIO)
            return -INFINITY;
        b = a, fb = fa;
    }
}

double evt_rr_lower(const struct evt_phase *phases, size_t n, double ln_threshold, double anchor)
{
    if (isnan(ln_threshold) || isinf(ln_threshold) || !has_events(phases, n))
        return 0;
    struct view v = {phases, n, false, 0};
    double x = held_ln(anchor), threshold = fmax(0, ln_threshold), low = ln_lower(&v, threshold, x);
    if (low < x) /* never rounded up to the anchor itself */
        return fmin(exp(low), nextafter(anchor, 0));
    return fmax(exp(low), anchor);
}

double evt_rr_upper(const struct evt_phase *phases, size_t n, double ln_threshold, double anchor)
{
    if (isnan(ln_threshold) || isinf(ln_threshold) || !has_events(phases, n))
        return INFINITY;
    struct view v = {phases, n, true, 0};
    double x = held_ln(anchor), threshold = fmax(0, ln_threshold), low = ln_lower(&v, threshold, -x);
    if (low < -x)
        return fmax(exp(-low), nextafter(anchor, INFINITY));
    return fmin(exp(-low), anchor);
}

double evt_rr_mle(const struct evt_phase *phases, size_t n)
{
    struct view v = {phases, n, false, 0};
    double s = 0, f = 0, k, lo = -0.5, hi = 0.5;
    struct marks m;
    for (size_t i = 0; i < n; i++) {
        if (!marks_of(&v, i, &m))
            continue;
        s += m.s;
        f += m.f;
    }
    if (s <= 0)
        return f > 0 ? 0 : 1;
    if (f <= 0)
        return INFINITY;
    while (lo > -512 && slope(&v, lo, &k) < 0)
        lo *= 2;
    while (hi < 512 && slope(&v, hi, &k) > 0)
        hi *= 2;
    return exp(falling_root(&v, lo, hi, 0));
}
