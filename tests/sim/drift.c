/* Drift of a base rate: how long until a false alarm, and until a doubling is found? */
#include "stats/drift.h"

#include <math.h>
#include <stdio.h>

#include "sim.h"

/* The rate is `before` for `quiet` users and `after` from then on; the detector believes p0. */
struct change {
    double p0, before, after, quiet, run_length, most;
};

/* Users from the change to the alarm, `most` at most; -1 when the alarm came before the change. */
static double drift_run(struct rng *r, const void *arg)
{
    const struct change *c = arg;
    struct drift d;
    double users = 0;
    drift_init(&d, c->p0, DRIFT_UP);
    for (;;) {
        double gap = geometric(r, users < c->quiet ? c->before : c->after);
        if (users < c->quiet && users + gap >= c->quiet) { /* no event until the change, then drawn anew */
            drift_quiet(&d, (int64_t)(c->quiet - users));
            users = c->quiet;
            continue;
        }
        drift_quiet(&d, (int64_t)gap);
        drift_event(&d);
        users += gap + 1;
        if (drift_alarm(&d, c->run_length))
            return users <= c->quiet ? -1 : users - c->quiet;
        if (users - c->quiet >= c->most)
            return c->most;
    }
}

static double mean_of(const double *x, size_t runs)
{
    double sum = 0;
    for (size_t i = 0; i < runs; i++)
        sum += x[i] / (double)runs;
    return sum;
}

static void run_length_row(struct sim *s)
{
    /* the short form promises less, which takes less time */
    double promised = s->full ? 1e6 : 2e4;
    struct change c = {0.002, 0.002, 0.002, 0, promised, INFINITY};
    char row[96];
    snprintf(row, sizeof row, "drift, base 0.2 %%: users until a false alarm, mean, %g promised", promised);
    if (!wanted(s, row))
        return;
    double *x = results_of(s, row, s->runs, drift_run, &c);
    row_number(s, row, mean_of(x, s->runs), false, promised, 1);
    results_free(x, s->runs);
}

static void doubling_row(struct sim *s, double quiet, double bar, const char *row)
{
    struct change c = {0.002, 0.002, 0.004, quiet, 1e6, INFINITY};
    if (!wanted(s, row))
        return;
    size_t runs = s->runs, kept = 0;
    double *x = results_of(s, row, runs, drift_run, &c);
    for (size_t i = 0; i < runs; i++)
        if (x[i] > 0)
            x[kept++] = x[i];
    row_median(s, row, x, kept, bar);
    results_free(x, runs);
}

void drift_rows(struct sim *s)
{
    if (s->mutant)
        return;
    run_length_row(s);
    doubling_row(s, 100000, 6500, "drift, 0.2 % doubles after 100,000 users: users until found, median");
    if (s->full)
        doubling_row(s, 0, INFINITY, "drift, 0.2 % doubled from the first user: users until found, median");
}
