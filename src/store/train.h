/* A model of a contextual bandit, fitted to what the log says: read, fit, judge. Internal to store. */
#ifndef COHORT_STORE_TRAIN_H
#define COHORT_STORE_TRAIN_H

#include <jansson.h>

#include "core/arena.h"
#include "core/features.h"
#include "core/policy.h"
#include "stats/calibration.h"
#include "stats/linear_model.h"
#include "store/learn.h"

/* What is to be fitted. Texts are the query's or the arena's. */
struct train_spec {
    const char *experiment_id, *experiment, *environment, *matured;
    json_t *declared; /* {"features": […]} */
    bool logistic;
    bool down;           /* less is better: the model is of 1 - y, or of -y */
    double ridge, gamma; /* gamma 0: computed */
    int floor_ppm;
    size_t n_arms;
    const char *keys[POLICY_ARMS];
    int64_t ids[POLICY_ARMS];
};

/* Rows in the order they were read, latest first. */
struct train_set {
    struct arena *arena;
    const struct features *features;
    size_t columns, n_numbers, room, n;
    size_t number_column[FEATURES_MAX]; /* of each feature of kind number */
    struct attr *attributes;
    double *x, *y, *weight;
    unsigned char *arm, *fold;
    double centre[FEATURES_MAX], scale[FEATURES_MAX], low[FEATURES_MAX], high[FEATURES_MAX];
    size_t per_arm[POLICY_ARMS];
    size_t incomplete; /* rows without a needed attribute */
    char first[40], last[40];
};

/* Weights of a row: 1 / (arms x propensity), so that decisions count as if each arm had the same chance, held
 * at TRAIN_WEIGHT_MAX. For training only: nothing that is shown or judged clips. */
#define TRAIN_WEIGHT_MAX 10.0
#define TRAIN_FOLDS 5 /* one of them is held out to judge the fit; a unit's rows are in one */

/* Reads the rows; a set is freed whatever came of it. */
int train_read(const struct learner *l, const struct train_spec *spec, struct train_set *out,
               struct pg_error *e);
void train_set_free(struct train_set *s);

struct train_fit {
    double *weights[POLICY_ARMS];   /* of `columns`, in the set's arena */
    double gamma, spread;           /* spread: standard deviation of the rewards */
    struct calibration calibration; /* on the rows held out */
    double baseline;                /* mean squared error there of each arm's mean */
    double share[POLICY_ARMS];      /* mean probability over the contexts */
    char refused[200];              /* "" when the fit is good */
};

/* ERR_NOMEM, ERR_UNAVAILABLE when stopping. A fit that is refused is ERR_OK too. */
int train_fit(const struct learner *l, const struct train_spec *spec, const struct train_set *s,
              struct train_fit *out);

/* The model as cohort.model.document has it; NULL without memory. */
json_t *train_document(const struct train_spec *spec, const struct train_set *s, const struct train_fit *f);

/* Mean probabilities over the set's contexts into f->share, by the document itself: what can't be compiled is
 * refused. */
int train_shares(const struct train_spec *spec, const struct train_set *s, const json_t *document,
                 struct train_fit *f);

#endif
