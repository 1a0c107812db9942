#include "core/model.h"

#include <string.h>

#include "core/draw.h"
#include "core/plan_build.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

/* False for what is not a number, too. */
static bool within(double v, double most)
{
    return v >= -most && v <= most;
}

static int copy_numbers(struct arena *a, const struct model_def *def, const double *from, size_t n,
                        const char *what, const double **out, struct error *e)
{
    double *to = arena_alloc(a, n * sizeof *to);
    if (!to)
        return no_memory(e);
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
        if (!within(to[i], MODEL_NUMBER_MAX))
            return error_set(e, ERR_INVALID, NULL, "model %d: %s %zu is not a number up to 1e15",
                             def->version, what, i + 1);
    }
    *out = to;
    return 0;
}

static int compile_scale(struct arena *a, const struct model_def *def, struct model *m, struct error *e)
{
    size_t n = features_numbers(m->features);
    if (def->n_numbers != n)
        return error_set(e, ERR_INVALID, NULL, "model %d scales %zu numbers, but the features have %zu",
                         def->version, def->n_numbers, n);
    int rc = copy_numbers(a, def, def->centre, n, "centre", &m->scale.centre, e);
    if (rc == 0)
        rc = copy_numbers(a, def, def->scale, n, "scale", &m->scale.scale, e);
    if (rc == 0)
        rc = copy_numbers(a, def, def->low, n, "low", &m->scale.low, e);
    if (rc == 0)
        rc = copy_numbers(a, def, def->high, n, "high", &m->scale.high, e);
    for (size_t i = 0; i < n && rc == 0; i++) {
        double centre = m->scale.centre[i], scale = m->scale.scale[i];
        if (scale <= 0 || !within((m->scale.low[i] - centre) / scale, MODEL_NUMBER_MAX) ||
            !within((m->scale.high[i] - centre) / scale, MODEL_NUMBER_MAX))
            rc = error_set(e, ERR_INVALID, NULL, "model %d: scale %zu is not more than 0, or far too small",
                           def->version, i + 1);
    }
    return rc;
}

static int compile_weights(struct arena *a, const struct model_def *def, const char *const *keys,
                           struct model *m, struct error *e)
{
    size_t columns = features_columns(m->features);
    m->weights = arena_alloc(a, m->n_arms * sizeof *m->weights);
    if (!m->weights)
        return no_memory(e);
    for (size_t i = 0; i < def->n_weights; i++) {
        const struct model_weights_def *w = &def->weights[i];
        size_t arm = 0;
        while (arm < m->n_arms && strcmp(keys[arm], w->variant) != 0)
            arm++;
        if (w->n != columns)
            return error_set(e, ERR_INVALID, NULL, "model %d: %.100s has %zu weights, not %zu", def->version,
                             w->variant, w->n, columns);
        if (arm == m->n_arms)
            continue;
        int rc = copy_numbers(a, def, w->weights, columns, "weight", &m->weights[arm], e);
        if (rc)
            return rc;
    }
    return 0;
}

int model_compile(struct arena *a, const struct features *features, const struct model_def *def,
                  const char *const *keys, size_t n_arms, const struct model **out, struct error *e)
{
    *out = NULL;
    if (def->id <= 0 || def->version <= 0)
        return error_set(e, ERR_INVALID, NULL, "a model has no id or version");
    if (!(def->gamma >= 0 && def->gamma <= MODEL_NUMBER_MAX))
        return error_set(e, ERR_INVALID, NULL, "model %d: gamma is not 0 to 1e15", def->version);
    if (def->floor_ppm < 0 || def->floor_ppm > (int32_t)SLOTS)
        return error_set(e, ERR_INVALID, NULL, "model %d: the floor is %d, not 0 to %u ppm", def->version,
                         def->floor_ppm, SLOTS);
    struct model *m = arena_alloc(a, sizeof *m);
    if (!m)
        return no_memory(e);
    *m = (struct model){.id = def->id,
                        .version = def->version,
                        .logistic = def->logistic,
                        .features = features,
                        .gamma = def->gamma,
                        .floor_ppm = (uint32_t)def->floor_ppm,
                        .n_arms = n_arms};
    int rc = compile_scale(a, def, m, e);
    if (rc == 0)
        rc = compile_weights(a, def, keys, m, e);
    if (rc == 0)
        *out = m;
    return rc;
}

void model_ask(const struct model *m, const struct attr *attributes, const uint16_t *arms, size_t n,
               uint32_t threshold_ppm, struct model_answer *out)
{
    size_t columns = features_columns(m->features);
    out->attribute = NULL;
    out->best = 0;
    out->confidence = 0;
    enum features_read read = features_read(m->features, attributes, &m->scale, out->row, &out->attribute);
    if (read != FEATURES_OK) {
        out->said = read == FEATURES_MISSING ? MODEL_ATTRIBUTE_MISSING : MODEL_OUT_OF_RANGE;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double score = policy_dot(m->weights[arms[i]], out->row, columns);
        out->score[i] = m->logistic ? policy_logistic(score) : score;
    }
    out->best = policy_probabilities(out->score, n, m->gamma, m->floor_ppm, out->ppm, &out->confidence);
    out->said = out->confidence * (double)SLOTS < (double)threshold_ppm ? MODEL_LOW_CONFIDENCE : MODEL_CHOSE;
}

double model_contribution(const struct model *m, size_t arm, size_t i, const double *row)
{
    size_t n, from = features_column(m->features, i, &n);
    return policy_dot(m->weights[arm] + from, row + from, n);
}
