/* Drift of a rate or of a volume: did it change at some moment nobody knows? Shiryaev-Roberts e-detector with
 * a grid of risk ratios, each with the recursion M <- (1 + M) L; the alarm is mean M >= A, where A is the
 * average run length promised: without a change an alarm comes once in A observations or less often.
 * Formulas: "Shiryaev-Roberts" in docs/statistics.md; Shin, Ramdas, Rinaldo, "E-detectors" (2023).
 *
 * A drift detector alerts; it compares no arms and never stops an experiment. What it is compared with, the
 * base, is measured on separate data, before the first observation, and is then fixed. Every input has an
 * answer, never NaN; M is kept in logs and does not overflow. */
#ifndef COHORT_STATS_DRIFT_H
#define COHORT_STATS_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIFT_GRID 5

enum drift_way { DRIFT_UP, DRIFT_DOWN };

/* What is missing for an answer. */
enum drift_missing {
    DRIFT_COMPLETE,
    DRIFT_NO_DATA,       /* no units, or no intervals, to calibrate on */
    DRIFT_FEW_EVENTS,    /* fewer than DRIFT_MIN_EVENTS in the calibration */
    DRIFT_FEW_INTERVALS, /* fewer than DRIFT_MIN_INTERVALS to see how much the volume varies */
    DRIFT_BAD_BASE       /* more events than units, or a number that is none */
};

#define DRIFT_MIN_EVENTS 20
#define DRIFT_MIN_INTERVALS 20

/* State of one detector; store it between looks. */
struct drift {
    double p0;               /* the base */
    double p1[DRIFT_GRID];   /* what each grid point takes the rate to be after the change */
    double ln_m[DRIFT_GRID]; /* -INFINITY at the start: M = 0 */
    bool answered;           /* false: p0 is no base in (0, 1); ln_m never moves then */
};

/* The base rate p0 of binary outcomes, in (0, 1). Up: the rate is p0 times {1.25, 1.5, 2, 3, 5} after the
 * change (held below (1 + p0)/2, so that a high base stays a rate); down: divided by them. */
void drift_init(struct drift *d, double p0, enum drift_way way);

/* A base from separate data: the one-sided confidence limit of the rate at level confidence that makes false
 * alarms rarer (upper limit for drift up, lower for down; Clopper and Pearson). The promised run length then
 * holds for every true rate on that side of it. confidence outside (0, 1) counts as 0.95. Returns 0 and says
 * in *missing what is missing when there is no base. */
double drift_base(int64_t events, int64_t units, enum drift_way way, double confidence,
                  enum drift_missing *missing);

/* n units without the event, one after the other, in closed form. Between the ends of such a run mean M moves
 * one way only, so looking after it misses nothing. n <= 0 does nothing. */
void drift_quiet(struct drift *d, int64_t n);
/* One unit with the event. */
void drift_event(struct drift *d);

/* events of units arrived in an order that is not known (an interval of a monitor): one observation with
 * their joint likelihood ratio, so the run length is counted in intervals. 0 <= events <= units, else held
 * there. */
void drift_interval(struct drift *d, int64_t events, int64_t units);

/* ln of mean M; -INFINITY before the first observation. */
double drift_ln_m(const struct drift *d);
/* ln_m against ln(run_length); false for a run length below 1 or NaN. */
bool drift_alarm(const struct drift *d, double run_length);

/* What an interval held: outcomes that came in, and what they are measured against (exposures, requests;
 * give 1 for intervals of equal length), in [1e-15, 1e15]. Other volumes and negative outcomes are left out.
 */
struct volume_interval {
    double volume;
    int64_t outcomes;
};

/* Outcomes per unit of volume, and how much more they vary than chance (0: Poisson; v = m + dispersion m²).
 */
struct volume_base {
    double rate, dispersion;
    bool answered;
    enum drift_missing missing;
};

/* The base of a volume from separate intervals. Dispersion by moments, never below 0. */
struct volume_base volume_calibrate(const struct volume_interval *intervals, size_t n);

/* State of a volume's detector: up {1.25, 1.5, 2, 3, 5} times the rate, down the inverse. */
struct volume_drift {
    struct volume_base base;
    double ratio[DRIFT_GRID], ln_m[DRIFT_GRID];
};

void volume_init(struct volume_drift *d, const struct volume_base *base, enum drift_way way);
/* One interval: L is the ratio of negative binomial probabilities with means ratio × rate × volume and rate ×
 * volume and the same dispersion. The run length is counted in intervals. */
void volume_observe(struct volume_drift *d, const struct volume_interval *x);
double volume_ln_m(const struct volume_drift *d);
bool volume_alarm(const struct volume_drift *d, double run_length);

/* "No outcomes": ln of the chance that none at all comes in over this volume if nothing is wrong; 0 (certain)
 * when the base is not answered or the volume is no positive number. */
double volume_ln_silence(const struct volume_base *base, double volume);

#endif
