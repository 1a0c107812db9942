/* Two arms' values with their variances, whatever method they come from, and what follows from them: the
 * difference, the relative lift by the delta method, and Fieller's interval of their ratio. */
#ifndef COHORT_STATS_CONTRAST_H
#define COHORT_STATS_CONTRAST_H

#include "stats/sums.h"

/* answered = false: all 0 but `missing`. */
struct contrast {
    bool answered;
    enum stat_missing missing;
    double n;                          /* units of both arms */
    double treatment, control;         /* means, proportions, ratios, adjusted means */
    double var_treatment, var_control; /* of these values (SE²) */
    double covariance;                 /* between them; 0 unless both lean on the same covariate */
};

struct estimate {
    bool answered;
    enum stat_missing missing;
    double value, variance; /* variance = SE² */
    double n;               /* units it rests on */
};

struct contrast contrast_without(enum stat_missing missing);
struct estimate estimate_without(enum stat_missing missing);

/* Treatment less control; its variance is var_treatment + var_control - 2 covariance. */
struct estimate contrast_difference(const struct contrast *c);

/* (treatment - control) / |control| by the delta method: with r = treatment / control the variance is
 * (var_treatment - 2 r covariance + r² var_control) / control². No answer for a control of 0. */
struct estimate contrast_relative(const struct contrast *c);

/* How many standard errors the control is from 0; INFINITY without variance. Below DELTA_NEEDS the delta
 * method says too little about what is divided by it, and Fieller's interval is used. */
#define DELTA_NEEDS 5.0
double contrast_strength(const struct contrast *c);

/* Fieller (1954): all ratios λ of treatment over control with (treatment - λ control)² <= m² Var(treatment -
 * λ control), for a half-width of m standard errors. Valid at any time when m is: only the true λ has to
 * pass. False when that is no bounded interval (the control can't be told from 0); low and high are then
 * infinite. */
bool contrast_fieller(const struct contrast *c, double m, double *low, double *high);

#endif
