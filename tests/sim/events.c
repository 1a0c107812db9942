/* Binary guardrails by the event-mark test, looked at after every event: A/A cells, a ramp with drift and
 * delays, and how long harm takes to be found. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "looks.h"
#include "sim.h"

#define ALPHA 0.05
#define COUNT(a) (sizeof(a) / sizeof *(a))

struct cell {
    double base, share;
    int events; /* looks */
};

/* Units without an event change nothing in EVT and are skipped over. */
static double aa_run(struct rng *r, const void *arg)
{
    const struct cell *c = arg;
    struct evt_phase phase = {0, 0, c->share};
    for (int i = 0; i < c->events; i++) {
        *(uniform(r) < c->share ? &phase.treatment : &phase.control) += 1;
        if (evt_stops(&phase, 1, EVT_UP, -log(ALPHA)))
            return 1;
    }
    return 0;
}

/* The mutant: a guardrail stopped by the normal mixture, with no gate. Every unit is drawn, because it counts
 * them. */
static double aa_normal_run(struct rng *r, const void *arg)
{
    const struct cell *c = arg;
    double n[2] = {0, 0}, hits[2] = {0, 0}, planned = 300 / c->base;
    for (int i = 0; i < c->events; i++) {
        for (double gap = geometric(r, c->base); gap > 0; gap--)
            n[uniform(r) < c->share]++;
        int arm = uniform(r) < c->share;
        n[arm]++;
        hits[arm]++;
        if (normal_mixture_stops(n, hits, planned, -log(ALPHA)))
            return 1;
    }
    return 0;
}

static void aa_rows(struct sim *s)
{
    static const double bases[] = {1e-4, 0.002, 0.02, 0.05}, shares[] = {0.01, 0.1, 0.5, 0.9, 0.95, 0.99};
    bool mutant = mutated(s, "asympcs-stops");
    if (s->mutant && !mutant)
        return;
    for (size_t i = 0; i < COUNT(bases); i++)
        for (size_t j = 0; j < COUNT(shares); j++) {
            struct cell c = {bases[i], shares[j], s->full ? 1000 : 200};
            char row[96];
            snprintf(row, sizeof row, "A/A, base %g, treatment %g %%: false stops", c.base, 100 * c.share);
            if (!wanted(s, row) || (mutant && (c.base != 0.002 || c.share != 0.95)))
                continue;
            double *x = results_of(s, row, s->runs, mutant ? aa_normal_run : aa_run, &c);
            row_false(s, row, x, s->runs, ALPHA);
            results_free(x, s->runs);
        }
}

/* A ramp: treatment gets 5, 20, then 50 % of those who arrive; the base rate drifts by a factor of 4; events
 * come late, so that units of one phase have theirs during the next. */
#define RAMP_PHASES 3
#define RAMP_UNITS 6000 /* a phase */
#define RAMP_MAX 4000   /* events kept */

struct ramp {
    bool rising, pooled;
    enum evt_harm harm;
};

struct late_event {
    double time;
    int phase;
    bool treatment;
};

static const double ramp_share[RAMP_PHASES] = {0.05, 0.2, 0.5};

static int by_time(const void *a, const void *b)
{
    double x = ((const struct late_event *)a)->time, y = ((const struct late_event *)b)->time;
    return (x > y) - (x < y);
}

static int ramp_events(struct rng *r, bool rising, struct late_event *out)
{
    int n = 0, total = RAMP_PHASES * RAMP_UNITS;
    for (int i = 0; i < total && n < RAMP_MAX; i++) {
        double done = (double)i / total;
        double p = 0.008 * (rising ? 1 + 3 * done : 4 - 3 * done);
        if (uniform(r) >= p)
            continue;
        out[n].phase = i / RAMP_UNITS;
        out[n].treatment = uniform(r) < ramp_share[out[n].phase];
        out[n].time = i + 1500 * exponential(r);
        n++;
    }
    qsort(out, (size_t)n, sizeof *out, by_time);
    return n;
}

