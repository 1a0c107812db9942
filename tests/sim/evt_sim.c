/* Simulates guardrails that are looked at after every event: how often is a harmless experiment stopped, and
 * how fast a harmful one? Seeded: the same numbers every time. tests/sim/evt_sim [RUNS], default 2000 a cell
 * (the bar of docs/statistics.md is for 10000). */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/evt.h"

#define ALPHA 0.05
#define BAR 0.056 /* 5 % and the noise of 10,000 runs */

/* xoshiro256**, Blackman and Vigna (public domain). */
struct rng {
    uint64_t s[4];
};

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        r->s[i] = z ^ z >> 31;
    }
}

/* Uniform in (0, 1). */
static double uniform(struct rng *r)
{
    uint64_t out = rotl(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return ((double)(out >> 11) + 0.5) * 0x1p-53;
}

/* ln of the largest likelihood ratio towards harm. The mixture E never exceeds it, so a look below the
 * threshold here is a look that can't stop, at a tenth of the cost. */
static double ln_best_ratio(const struct evt_phase *p, size_t n, enum evt_harm harm)
{
    double r, sum = 0;
    if (n == 1)
        r = p->control ? (double)p->treatment / (double)p->control * (1 - p->q) / p->q : INFINITY;
    else
        r = evt_rr_mle(p, n);
    if (harm == EVT_UP ? r <= 1 : r >= 1)
        return 0;
    for (size_t i = 0; i < n; i++) {
        double theta = isinf(r) ? 1 : p[i].q * r / (p[i].q * r + 1 - p[i].q);
        if (p[i].treatment > 0)
            sum += (double)p[i].treatment * log(theta / p[i].q);
        if (p[i].control > 0)
            sum += (double)p[i].control * log((1 - theta) / (1 - p[i].q));
    }
    return sum;
}

static bool stops(const struct evt_phase *p, size_t n, enum evt_harm harm, double threshold)
{
    return ln_best_ratio(p, n, harm) >= threshold && evt_log_e(p, n, 1, harm) >= threshold;
}

/* One A/A experiment of at most max_events events, unit by unit (units without an event are skipped over). */
static bool aa_run(struct rng *r, double p, double share, int max_events)
{
    struct evt_phase phase = {0, 0, share};
    double threshold = -log(ALPHA), units = 0, enough = max_events / p;
    for (;;) {
        units += 1 + floor(log(uniform(r)) / log1p(-p));
        if (units > enough)
            return false;
        *(uniform(r) < share ? &phase.treatment : &phase.control) += 1;
        if (stops(&phase, 1, EVT_UP, threshold))
            return true;
    }
}

static int report(const char *what, int hits, int runs, bool ok)
{
    printf("%-62s %5.2f %%  %s\n", what, 100.0 * hits / runs, ok ? "ok" : "FAIL");
    return ok ? 0 : 1;
}

static int aa_cells(int runs)
{
    static const double rates[] = {1e-4, 0.002, 0.02, 0.05}, shares[] = {0.01, 0.1, 0.5, 0.9, 0.95, 0.99};
    int failed = 0;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        for (size_t j = 0; j < sizeof shares / sizeof *shares; j++) {
            struct rng r;
            rng_init(&r, 1000 * i + j);
            int hits = 0;
            for (int k = 0; k < runs; k++)
                hits += aa_run(&r, rates[i], shares[j], 300);
            char what[96];
            snprintf(what, sizeof what, "A/A, base %g, treatment share %g %%: false stops", rates[i],
                     100 * shares[j]);
            failed += report(what, hits, runs, hits <= BAR * runs);
        }
    }
    return failed;
}

/* A ramp: treatment gets 5, 20, then 50 % of those who arrive; the base rate drifts by a factor of 4; events
 * come late, so that units of one phase have theirs during the next. */
#define RAMP_PHASES 3
#define RAMP_UNITS 6000 /* a phase */
#define RAMP_MAX 4000   /* events kept */

struct late_event {
    double time;
    int phase;
    bool treatment;
};

static int by_time(const void *a, const void *b)
{
    double x = ((const struct late_event *)a)->time, y = ((const struct late_event *)b)->time;
    return (x > y) - (x < y);
}

static const double ramp_share[RAMP_PHASES] = {0.05, 0.2, 0.5};

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
        out[n].time = i - 1500 * log(uniform(r));
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

