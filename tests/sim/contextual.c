/* Contextual decisions against a known truth: a logistic model per arm, fitted again every thousand
 * decisions, inverse gap weighting over its predictions, the draw by the logged parts per million. What does
 * it earn, are its propensities what they say, and does the log tell the value of a policy that never ran? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "sim.h"
#include "stats/linear_model.h"
#include "stats/off_policy.h"

#define ARMS 4
#define COLUMNS 5 /* intercept, two numbers, an indicator, the first number × the indicator */
#define MOST 10000
#define BATCH 1000
#define FLOOR_PPM 10000
#define FOLDS 5
#define CLIP 0.1 /* of the mutant */
#define ALPHA 0.05

/* Log odds of a reward: which arm is best depends on who comes. */
static const double truth[ARMS][COLUMNS] = {
    {-1.2, 0, 0, 0, 0}, {-1.6, 1.8, 0, 0, 0}, {-1.6, -1.8, 0, 0, 0}, {-1.5, 0, 1, 0.8, 0}};

enum asked {
    EARNED,
    ORACLE,
    BEST_FIXED,
    UNIFORM,
    LATE_REGRET,
    LATE_FIXED,
    PROPENSITIES,
    VALUE_IPS,
    VALUE_DR
};

struct play {
    int decisions;
    enum asked what;
    bool clipped; /* propensities below CLIP are written down as CLIP */
};

struct decision {
    double x[COLUMNS], p[ARMS], y;
    double logged; /* propensity as written down */
    int arm, best; /* best: the oracle's */
};

struct replay {
    struct decision log[MOST];
    double model[ARMS][COLUMNS], gamma;
    /* rows of one arm, for a fit */
    double x[MOST * COLUMNS], y[MOST];
    unsigned fold[MOST];
};

static void draw_context(struct rng *r, double *x)
{
    x[0] = 1;
    x[1] = 2 * uniform(r) - 1;
    x[2] = 2 * uniform(r) - 1;
    x[3] = uniform(r) < 0.4;
    x[4] = x[1] * x[3];
}

static double rate(const double *coefficients, const double *x)
{
    return linear_model_predict(LINEAR_LOGISTIC, coefficients, x, COLUMNS);
}

static int best_of(const double coefficients[ARMS][COLUMNS], const double *x)
{
    int best = 0;
    for (int a = 1; a < ARMS; a++)
        if (rate(coefficients[a], x) > rate(coefficients[best], x))
            best = a;
    return best;
}

/* The rows of one arm, or of all (arm -1), among the first n decisions. */
static struct linear_rows rows_of(struct replay *g, int arm, int n)
{
    size_t k = 0;
    for (int i = 0; i < n; i++) {
        if (arm >= 0 && g->log[i].arm != arm)
            continue;
        memcpy(g->x + k * COLUMNS, g->log[i].x, sizeof g->log[i].x);
        g->fold[k] = (unsigned)i % FOLDS;
        g->y[k++] = g->log[i].y;
    }
    return (struct linear_rows){.x = g->x, .y = g->y, .n = k, .columns = COLUMNS};
}

/* All arms together first; each arm leans towards that until it has data of its own. */
static void fit(struct replay *g, int n)
{
    double all[COLUMNS];
    struct linear_rule rule = {LINEAR_LOGISTIC, 1, NULL};
    struct linear_rows rows = rows_of(g, -1, n);
    if (linear_model_fit(&rows, &rule, all).state != LINEAR_FITTED)
        abort();
    rule.centre = all;
    for (int a = 0; a < ARMS; a++) {
        rows = rows_of(g, a, n);
        if (linear_model_fit(&rows, &rule, g->model[a]).state != LINEAR_FITTED)
            abort();
    }
    g->gamma = sqrt(ARMS * (double)n);
}