/* The mutant of the rule "never pool": all phases' events together, against the share of treatment among
 * those who arrived so far. */
static double pooled_share(double time)
{
    double treated = 0, all = 0;
    for (int k = 0; k < RAMP_PHASES; k++) {
        double units = fmin(RAMP_UNITS, fmax(0, time - k * RAMP_UNITS));
        treated += units * ramp_share[k];
        all += units;
    }
    return treated / all;
}

static double ramp_run(struct rng *r, const void *arg)
{
    const struct ramp *ramp = arg;
    static struct late_event events[RAMP_MAX];
    int n = ramp_events(r, ramp->rising, events);
    struct evt_phase phases[RAMP_PHASES] = {{0, 0, 0.05}, {0, 0, 0.2}, {0, 0, 0.5}}, one = {0, 0, 0};
    for (int i = 0; i < n; i++) {
        struct evt_phase *p = ramp->pooled ? &one : &phases[events[i].phase];
        *(events[i].treatment ? &p->treatment : &p->control) += 1;
        if (ramp->pooled)
            one.q = pooled_share(events[i].time);
        if (evt_stops(ramp->pooled ? &one : phases, ramp->pooled ? 1 : RAMP_PHASES, ramp->harm, -log(ALPHA)))
            return 1;
    }
    return 0;
}

static void ramp_rows(struct sim *s)
{
    bool mutant = mutated(s, "pooled-phases");
    if (s->mutant && !mutant)
        return;
    for (int i = 0; i < 4; i++) {
        struct ramp ramp = {i / 2, mutant, i % 2 ? EVT_DOWN : EVT_UP};
        char row[96];
        snprintf(row, sizeof row, "ramp 5-20-50 %%, base rate %s 4 x, late events, harm %s: false stops",
                 ramp.rising ? "rising" : "falling", i % 2 ? "down" : "up");
        if (!wanted(s, row))
            continue;
        double *x = results_of(s, row, s->runs, ramp_run, &ramp);
        row_false(s, row, x, s->runs, ALPHA);
        results_free(x, s->runs);
    }
}

/* Users until the stop of EVT; of the sequential probability ratio test that knows the risk ratio when
 * `sprt`. */
struct harm {
    double base, ratio;
    bool sprt;
};

static double harm_run(struct rng *r, const void *arg)
{
    const struct harm *h = arg;
    struct evt_phase phase = {0, 0, 0.5};
    double rate = 0.5 * h->base * (1 + h->ratio), q = h->ratio / (1 + h->ratio), units = 0, ln_ratio = 0;
    for (;;) {
        units += 1 + geometric(r, rate);
        bool treatment = uniform(r) < q;
        *(treatment ? &phase.treatment : &phase.control) += 1;
        ln_ratio += log(2 * (treatment ? q : 1 - q));
        if (h->sprt ? ln_ratio >= -log(ALPHA) : evt_stops(&phase, 1, EVT_UP, -log(ALPHA)))
            return units;
    }
}

static void harm_rows(struct sim *s)
{
    static const double ratios[] = {1.5, 2, 3};
    double all[2] = {0, 0};
    if (s->mutant || !wanted(s, "harm x"))
        return;
    for (size_t i = 0; i < COUNT(ratios); i++) {
        char row[128];
        for (int sprt = 1; sprt >= 0; sprt--) {
            struct harm h = {0.002, ratios[i], sprt};
            snprintf(row, sizeof row, "harm x %g, base 0.2 %%, 50:50: users until stopped, median%s", h.ratio,
                     sprt ? " of the SPRT that knows the ratio" : "");
            double *x = results_of(s, row, s->runs, harm_run, &h);
            all[sprt] += median_of(x, s->runs);
            row_median(s, row, x, s->runs, INFINITY);
            results_free(x, s->runs);
        }
    }
    row_number(s, "harm: the three medians together over those of the SPRT", all[0] / all[1], true, 1.35,
               1.15);
}

void events_rows(struct sim *s)
{
    aa_rows(s);
    ramp_rows(s);
    harm_rows(s);
}