static bool ramp_run(struct rng *r, bool rising, enum evt_harm harm, bool pooled)
{
    static struct late_event events[RAMP_MAX];
    int n = ramp_events(r, rising, events);
    double threshold = -log(ALPHA);
    struct evt_phase phases[RAMP_PHASES] = {{0, 0, 0.05}, {0, 0, 0.2}, {0, 0, 0.5}}, one = {0, 0, 0};
    for (int i = 0; i < n; i++) {
        struct evt_phase *p = pooled ? &one : &phases[events[i].phase];
        *(events[i].treatment ? &p->treatment : &p->control) += 1;
        if (pooled)
            one.q = pooled_share(events[i].time);
        if (stops(pooled ? &one : phases, pooled ? 1 : RAMP_PHASES, harm, threshold))
            return true;
    }
    return false;
}

static int ramp_hits(int runs, bool rising, enum evt_harm harm, bool pooled)
{
    struct rng r;
    rng_init(&r, 77 + 2 * (uint64_t)rising + (uint64_t)harm);
    int hits = 0;
    for (int k = 0; k < runs; k++)
        hits += ramp_run(&r, rising, harm, pooled);
    return hits;
}

static int ramp_cells(int runs)
{
    int failed = 0, worst = 0;
    for (int rising = 0; rising < 2; rising++) {
        for (int down = 0; down < 2; down++) {
            char what[96];
            snprintf(what, sizeof what, "ramp 5-20-50 %%, base rate %s, harm %s: false stops",
                     rising ? "rising" : "falling", down ? "down" : "up");
            int hits = ramp_hits(runs, rising, down ? EVT_DOWN : EVT_UP, false);
            failed += report(what, hits, runs, hits <= BAR * runs);
            int few = runs < 100 ? runs : 100;
            hits = ramp_hits(few, rising, down ? EVT_DOWN : EVT_UP, true) * (runs / few);
            worst = hits > worst ? hits : worst;
        }
    }
    return failed + report("the same with phases pooled must be found out: worst cell", worst, runs,
                           worst > 0.5 * runs);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Units until the stop of EVT and of the sequential probability ratio test that knows the risk ratio. */
static void harm_run(struct rng *r, double p, double ratio, double *evt, double *sprt)
{
    struct evt_phase phase = {0, 0, 0.5};
    double rate = 0.5 * p + 0.5 * p * ratio, q = ratio / (1 + ratio), units = 0, ln_ratio = 0;
    *evt = *sprt = 0;
    while (*evt == 0 || *sprt == 0) {
        units += 1 + floor(log(uniform(r)) / log1p(-rate));
        bool treatment = uniform(r) < q;
        *(treatment ? &phase.treatment : &phase.control) += 1;
        ln_ratio += treatment ? log(2 * q) : log(2 * (1 - q));
        if (*sprt == 0 && ln_ratio >= -log(ALPHA))
            *sprt = units;
        if (*evt == 0 && stops(&phase, 1, EVT_UP, -log(ALPHA)))
            *evt = units;
    }
}

static int harm_cells(int runs)
{
    static const double ratios[] = {1.5, 2, 3};
    double *evt = malloc((size_t)runs * sizeof *evt), *sprt = malloc((size_t)runs * sizeof *sprt);
    double all_evt = 0, all_sprt = 0;
    for (size_t i = 0; evt && sprt && i < sizeof ratios / sizeof *ratios; i++) {
        struct rng r;
        rng_init(&r, 500 + i);
        for (int k = 0; k < runs; k++)
            harm_run(&r, 0.002, ratios[i], &evt[k], &sprt[k]);
        qsort(evt, (size_t)runs, sizeof *evt, by_size);
        qsort(sprt, (size_t)runs, sizeof *sprt, by_size);
        printf("harm x %-4g base 0.2 %%, 50:50: stopped after %.0f units (median); SPRT %.0f\n", ratios[i],
               evt[runs / 2], sprt[runs / 2]);
        all_evt += evt[runs / 2];
        all_sprt += sprt[runs / 2];
    }
    free(evt);
    free(sprt);
    bool ok = all_sprt > 0 && all_evt <= 1.35 * all_sprt;
    printf("together %.3f of the test that knows the ratio (at most 1.35)  %s\n", all_evt / all_sprt,
           ok ? "ok" : "FAIL");
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 2000;
    if (runs < 100) {
        fprintf(stderr, "usage: evt_sim [RUNS], at least 100\n");
        return 2;
    }
    printf("%d runs a cell, alpha %g, looked at after every event\n", runs, ALPHA);
    int failed = aa_cells(runs) + ramp_cells(runs) + harm_cells(runs);
    printf("%d failed\n", failed);
    return failed > 0;
}
