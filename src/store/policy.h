/* A challenger's policy, and what it would have done in a decision of the log. Internal to store. */
#ifndef COHORT_STORE_POLICY_H
#define COHORT_STORE_POLICY_H

#include <jansson.h>

#include "core/arena.h"
#include "core/attr.h"
#include "core/features.h"
#include "core/model.h"

/* The experiment that is decided: its variants, dropped ones too, as arms. */
struct policy_arms {
    size_t n;
    const char *keys[POLICY_ARMS];
    int64_t ids[POLICY_ARMS];
    size_t safe; /* served where a model can't tell */
    uint32_t threshold_ppm;
    int floor_ppm;
};

struct policy;

/* policy: as cohort.challenger has it. model: its model's document, NULL for other kinds. features: NULL
 * without. ERR_INVALID with a sentence, ERR_NOMEM. */
int policy_compile(struct arena *a, const json_t *policy, const json_t *model,
                   const struct features *features, const struct policy_arms *arms, const struct policy **out,
                   struct error *e);

/* A model of the experiment, by its document. */
int policy_model(struct arena *a, const json_t *document, const struct features *features,
                 const struct policy_arms *arms, const struct model **out, struct error *e);

/* pi[arm] of a decision that could have been any arm with logged[arm] > 0. attributes: what it saw, or NULL.
 */
void policy_ask(const struct policy *p, const struct attr *attributes, const double *logged, double *pi);

/* What a model predicts for each arm with logged > 0; false where it can't. */
bool policy_predict(const struct model *m, const struct policy_arms *arms, const struct attr *attributes,
                    const double *logged, double *predicted);

#endif
