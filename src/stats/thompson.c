#include "stats/thompson.h"

#include <math.h>
#include <stdlib.h>

#include "stats/quadrature.h"

#define NODES QUADRATURE_NODES
#define DROPS 7
#define EDGES (2 * DROPS + 1)
#define SMALLEST 1e-3
#define LARGEST 1e15
#define FARTHEST 1e150
#define NARROWEST 1e-9
#define FARTHEST_BELOW (-1e6) /* in widths: as good as never the best */

/* ln density below the mode at the edges of the panels of a posterior; what lies beyond the last is 1e-16 of
 * it. */
static const double drops[DROPS] = {0.5, 2, 4.5, 9, 16, 25, 38};

/* A log-concave density: the normal, or a Beta in t = ln(x / (1 - x)), where it is smooth, has no edges and
 * is best exactly when x is. */
struct curve {
    bool beta;
    double mode, sd; /* sd: about; of the curvature at the mode */
    double a, b;
    double edge[EDGES]; /* rising; the posterior lives between the first and the last */
    double scale;       /* 1 / the integral of e^-fall */
    double below;       /* P(t < the panel's start) */
};

/* ln(1 - c + c e^u) for 0 < c <= 1/2. */
static double ln_tilted(double c, double u)
{
    return u < 500 ? log1p(c * expm1(u)) : u + log(c);
}

/* ln density at the mode less that u away from it, written on the side where nothing large cancels. */
static double fall(const struct curve *c, double u)
{
    if (!c->beta)
        return 0.5 * (u / c->sd) * (u / c->sd);
    double n = c->a + c->b;
    return c->a <= c->b ? n * ln_tilted(c->a / n, u) - c->a * u : n * ln_tilted(c->b / n, -u) + c->b * u;
}

/* How far from the mode, in direction ±1, ln density has fallen by `drop`; to a thousandth. */
static double reach(const struct curve *c, double direction, double drop)
{
    double near = 0, far = c->sd;
    while (fall(c, direction * far) < drop) {
        near = far;
        far *= 2;
    }
    while (far - near > 1e-3 * far) {
        double mid = 0.5 * (near + far);
        *(fall(c, direction * mid) < drop ? &near : &far) = mid;
    }
    return far;
}

static double integral(const struct curve *c, double lo, double hi)
{
    double half = 0.5 * (hi - lo), sum = 0;
    for (int i = 0; i < NODES; i++)
        sum += quadrature_weight(i) * exp(-fall(c, lo + half * (1 + quadrature_node(i)) - c->mode));
    return half * sum;
}

/* The edges, and the scale by the same panels that the integral below uses. */
static void prepare(struct curve *c)
{
    double total = 0;
    c->edge[DROPS] = c->mode;
    for (int i = 0; i < DROPS; i++) {
        c->edge[DROPS - 1 - i] = c->mode - reach(c, -1, drops[i]);
        c->edge[DROPS + 1 + i] = c->mode + reach(c, 1, drops[i]);
    }
    for (int i = 0; i + 1 < EDGES; i++)
        total += integral(c, c->edge[i], c->edge[i + 1]);
    c->scale = total > 0 ? 1 / total : 0;
    c->below = 0;
}

/* Densities and distribution functions of a curve at the nodes of a panel. */
struct panel {
    double lo, hi, f[NODES], F[NODES];
};

static void flat(struct panel *p, double value)
{
    for (int i = 0; i < NODES; i++) {
        p->f[i] = 0;
        p->F[i] = value;
    }
}

static void evaluate(struct curve *c, struct panel *p, double a[NODES][NODES])
{
    if (p->hi <= c->edge[0] || p->lo >= c->edge[EDGES - 1]) {
        flat(p, p->hi <= c->edge[0] ? 0 : 1);
        return;
    }
    double half = 0.5 * (p->hi - p->lo), whole = 0;
    for (int i = 0; i < NODES; i++) {
        p->f[i] = c->scale * exp(-fall(c, p->lo + half * (1 + quadrature_node(i)) - c->mode));
        whole += quadrature_weight(i) * p->f[i];
    }
    for (int i = 0; i < NODES; i++) {
        double sum = 0;
        for (int j = 0; j < NODES; j++)
            sum += a[i][j] * p->f[j];
        p->F[i] = fmin(1, fmax(0, c->below + half * sum));
    }
    c->below = fmin(1, c->below + half * whole);
}

