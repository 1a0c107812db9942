/* Sample ratio mismatch, looked at after every unit: how often are whole counts called broken, and how soon
 * are lost exposures found? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include "stats/srm.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ARMS 3

struct traffic {
    double share[ARMS]; /* sum 1; 0: no such arm */
    double loss;        /* part of the first arm's exposures that gets lost */
    int64_t units;      /* the run ends without an alarm */
};

static int drawn(struct rng *r, const double *share)
{
    double u = uniform(r);
    return u < share[0] ? 0 : u < share[0] + share[1] || share[2] <= 0 ? 1 : 2;
}

/* The library's E must say what the predictive products below say. */
static void same_as_library(const int64_t *n, const struct traffic *t, double e)
{
    double ln_e = srm_log_e(n, t->share, t->share[2] > 0 ? 3 : 2);
    if (fabs(ln_e - log(e)) <= 1e-6 * fmax(1, fabs(ln_e)))
        return;
    fprintf(stderr, "srm_log_e is %.12g, one unit at a time gives %.12g\n", ln_e, log(e));
    _Exit(3);
}

/* Units until the alarm, INFINITY without one. E by its predictive factors (c p + n) / ((c + N) p), one unit
 * at a time. */
static double srm_run(struct rng *r, const void *arg)
{
    static const double concentration[] = {1e3, 1e4};
    const struct traffic *t = arg;
    double e[COUNT(concentration)] = {1, 1}, total = 0;
    int64_t n[ARMS] = {0};
    while (total < (double)t->units) {
        int arm = drawn(r, t->share);
        if (arm == 0 && t->loss > 0 && uniform(r) < t->loss)
            continue;
        for (size_t c = 0; c < COUNT(concentration); c++)
            e[c] *= (concentration[c] + (double)n[arm] / t->share[arm]) / (concentration[c] + total);
        n[arm]++;
        total++;
        if (0.5 * (e[0] + e[1]) >= 1 / SRM_ALPHA) {
            same_as_library(n, t, 0.5 * (e[0] + e[1]));
            return total;
        }
    }
    same_as_library(n, t, 0.5 * (e[0] + e[1]));
    return INFINITY;
}

/* Which share of the runs had an alarm, as results of row_false. */
static void mark_alarms(double *x, size_t runs)
{
    for (size_t i = 0; i < runs; i++)
        x[i] = isfinite(x[i]);
}

static void false_alarms(struct sim *s)
{
    static const struct traffic traffic[] = {
        {{0.5, 0.5, 0}, 0, 0}, {{0.05, 0.95, 0}, 0, 0}, {{0.01, 0.99, 0}, 0, 0}, {{0.4, 0.4, 0.2}, 0, 0}};
    for (size_t i = 0; i < COUNT(traffic); i++) {
        struct traffic t = traffic[i];
        t.units = s->full ? 100000 : 5000;
        char row[96];
        snprintf(row, sizeof row, "SRM, shares %g:%g%s, every unit: false alarms", 100 * t.share[0],
                 100 * t.share[1], t.share[2] > 0 ? ":20" : "");
        if (!wanted(s, row))
            continue;
        double *x = results_of(s, row, s->runs, srm_run, &t);
        mark_alarms(x, s->runs);
        row_false(s, row, x, s->runs, SRM_ALPHA);
        results_free(x, s->runs);
    }
}

static void detection(struct sim *s)
{
    static const struct {
        double loss, bar;
    } losses[] = {{0.1, 4900}, {0.02, 131000}};
    for (size_t i = 0; i < COUNT(losses) - !s->full; i++) { /* the second is long */
        struct traffic t = {{0.5, 0.5, 0}, losses[i].loss, 10000000};
        char row[96];
        snprintf(row, sizeof row, "SRM, 50:50, %g %% of control lost: units until found, median",
                 100 * t.loss);
        if (!wanted(s, row))
            continue;
        double *x = results_of(s, row, s->runs, srm_run, &t);
        row_median(s, row, x, s->runs, losses[i].bar);
        results_free(x, s->runs);
    }
}

/* Shares that change: 5, 20, 50 %, each phase with slots of its own, so that all go on to the end. */
struct shifting {
    double loss; /* of control */
    int units, look;
};

static double shifting_run(struct rng *r, const void *arg)
{
    static const double share[3][2] = {{0.95, 0.05}, {0.8, 0.2}, {0.5, 0.5}};
    const struct shifting *t = arg;
    int64_t n[3][2] = {{0}};
    struct srm_phase phases[3];
    for (int k = 0; k < 3; k++)
        phases[k] = (struct srm_phase){n[k], share[k]};
    for (int i = 1, open; i <= t->units; i++) {
        open = 1 + 3 * (i - 1) / t->units;
        int k = (int)(uniform(r) * open), arm = uniform(r) < share[k][1];
        if (arm == 1 || uniform(r) >= t->loss)
            n[k][arm]++;
        if (i % t->look == 0 && srm_phases_log_e(phases, 3, 2) >= -log(SRM_ALPHA))
            return (double)(n[0][0] + n[0][1] + n[1][0] + n[1][1] + n[2][0] + n[2][1]);
    }
    return INFINITY;
}

static void shifting_rows(struct sim *s)
{
    struct shifting t = {0, s->full ? 30000 : 6000, s->full ? 20 : 50};
    const char *row = "SRM over a ramp 5-20-50 %: false alarms";
    if (wanted(s, row)) {
        double *x = results_of(s, row, s->runs, shifting_run, &t);
        mark_alarms(x, s->runs);
        row_false(s, row, x, s->runs, SRM_ALPHA);
        results_free(x, s->runs);
    }
    row = "SRM over a ramp 5-20-50 %, 10 % of control lost: units until found, median";
    t = (struct shifting){0.1, 30000, 50};
    if (wanted(s, row)) {
        size_t runs = s->full ? s->runs : s->runs / 4;
        double *x = results_of(s, row, runs, shifting_run, &t);
        row_median(s, row, x, runs, INFINITY);
        results_free(x, runs);
    }
}

void counts_rows(struct sim *s)
{
    if (s->mutant)
        return;
    false_alarms(s);
    detection(s);
    shifting_rows(s);
}
