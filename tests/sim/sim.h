/* Seeded simulations over several processes, and the table they fill. A run's numbers depend on its row and
 * its number only, never on how many processes share the work. */
#ifndef COHORT_TESTS_SIM_H
#define COHORT_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* xoshiro256**, Blackman and Vigna (public domain). */
struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
double uniform(struct rng *r); /* in (0, 1) */
double normal(struct rng *r);
double exponential(struct rng *r); /* of mean 1 */
/* Failures before the first success of probability p, without a loop. */
double geometric(struct rng *r, double p);

struct sim {
    size_t runs;        /* a row */
    int jobs;           /* processes */
    bool full;          /* 10,000 runs or more: judged by the bars as written */
    const char *mutant; /* the wrong statistics put in on purpose; NULL: none */
    const char *only;   /* rows whose name holds this; NULL: all */
    bool quiet;         /* no table */
    int rows, failed;
};

bool mutated(const struct sim *s, const char *name);
/* Whether to compute the row at all. Prints nothing. */
bool wanted(const struct sim *s, const char *row);

/* One run: a number (1 for "stopped", or units until something). */
typedef double (*run_fn)(struct rng *r, const void *arg);

/* The results of `runs` runs of a row, shared out over the processes; ends the program when it can't. Free
 * with results_free. */
double *results_of(const struct sim *s, const char *row, size_t runs, run_fn fn, const void *arg);
void results_free(double *results, size_t runs);

/* False stops: results that are 1. Full: the upper 99 % bound (Clopper and Pearson) may pass alpha by the
 * noise of 10,000 runs only (5.6 % for 5 %). Short: fails when the runs prove a rate above alpha (lower 99.9
 * % bound). */
void row_false(struct sim *s, const char *row, const double *results, size_t runs, double alpha);
double median_of(double *results, size_t runs); /* sorts */
/* The median with its 99 % interval by order statistics against at most `bar`. Short: fails when the interval
 * lies above it. */
void row_median(struct sim *s, const char *row, double *results, size_t runs, double bar);
/* Any number against a bar: at most, or at least. slack: what the short form allows, a factor. */
void row_number(struct sim *s, const char *row, double value, bool at_most, double bar, double slack);

/* The rows. */
void events_rows(struct sim *s);
void world_rows(struct sim *s);
void money_rows(struct sim *s);
void counts_rows(struct sim *s);
void drift_rows(struct sim *s);
void adapted_rows(struct sim *s);
void regret_rows(struct sim *s);
void contextual_rows(struct sim *s);

#endif