static void decide(struct replay *g, struct decision *d, struct rng *r, bool clipped)
{
    double scores[ARMS];
    uint32_t ppm[ARMS];
    draw_context(r, d->x);
    for (int a = 0; a < ARMS; a++)
        scores[a] = rate(g->model[a], d->x);
    policy_probabilities(scores, ARMS, g->gamma, FLOOR_PPM, ppm, NULL);
    d->arm = (int)policy_pick(ppm, ARMS, (uint32_t)(1e6 * uniform(r)));
    d->best = best_of(truth, d->x);
    d->y = uniform(r) < rate(truth[d->arm], d->x);
    for (int a = 0; a < ARMS; a++)
        d->p[a] = ppm[a] / 1e6;
    d->logged = d->p[d->arm];
    if (clipped)
        d->logged = fmax(CLIP, d->logged);
}

/* Mean over decisions from first to last of the arm's true rate; -1: the oracle's, -2: of the arm taken, -3:
 * of an arm taken at random. */
static double earns(const struct replay *g, int arm, int first, int last)
{
    double sum = 0;
    for (int i = first; i < last; i++) {
        const struct decision *d = &g->log[i];
        if (arm == -3)
            for (int a = 0; a < ARMS; a++)
                sum += rate(truth[a], d->x) / ARMS;
        else
            sum += rate(truth[arm == -1 ? d->best : arm == -2 ? d->arm : arm], d->x);
    }
    return sum / (last - first);
}

static double best_fixed(const struct replay *g, int first, int last)
{
    double best = 0;
    for (int a = 0; a < ARMS; a++)
        best = fmax(best, earns(g, a, first, last));
    return best;
}

/* Is the mean of 1/p over each arm's decisions n / n_arm? The largest distance, in standard errors of
 * Σ 1{arm} / p. */
static double propensities_off(const struct replay *g, int n)
{
    double most = 0;
    for (int a = 0; a < ARMS; a++) {
        double sum = 0, variance = 0;
        for (int i = 0; i < n; i++) {
            sum += (g->log[i].arm == a ? 1 / g->log[i].logged : 0) - 1;
            variance += 1 / g->log[i].p[a] - 1;
        }
        most = fmax(most, fabs(sum) / sqrt(variance));
    }
    return most;
}

/* Whether the oracle's value is ever outside its interval by IPS, looked at every 500 decisions. */
static bool ips_ever_wrong(const struct replay *g, int n)
{
    struct asympcs_rule rule = {ALPHA, n, ASYMPCS_BOTH};
    struct off_policy_sums s = {0};
    for (int i = 0; i < n; i++) {
        const struct decision *d = &g->log[i];
        struct off_policy_unit u = {0};
        off_policy_decide(&u, &(struct off_policy_decision){
                                  .logged = d->logged, .policy = d->arm == d->best, .reward = d->y});
        off_policy_add(&s, &u);
        if ((i + 1) % 500)
            continue;
        struct off_policy_answer a = off_policy_value(&s, &rule);
        double value = earns(g, -1, 0, i + 1);
        if (a.ips.answered && (value < a.ips.low || value > a.ips.high))
            return true;
    }
    return false;
}

/* The same by DR at the end, with models that have not seen the decisions; its standard error over that of
 * IPS otherwise. */
static double doubly_robust(struct replay *g, int n)
{
    double q[ARMS][FOLDS * COLUMNS];
    struct linear_rule by = {LINEAR_LOGISTIC, 1, NULL};
    struct asympcs_rule rule = {ALPHA, n, ASYMPCS_BOTH};
    struct off_policy_sums s = {0};
    for (int a = 0; a < ARMS; a++) {
        struct linear_rows rows = rows_of(g, a, n);
        if (linear_model_cross_fit(&rows, &by, g->fold, FOLDS, q[a]).state != LINEAR_FITTED)
            abort();
    }
    for (int i = 0; i < n; i++) {
        const struct decision *d = &g->log[i];
        struct off_policy_unit u = {0};
        size_t at = (size_t)(i % FOLDS) * COLUMNS;
        off_policy_decide(&u, &(struct off_policy_decision){.logged = d->logged,
                                                            .policy = d->arm == d->best,
                                                            .reward = d->y,
                                                            .predicted = rate(q[d->arm] + at, d->x),
                                                            .value = rate(q[d->best] + at, d->x)});
        off_policy_add(&s, &u);
    }
    struct off_policy_answer a = off_policy_value(&s, &rule);
    return a.dr.std_error / a.ips.std_error;
}

