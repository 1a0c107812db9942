/* Effects after Thompson sampling, looked at after every event or a hundred units: how often is the truth
 * ever outside the interval, and how wide is it? Three arms, floor 1 %, shares moved by what the arms earned.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandit.h"
#include "sim.h"
#include "stats/adaptive.h"
#include "stats/gate.h"

#define ALPHA 0.05
#define ARMS 3
#define BATCH 1000
#define MAX_PHASES 400
#define WALD 1.959963984540054
#define POINTS 401 /* of the mixture: -2, -1.99 … 2 */

enum wanted { EVER_WRONG, WIDTH, NAIVE };

/* Rates are base × ratio; the base grows to `drift` times itself along the events. Arm 0 is the control. */
struct rates {
    double base, drift, ratio[ARMS];
    int events, watched;
    enum wanted what;
};

/* One contrast on its way: watched arm against the control. */
struct contrast_state {
    struct evt_phase phase[MAX_PHASES];
    size_t phases;
    double bet[POINTS], weight[POINTS]; /* likelihoods over that of the truth */
    double in_arm[POINTS], in_control[POINTS];
    int64_t seen[ARMS];
    double n[ARMS];
};

static double theta(double q, double r)
{
    return q * r / (q * r + 1 - q);
}

/* The log ratios that the mixture bets on. */
static double point(int j)
{
    return 0.01 * (j - POINTS / 2);
}

static void open_phase(struct contrast_state *c, const struct bandit *b, const struct rates *w)
{
    double q = evt_q(b->ppm[w->watched], b->ppm[0]), truth = w->ratio[w->watched] / w->ratio[0];
    double right = theta(q, truth);
    if (c->phases == MAX_PHASES)
        abort();
    c->phase[c->phases++].q = q;
    for (int j = 0; j < POINTS; j++) {
        double at = theta(q, exp(point(j)));
        c->in_arm[j] = at / right;
        c->in_control[j] = (1 - at) / (1 - right);
    }
}

/* E of the mixture against the truth: its factors multiplied up, an event at a time. */
static double bet(struct contrast_state *c, bool in_arm)
{
    double sum = 0;
    for (int j = 0; j < POINTS; j++)
        sum += c->weight[j] * (c->bet[j] *= in_arm ? c->in_arm[j] : c->in_control[j]);
    return sum;
}

static void same_as_library(const struct contrast_state *c, double truth, double e)
{
    double ln_e = mixture_log_e(c->phase, c->phases, truth);
    if (fabs(ln_e - log(e)) <= 1e-7 * fmax(1, fabs(ln_e)))
        return;
    fprintf(stderr, "mixture_log_e is %.12g, one event at a time gives %.12g\n", ln_e, log(e));
    _Exit(3);
}

/* The mutant: Wald's interval of the ratio of pooled rates, as if shares had been fixed and looked at once.
 */
static bool naive_misses(const struct contrast_state *c, const struct rates *w)
{
    double s = (double)c->seen[w->watched], f = (double)c->seen[0], n = c->n[w->watched], m = c->n[0];
    if (s < 20 || f < 20)
        return false;
    double off = log(s / n / (f / m)) - log(w->ratio[w->watched] / w->ratio[0]);
    return fabs(off) > WALD * sqrt(1 / s + 1 / f - 1 / n - 1 / m);
}

static void start(struct contrast_state *c, const struct bandit *b, const struct rates *w)
{
    double whole = 0;
    memset(c, 0, sizeof *c);
    for (int j = 0; j < POINTS; j++) {
        double z = point(j) / 0.3;
        c->bet[j] = 1;
        whole += c->weight[j] = exp(-0.5 * z * z);
    }
    for (int j = 0; j < POINTS; j++)
        c->weight[j] /= whole;
    open_phase(c, b, w);
}

/* The interval's width in ln r over that of Wald's at one fixed look, phases apart too: 2 · 1.96 / √I with
 * the information I = Σ D θ (1 - θ) at the estimate. */
static double width(const struct contrast_state *c)
{
    struct mixture_interval m = mixture_interval(c->phase, c->phases, ALPHA);
    double information = 0;
    for (size_t k = 0; k < c->phases; k++) {
        double t = theta(c->phase[k].q, m.estimate);
        information += (double)(c->phase[k].treatment + c->phase[k].control) * t * (1 - t);
    }
    return log(m.high / m.low) * sqrt(information) / (2 * WALD);
}

