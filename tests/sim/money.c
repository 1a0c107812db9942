/* Guardrails on money: the histogram tilt on lognormal and zero-inflated values with a small arm, looked at
 * after every unit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "looks.h"
#include "sim.h"
#include "stats/tilt.h"

#define ALPHA 0.05
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define BUCKETS (2 * BUCKET_LAST + 1)

struct values {
    double zero;  /* part without an amount */
    double sigma; /* of the amounts' logarithm; their median is 20 */
};

struct money {
    struct values values;
    double share;
    enum tilt_harm harm;
    int units;
    double harm_factor;              /* on treatment's amounts */
    double plus[BUCKETS][TILT_GRID]; /* a treatment unit's factor at each bucket and η; [1] control's */
    double minus[BUCKETS][TILT_GRID];
    struct scores scores;
};

static double value(struct rng *r, const struct values *v)
{
    return uniform(r) < v->zero ? 0 : 20e6 * exp(v->sigma * normal(r));
}

/* Scores registered on history, from a seed of their own. */
static bool register_scores(struct money *m)
{
    static struct bucket_count all[BUCKETS];
    struct rng r;
    enum stat_missing missing;
    rng_init(&r, 4711);
    for (int b = 0; b < BUCKETS; b++)
        all[b] = (struct bucket_count){b - BUCKET_LAST, 0};
    for (int i = 0; i < 50000; i++)
        all[bucket_of(value(&r, &m->values)) + BUCKET_LAST].n++;
    return scores_register(all, BUCKETS, &m->scores, &missing);
}

/* The factors θ/q and (1-θ)/(1-q) by the formula of docs/statistics.md; the library's sum must come to the
 * same. */
static void fill_factors(struct money *m)
{
    static const double eta[TILT_GRID] = {.02, .05, .1, .2, .4, .8, 1.6, 3.2};
    for (int b = 0; b < BUCKETS; b++)
        for (int i = 0; i < TILT_GRID; i++) {
            double bet = (m->harm == TILT_UP ? 1 : -1) * eta[i] * score_of(&m->scores, b - BUCKET_LAST);
            double scale = 1 / (1 + m->share * expm1(bet));
            m->plus[b][i] = exp(bet) * scale;
            m->minus[b][i] = scale;
        }
}

struct money_state {
    double e[TILT_GRID];
    int64_t n[BUCKETS][2];
};

static double mean_e(const struct money_state *s)
{
    double sum = 0;
    for (int i = 0; i < TILT_GRID; i++)
        sum += s->e[i] / TILT_GRID;
    return sum;
}

static void same_as_library(const struct money *m, const struct money_state *s)
{
    struct tilt t = {0};
    for (int b = 0; b < BUCKETS; b++)
        if (s->n[b][0] || s->n[b][1])
            tilt_add(&t, m->share, score_of(&m->scores, b - BUCKET_LAST), s->n[b][1], s->n[b][0]);
    double ln_e = tilt_log_e(&t, m->harm), streamed = log(mean_e(s));
    if (fabs(ln_e - streamed) <= 1e-7 * fmax(1, fabs(ln_e)) || streamed < -500)
        return;
    fprintf(stderr, "tilt_log_e is %.12g, one unit at a time gives %.12g\n", ln_e, streamed);
    _Exit(3);
}

/* Units until the stop, INFINITY without one. */
static double tilt_run(struct rng *r, const void *arg)
{
    const struct money *m = arg;
    struct money_state s = {.e = {1, 1, 1, 1, 1, 1, 1, 1}};
    for (int i = 1; i <= m->units; i++) {
        int arm = uniform(r) < m->share, b;
        b = bucket_of(value(r, &m->values) * (arm ? m->harm_factor : 1)) + BUCKET_LAST;
        s.n[b][arm]++;
        for (int k = 0; k < TILT_GRID; k++)
            s.e[k] *= arm ? m->plus[b][k] : m->minus[b][k];
        if (mean_e(&s) >= 1 / ALPHA) {
            same_as_library(m, &s);
            return i;
        }
    }
    same_as_library(m, &s);
    return INFINITY;
}

/* The mutant: the normal mixture on the difference of means, with no gate. */
static double normal_run(struct rng *r, const void *arg)
{
    const struct money *m = arg;
    double n[2] = {0}, sum[2] = {0}, squares[2] = {0};
    for (int i = 1; i <= m->units; i++) {
        int arm = uniform(r) < m->share;
        double y = value(r, &m->values) / 1e6;
        n[arm]++;
        sum[arm] += y;
        squares[arm] += y * y;
        if (n[0] < 2 || n[1] < 2)
            continue;
        double variance = 0, way = m->harm == TILT_UP ? 1 : -1;
        for (int k = 0; k < 2; k++)
            variance += (squares[k] - sum[k] * sum[k] / n[k]) / (n[k] - 1) / n[k];
        if (normal_mixture_reached(way * (sum[1] / n[1] - sum[0] / n[0]), variance, n[0] + n[1], 10000,
                                   -log(ALPHA)))
            return i;
    }
    return INFINITY;
}

static void money_row(struct sim *s, struct money *m, const char *what, run_fn run)
{
    char row[128];
    snprintf(row, sizeof row, "%s, treatment %g %%, harm %s, tilt: false stops", what, 100 * m->share,
             m->harm == TILT_UP ? "up" : "down");
    if (!wanted(s, row))
        return;
    fill_factors(m);
    double *x = results_of(s, row, s->runs, run, m);
    for (size_t i = 0; i < s->runs; i++)
        x[i] = isfinite(x[i]);
    row_false(s, row, x, s->runs, ALPHA);
    results_free(x, s->runs);
}

/* So that a test that never stops can't pass. */
static void money_harm_row(struct sim *s, struct money *m, const char *what)
{
    char row[128];
    snprintf(row, sizeof row, "%s, 50:50, half as much again: users until stopped, median", what);
    if (!wanted(s, row))
        return;
    m->share = 0.5;
    m->harm = TILT_UP;
    m->harm_factor = 1.5;
    m->units = 200000;
    fill_factors(m);
    double *x = results_of(s, row, s->runs, tilt_run, m);
    row_median(s, row, x, s->runs, m->units);
    results_free(x, s->runs);
}

void money_rows(struct sim *s)
{
    static const struct {
        const char *name;
        struct values values;
    } kinds[] = {{"lognormal, sigma 2", {0, 2}}, {"95 % zero, else lognormal", {0.95, 1}}};
    static const double shares[] = {0.05, 0.95};
    bool mutant = mutated(s, "asympcs-stops");
    if (s->mutant && !mutant)
        return;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        static struct money m;
        m = (struct money){.values = kinds[i].values, .units = s->full ? 20000 : 3000, .harm_factor = 1};
        if (!register_scores(&m))
            row_number(s, "scores could not be registered", 1, true, 0, 1);
        for (size_t j = 0; j < 2 * COUNT(shares); j++) {
            m.share = shares[j / 2];
            m.harm = j % 2 ? TILT_DOWN : TILT_UP;
            money_row(s, &m, kinds[i].name, mutant ? normal_run : tilt_run);
        }
        if (!mutant)
            money_harm_row(s, &m, kinds[i].name);
    }
}
