/* What a bandit costs against always serving the best arm: shares that move once a thousand pulls, against
 * Thompson sampling that learns from every pull. Both keep the floor. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bandit.h"
#include "sim.h"

#define ARMS 10
#define PULLS 20000
#define FLOOR 0.01

static const double rates[ARMS] = {0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01};

/* Rewards of the best arm come half a window to a window of pulls later, all others at once. They count when
 * the window has passed; the mutant counts whoever has none yet as somebody without. */
struct game {
    int batch, window;
    bool immature, each; /* each: the reference, a draw of the posterior at every pull */
};

struct pull {
    int arm, due; /* due: the pull at which the reward is there; never: INT_MAX */
    bool event;
};

/* Gamma of shape a >= 1: Marsaglia and Tsang 2000. */
static double gamma_draw(struct rng *r, double a)
{
    double d = a - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(uniform(r)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

static int draw_best(const struct bandit *b, struct rng *r)
{
    int top = 0;
    double best = -1;
    for (int i = 0; i < ARMS; i++) {
        double s = gamma_draw(r, 1 + b->sums[i].sum);
        double rate = s / (s + gamma_draw(r, 1 + b->sums[i].n - b->sums[i].sum));
        if (rate > best) {
            best = rate;
            top = i;
        }
    }
    return top;
}

/* Thompson sampling pull by pull; the floor by a coin. */
static int pull_each(struct bandit *b, struct rng *r)
{
    b->pulls++;
    return uniform(r) < ARMS * FLOOR ? (int)(ARMS * uniform(r)) : draw_best(b, r);
}

/* Rewards that count from pull t on. */
static void mature(struct bandit *b, const struct pull *log, int t, const struct game *g)
{
    if (!g->immature) {
        if (t >= g->window)
            bandit_reward(b, log[t - g->window].arm, log[t - g->window].event);
        return;
    }
    bandit_reward(b, log[t].arm, 0);
}

/* The mutant's events, as they come in. */
static void arrivals(struct bandit *b, const struct pull *log, int t, const struct game *g)
{
    for (int i = t; i >= 0 && i >= t - g->window; i--)
        if (log[i].event && log[i].due == t)
            b->sums[log[i].arm].sum += 1;
}

static double play(struct rng *r, const void *arg)
{
    const struct game *g = arg;
    static struct pull log[PULLS];
    struct bandit b;
    double regret = 0;
    bandit_init(&b, ARMS, FLOOR);
    for (int t = 0; t < PULLS; t++) {
        struct pull *p = &log[t];
        p->arm = g->each ? pull_each(&b, r) : bandit_pull(&b, r);
        p->event = uniform(r) < rates[p->arm];
        p->due = t + (p->arm == 0 ? (int)(g->window * (0.5 + 0.5 * uniform(r))) : 0);
        regret += rates[0] - rates[p->arm];
        mature(&b, log, t, g);
        if (g->immature)
            arrivals(&b, log, t, g);
        if (!g->each && b.pulls % g->batch == 0)
            bandit_update(&b);
    }
    return regret;
}

static double mean_of(const double *x, size_t runs)
{
    double sum = 0;
    for (size_t i = 0; i < runs; i++)
        sum += x[i] / (double)runs;
    return sum;
}

static void row_ratio(struct sim *s, const char *row, int window, bool immature)
{
    struct game batch = {1000, window, immature, false}, each = {1, window, false, true};
    size_t runs = s->full ? s->runs : s->runs / 5;
    if (!wanted(s, row))
        return;
    double *x = results_of(s, row, runs, play, &batch), *y = results_of(s, row, runs, play, &each);
    row_number(s, row, mean_of(x, runs) / mean_of(y, runs), true, 1.2, 1.05);
    results_free(x, runs);
    results_free(y, runs);
}

void regret_rows(struct sim *s)
{
    bool mutant = mutated(s, "immature-rewards");
    if (s->mutant && !mutant)
        return;
    if (!mutant)
        row_ratio(s, "bandit, updated every 1,000 of 20,000 pulls: regret over that of every pull", 0, false);
    row_ratio(s, "the same, the best arm's rewards 1,500 to 3,000 pulls late", 3000, mutant);
}