static double rates_run(struct rng *r, const void *arg)
{
    const struct rates *w = arg;
    static struct contrast_state c;
    struct bandit b;
    double e = 1, base = w->base;
    bandit_init(&b, ARMS, 0.01);
    start(&c, &b, w);
    for (int events = 0; events < w->events;) {
        int arm = bandit_pull(&b, r);
        bool event = uniform(r) < base * w->ratio[arm];
        bandit_reward(&b, arm, event);
        c.n[arm]++;
        c.seen[arm] += event;
        if (event)
            base = w->base * pow(w->drift, (double)++events / w->events);
        if (event && (arm == 0 || arm == w->watched)) {
            struct evt_phase *p = &c.phase[c.phases - 1];
            *(arm ? &p->treatment : &p->control) += 1;
            e = bet(&c, arm != 0);
            if (w->what == EVER_WRONG ? e >= 1 / ALPHA : w->what == NAIVE && naive_misses(&c, w))
                return 1;
        }
        if (b.pulls % BATCH == 0 && bandit_update(&b))
            open_phase(&c, &b, w);
    }
    same_as_library(&c, w->ratio[w->watched] / w->ratio[0], e);
    return w->what == WIDTH ? width(&c) : 0;
}

static const struct {
    const char *name;
    struct rates rates;
    bool together; /* its width is one of those that the bar is about */
} cells[] = {
    {"equal arms", {0.05, 1, {1, 1, 1}, 0, 1, EVER_WRONG}, true},
    {"equal arms, rates drifting 4x", {0.03, 4, {1, 1, 1}, 0, 1, EVER_WRONG}, false},
    {"one arm 1.5x, watched", {0.05, 1, {1, 1.5, 1}, 0, 1, EVER_WRONG}, true},
    {"one arm 1.5x, watched, rates drifting 4x", {0.03, 4, {1, 1.5, 1}, 0, 1, EVER_WRONG}, false},
    {"one arm 1.5x, another watched", {0.05, 1, {1, 1, 1.5}, 0, 1, EVER_WRONG}, true},
    {"one arm 2x, watched", {0.05, 1, {1, 2, 1}, 0, 1, EVER_WRONG}, false},
};

static void coverage_rows(struct sim *s)
{
    bool mutant = mutated(s, "pooled-wald");
    for (size_t i = 0; i < COUNT(cells); i++) {
        struct rates w = cells[i].rates;
        char row[128];
        w.events = s->full || mutant ? 2000 : 400;
        w.what = mutant ? NAIVE : EVER_WRONG;
        snprintf(row, sizeof row, "after Thompson, %s: truth ever outside", cells[i].name);
        if (!wanted(s, row) || (mutant && i % 2 == 0))
            continue;
        double *x = results_of(s, row, s->runs, rates_run, &w);
        row_false(s, row, x, s->runs, ALPHA);
        results_free(x, s->runs);
    }
}

/* The bar is about no difference, the winner and a loser together: their geometric mean. */
static void width_rows(struct sim *s)
{
    double ln_together = 0, n = 0;
    for (size_t i = 0; i < COUNT(cells); i++) {
        struct rates w = cells[i].rates;
        char row[128];
        size_t runs = s->full ? s->runs : s->runs / 8;
        w.events = 2000;
        w.what = WIDTH;
        snprintf(row, sizeof row, "after Thompson, %s: width over Wald's, 2,000 events", cells[i].name);
        if (!wanted(s, "after Thompson: width") || (!s->full && !cells[i].together))
            continue;
        double *x = results_of(s, row, runs, rates_run, &w), median = median_of(x, runs);
        row_number(s, row, median, true, INFINITY, 1);
        results_free(x, runs);
        ln_together += cells[i].together ? log(median) : 0;
        n += cells[i].together;
    }
    if (n > 0)
        row_number(s, "after Thompson: width over Wald's, no difference, winner and loser together",
                   exp(ln_together / n), true, 1.5, 1.03);
}

/* Amounts of mean `mean`, skew √2. */
struct amounts {
    double mean[ARMS];
    int units, watched; /* the arm; -1: arm 1 less arm 0 */
    enum wanted what;
};

struct means_state {
    struct bandit b;
    struct arm_sums phase[ARMS][MAX_PHASES];
    double share[ARMS][MAX_PHASES], cubes[ARMS];
    size_t phases;
    struct adaptive_phase now[ARMS];
    struct adaptive_sums sums[ARMS];
};

static void open_means(struct means_state *m)
{
    if (m->phases == MAX_PHASES)
        abort();
    for (int a = 0; a < ARMS; a++) {
        m->now[a] = (struct adaptive_phase){m->b.ppm[a] / 1e6, adaptive_plug_in(m->phase[a], m->phases)};
        m->share[a][m->phases] = m->now[a].e;
        m->phase[a][m->phases] = (struct arm_sums){.has_cube = true};
    }
    m->phases++;
}

static void same_sums(const struct means_state *m, double last)
{
    for (int a = 0; a < ARMS; a++) {
        struct adaptive_sums s = {0};
        for (size_t k = 0; k < m->phases; k++) {
            struct adaptive_phase p = {m->share[a][k], adaptive_plug_in(m->phase[a], k)};
            double units = 0;
            for (int b = 0; b < ARMS; b++)
                units += m->phase[b][k].n;
            adaptive_add_phase(&s, &p, units, &m->phase[a][k]);
        }
        struct estimate streamed = adaptive_mean(&m->sums[a]), counted = adaptive_mean(&s);
        if (fabs(streamed.value - counted.value) <= 1e-9 * fabs(streamed.value) &&
            fabs(streamed.variance - counted.variance) <= 1e-7 * streamed.variance)
            continue;
        fprintf(stderr, "AIPW from counts is %.12g, one unit at a time gives %.12g (%g)\n", counted.value,
                streamed.value, last);
        _Exit(3);
    }
}