static double play(struct rng *r, const void *arg)
{
    const struct play *p = arg;
    static struct replay g;
    int n = p->decisions, late = n - n / 5;
    memset(g.model, 0, sizeof g.model);
    g.gamma = 0; /* equal chances until there is a model */
    for (int i = 0; i < n; i++) {
        if (i > 0 && i % BATCH == 0)
            fit(&g, i);
        decide(&g, &g.log[i], r, p->clipped);
    }
    switch (p->what) {
    case EARNED:
        return earns(&g, -2, 0, n);
    case ORACLE:
        return earns(&g, -1, 0, n);
    case BEST_FIXED:
        return best_fixed(&g, 0, n);
    case UNIFORM:
        return earns(&g, -3, 0, n);
    case LATE_REGRET:
        return earns(&g, -1, late, n) - earns(&g, -2, late, n);
    case LATE_FIXED:
        return earns(&g, -1, late, n) - best_fixed(&g, late, n);
    case PROPENSITIES:
        return propensities_off(&g, n) > 3;
    case VALUE_IPS:
        return ips_ever_wrong(&g, n);
    case VALUE_DR:
        return doubly_robust(&g, n);
    }
    return 0;
}

/* The mean over runs; the same seeds for every question. */
static double mean_of(const struct sim *s, size_t runs, int decisions, enum asked what)
{
    struct play p = {decisions, what, false};
    double *x = results_of(s, "contextual", runs, play, &p), sum = 0;
    for (size_t i = 0; i < runs; i++)
        sum += x[i] / (double)runs;
    results_free(x, runs);
    return sum;
}

static void earned_rows(struct sim *s, int n)
{
    size_t runs = s->full ? s->runs / 10 : 6;
    if (!wanted(s, "contextual: earned"))
        return;
    double oracle = mean_of(s, runs, n, ORACLE), fixed = mean_of(s, runs, n, BEST_FIXED);
    double learned = mean_of(s, runs, n, EARNED);
    row_number(s, "contextual: reward a decision, the best arm for each (oracle)", oracle, true, INFINITY, 1);
    row_number(s, "contextual: reward a decision, best fixed arm", fixed, true, INFINITY, 1);
    row_number(s, "contextual: reward a decision, uniform", mean_of(s, runs, n, UNIFORM), true, INFINITY, 1);
    row_number(s, "contextual: reward a decision, learned on the way", learned, true, INFINITY, 1);
    row_number(s, "contextual: earned over the best fixed arm's", learned / fixed, false, 1.15, 1.1);
    row_number(s, "contextual: regret of the last fifth over that of the best fixed arm",
               mean_of(s, runs, n, LATE_REGRET) / mean_of(s, runs, n, LATE_FIXED), true, 0.4, 1.5);
    row_number(s, "off-policy: DR's standard error over that of IPS", mean_of(s, runs, n, VALUE_DR), true,
               0.95, 1.05);
}

static void wrong_row(struct sim *s, const char *row, struct play p)
{
    size_t runs = s->full ? s->runs / 10 : s->runs / 4;
    if (!wanted(s, row))
        return;
    double *x = results_of(s, row, runs, play, &p);
    row_false(s, row, x, runs, ALPHA);
    results_free(x, runs);
}

void contextual_rows(struct sim *s)
{
    bool mutant = mutated(s, "clipped-propensities");
    int n = s->full ? MOST : 4000;
    if (s->mutant && !mutant)
        return;
    if (!mutant)
        earned_rows(s, n);
    wrong_row(s, "contextual: mean of 1/p of an arm 3 standard errors from n / n_arm",
              (struct play){n, PROPENSITIES, mutant});
    wrong_row(s, "off-policy: the oracle's value ever outside its interval by IPS",
              (struct play){n, VALUE_IPS, mutant});
}
