/* A fitted model of rewards: a context's features become a score for each arm, scores become probabilities.
 * Used by decide, by replays and by evaluations of policies alike. Pure, immutable once compiled. */
#ifndef COHORT_CORE_MODEL_H
#define COHORT_CORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/features.h"
#include "core/policy.h"

/* Numbers of a model are at most this in size, so that no score overflows. */
#define MODEL_NUMBER_MAX 1e15

struct model_weights_def {
    const char *variant; /* key */
    const double *weights;
    size_t n; /* features_columns() */
};

/* As the plan says it; nothing need outlive model_compile. */
struct model_def {
    int32_t id, version;
    bool logistic;    /* else linear */
    size_t n_numbers; /* of each of the four, features_numbers() */
    const double *centre, *scale, *low, *high;
    const struct model_weights_def *weights;
    size_t n_weights;
    double gamma;
    int32_t floor_ppm;
};

/* Arms are numbered by the caller: 0 to n_arms - 1. */
struct model {
    int32_t id, version;
    bool logistic;
    const struct features *features;
    struct feature_scale scale;
    double gamma;
    uint32_t floor_ppm;
    const double **weights; /* of arm i; NULL: the model does not know it */
    size_t n_arms;
};

/* keys: of the arms. features must be in the same arena or outlive it. ERR_INVALID with a sentence that
 * begins with the model's version; ERR_NOMEM. Weights of variants that are no arm are left out. */
int model_compile(struct arena *a, const struct features *features, const struct model_def *def,
                  const char *const *keys, size_t n_arms, const struct model **out, struct error *e);

enum model_said {
    MODEL_CHOSE,
    MODEL_LOW_CONFIDENCE,    /* the best arm's probability before the floor is below the threshold */
    MODEL_OUT_OF_RANGE,      /* a number outside of what it was trained on; `attribute` says which */
    MODEL_ATTRIBUTE_MISSING, /* or of another type; `attribute` says which */
};

struct model_answer {
    enum model_said said;
    const char *attribute; /* the features'; NULL when it chose */
    size_t best;           /* index into the arms asked; up to LOW_CONFIDENCE */
    double confidence;     /* of the best, before the floor; 0 … 1 */
    double score[POLICY_ARMS];
    uint32_t ppm[POLICY_ARMS];
    double row[FEATURES_COLUMNS_MAX];
};

/* Asks about n arms (1 … POLICY_ARMS), each known to the model, in the order given: the order of the slots.
 * Allocates nothing. */
void model_ask(const struct model *m, const struct attr *attributes, const uint16_t *arms, size_t n,
               uint32_t threshold_ppm, struct model_answer *out);

/* What feature i adds to the score of an arm (before the logistic function), given the row of an answer. */
double model_contribution(const struct model *m, size_t arm, size_t i, const double *row);

#endif