static void add_amount(struct means_state *m, int arm, double y)
{
    struct arm_sums *p = &m->phase[arm][m->phases - 1];
    p->n += 1;
    p->amounts += 1;
    p->sum += y;
    p->sum_sq += y * y;
    p->sum_cube += y * y * y;
    for (int a = 0; a < ARMS; a++)
        adaptive_add(&m->sums[a], &m->now[a], a == arm, y);
}

/* The mutant: mean and standard error of what each arm got, at 5 %. */
static bool naive_mean_misses(const struct means_state *m, const struct amounts *w)
{
    double value[ARMS], variance[ARMS];
    for (int a = 0; a < ARMS; a++) {
        struct arm_sums t = {0};
        for (size_t k = 0; k < m->phases; k++) {
            t.n += m->phase[a][k].n;
            t.sum += m->phase[a][k].sum;
            t.sum_sq += m->phase[a][k].sum_sq;
        }
        value[a] = t.sum / t.n;
        variance[a] = arm_mean_variance(&t, false);
    }
    if (w->watched >= 0)
        return fabs(value[w->watched] - w->mean[w->watched]) > WALD * sqrt(variance[w->watched]);
    return fabs(value[1] - value[0] - (w->mean[1] - w->mean[0])) > WALD * sqrt(variance[0] + variance[1]);
}

static bool interval_misses(const struct means_state *m, const struct amounts *w)
{
    struct asympcs_rule rule = {ALPHA, w->units, ASYMPCS_BOTH};
    struct asympcs a = w->watched >= 0 ? adaptive_interval(&m->sums[w->watched], &rule)
                                       : adaptive_difference(&m->sums[1], &m->sums[0], &rule);
    double truth = w->watched >= 0 ? w->mean[w->watched] : w->mean[1] - w->mean[0];
    return a.answered && (truth < a.low || truth > a.high);
}

static bool gate_is_open(const struct means_state *m, const struct amounts *w)
{
    int first = w->watched >= 0 ? w->watched : 1, second = w->watched >= 0 ? w->watched : 0;
    return gate_judge(ACROSS_MEAN, m->phase[first], m->phase[second], m->phases).open;
}

static double means_run(struct rng *r, const void *arg)
{
    const struct amounts *w = arg;
    static struct means_state m;
    memset(&m, 0, sizeof m);
    bandit_init(&m.b, ARMS, 0.01);
    m.b.gaussian = true;
    open_means(&m);
    for (int i = 1; i <= w->units; i++) {
        int arm = bandit_pull(&m.b, r);
        double y = 0.5 * w->mean[arm] * (exponential(r) + exponential(r));
        bandit_reward(&m.b, arm, y);
        add_amount(&m, arm, y);
        if (i % 100 == 0 && gate_is_open(&m, w) &&
            (w->what == NAIVE ? naive_mean_misses(&m, w) : interval_misses(&m, w)))
            return 1;
        if (i % BATCH == 0 && bandit_update(&m.b))
            open_means(&m);
    }
    same_sums(&m, m.sums[0].n);
    return 0;
}

static void means_rows(struct sim *s)
{
    static const struct {
        const char *name;
        struct amounts amounts;
    } kinds[] = {
        {"equal means, one arm's mean", {{1, 1, 1}, 0, 1, EVER_WRONG}},
        {"equal means, a difference", {{1, 1, 1}, 0, -1, EVER_WRONG}},
        {"means 1, 1.05, 1.1, the least", {{1, 1.05, 1.1}, 0, 0, EVER_WRONG}},
        {"means 1, 1.05, 1.1, the most", {{1, 1.05, 1.1}, 0, 2, EVER_WRONG}},
    };
    bool mutant = mutated(s, "pooled-wald");
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct amounts w = kinds[i].amounts;
        char row[128];
        w.units = s->full || mutant ? 40000 : 10000;
        w.what = mutant ? NAIVE : EVER_WRONG;
        snprintf(row, sizeof row, "after Thompson, %s by AIPW: truth ever outside", kinds[i].name);
        if (!wanted(s, row) || (mutant && i > 0))
            continue;
        double *x = results_of(s, row, s->runs, means_run, &w);
        row_false(s, row, x, s->runs, ALPHA);
        results_free(x, s->runs);
    }
}

void adapted_rows(struct sim *s)
{
    if (s->mutant && !mutated(s, "pooled-wald"))
        return;
    coverage_rows(s);
    means_rows(s);
    if (!s->mutant)
        width_rows(s);
}
