/* Features and fitted models from their JSON, outside of a plan: for training, replays and evaluations. */
#ifndef COHORT_CODEC_MODEL_JSON_H
#define COHORT_CODEC_MODEL_JSON_H

#include <jansson.h>

#include "core/model.h"

/* obj: {"features": […]}, as a plan's "contextual" has them. The features live in the arena. ERR_INVALID with
 * a sentence, ERR_NOMEM. */
int features_from_json(struct arena *a, const json_t *obj, const struct features **out, struct error *e);

/* v: one of a plan's "models": id, version, kind, centre, scale, low, high, weights, gamma, floor_ppm. keys:
 * the variants whose weights are wanted, as arms 0 to n_arms - 1; features: in the same arena. */
int model_from_json(struct arena *a, const json_t *v, const struct features *features,
                    const char *const *keys, size_t n_arms, const struct model **out, struct error *e);

/* A copy of such an object, to be changed; its values are shared. NULL without memory, while jansson's own
 * copy may then leave out a field and say nothing. */
json_t *model_json_copy(const json_t *v);

#endif