/* Adds the panel's part of w_i = ∫ f_i Π_{j≠i} F_j. */
static void add_panel(const struct panel *p, size_t k, double *w)
{
    double half = 0.5 * (p[0].hi - p[0].lo);
    for (int n = 0; n < NODES; n++) {
        double before[THOMPSON_ARMS], product = 1;
        for (size_t i = 0; i < k; i++) {
            before[i] = product;
            product *= p[i].F[n];
        }
        product = 1;
        for (size_t i = k; i-- > 0;) {
            w[i] += half * quadrature_weight(n) * p[i].f[n] * before[i] * product;
            product *= p[i].F[n];
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void normalise(double *w, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++)
        sum += w[i];
    for (size_t i = 0; i < k; i++)
        w[i] /= sum;
}

/* Over the panels between all edges. A panel is a part of one panel of every curve, so each is smooth there.
 */
static void best(struct curve *c, size_t k, double *w)
{
    double edges[THOMPSON_ARMS * EDGES], a[NODES][NODES], start = -INFINITY;
    struct panel p[THOMPSON_ARMS];
    size_t n = 0;
    quadrature_antiderivative(a);
    for (size_t i = 0; i < k; i++) {
        prepare(&c[i]);
        start = fmax(start, c[i].edge[0]); /* below it one F is 0 */
        for (int e = 0; e < EDGES; e++)
            edges[n++] = c[i].edge[e];
        w[i] = 0;
    }
    qsort(edges, n, sizeof *edges, by_size);
    for (size_t e = 0; e + 1 < n; e++) {
        if (!(edges[e + 1] > edges[e]))
            continue;
        for (size_t i = 0; i < k; i++) {
            p[i].lo = edges[e];
            p[i].hi = edges[e + 1];
            evaluate(&c[i], &p[i], a);
        }
        if (edges[e] >= start)
            add_panel(p, k, w);
    }
    normalise(w, k);
}

/* The answer to parameters that are none. */
static bool refused(double *w, size_t k)
{
    for (size_t i = 0; i < k; i++)
        w[i] = 0;
    return false;
}

bool thompson_beta(const struct thompson_rate *arms, size_t k, double *w)
{
    struct curve c[THOMPSON_ARMS];
    if (k < 1 || k > THOMPSON_ARMS)
        return refused(w, k);
    for (size_t i = 0; i < k; i++) {
        double x = arms[i].a, y = arms[i].b;
        if (!(x >= SMALLEST && x <= LARGEST && y >= SMALLEST && y <= LARGEST))
            return refused(w, k);
        c[i] =
            (struct curve){.beta = true, .mode = log(x) - log(y), .sd = sqrt(1 / x + 1 / y), .a = x, .b = y};
    }
    best(c, k, w);
    return true;
}

/* Around the largest mean, where whatever can be best lies, so that no digit of a difference is lost. */
bool thompson_gaussian(const struct thompson_mean *arms, size_t k, double *w)
{
    struct curve c[THOMPSON_ARMS];
    double top = -INFINITY, bottom = INFINITY, widest = 0;
    if (k < 1 || k > THOMPSON_ARMS)
        return refused(w, k);
    for (size_t i = 0; i < k; i++) {
        if (!(fabs(arms[i].mean) <= FARTHEST && arms[i].sd >= 0 && arms[i].sd <= FARTHEST))
            return refused(w, k);
        top = fmax(top, arms[i].mean);
        bottom = fmin(bottom, arms[i].mean);
        widest = fmax(widest, arms[i].sd);
    }
    /* all known: any width that is narrow beside their distances */
    double scale = widest > 0 ? widest : top > bottom ? top - bottom : 1;
    for (size_t i = 0; i < k; i++)
        c[i] = (struct curve){.mode = fmax(FARTHEST_BELOW, (arms[i].mean - top) / scale),
                              .sd = fmax(arms[i].sd / scale, NARROWEST)};
    best(c, k, w);
    return true;
}

static bool shares_make_sense(const double *w, size_t k, uint32_t floor_ppm, double *sum)
{
    *sum = 0;
    for (size_t i = 0; i < k; i++) {
        if (!(w[i] >= 0) || isinf(w[i]))
            return false;
        *sum += w[i];
    }
    return k >= 1 && k <= THOMPSON_ARMS && *sum > 0 && isfinite(*sum) &&
           (uint64_t)k * floor_ppm <= THOMPSON_PPM;
}

bool thompson_shares(const double *w, size_t k, uint32_t floor_ppm, uint32_t *ppm)
{
    double sum, rest[THOMPSON_ARMS];
    for (size_t i = 0; i < k; i++)
        ppm[i] = 0;
    if (!shares_make_sense(w, k, floor_ppm, &sum))
        return false;
    uint32_t left = THOMPSON_PPM - (uint32_t)k * floor_ppm, free_ppm = left;
    for (size_t i = 0; i < k; i++) {
        double exact = free_ppm * (w[i] / sum);
        uint32_t whole = (uint32_t)fmin(floor(exact), left);
        rest[i] = exact - whole;
        ppm[i] = floor_ppm + whole;
        left -= whole;
    }
    while (left > 0) { /* k times at most, but for rounding */
        size_t largest = 0;
        for (size_t i = 1; i < k; i++)
            if (rest[i] > rest[largest])
                largest = i;
        ppm[largest]++;
        rest[largest] -= 1;
        left--;
    }
    return true;
}

void thompson_add(struct arm_sums *total, const struct arm_sums *phase, double age, double half_life)
{
    double w = half_life > 0 && age > 0 ? exp2(-age / half_life) : 1;
    total->n += w * phase->n;
    total->sum += w * phase->sum;
    total->sum_sq += w * phase->sum_sq;
}

void thompson_rates(const struct arm_sums *arms, size_t k, struct thompson_rate *out)
{
    for (size_t i = 0; i < k; i++)
        out[i] =
            (struct thompson_rate){1 + fmax(0, arms[i].sum), 1 + fmax(0, arms[i].n - fmax(0, arms[i].sum))};
}

void thompson_means(const struct arm_sums *arms, size_t k, struct thompson_mean *out)
{
    double n = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < k; i++) {
        n += arms[i].n;
        sum += arms[i].sum;
        squares +=
            arms[i].n > 0 ? fmax(0, centred_sum(arms[i].n, arms[i].sum, arms[i].sum, arms[i].sum_sq)) : 0;
    }
    double centre = n > 0 ? sum / n : 0, pooled = n > (double)k ? squares / (n - (double)k) : 0;
    for (size_t i = 0; i < k; i++) {
        double m = fmax(0, arms[i].n), own = 0;
        if (m > 1)
            own = fmax(0, centred_sum(m, arms[i].sum, arms[i].sum, arms[i].sum_sq)) / (m - 1);
        out[i] = (struct thompson_mean){((m > 0 ? arms[i].sum : 0) + centre) / (m + 1),
                                        sqrt(fmax(own, pooled) / (m + 1))};
    }
}
