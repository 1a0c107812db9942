/* Fits a model to rows, and judges it on rows it has not seen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/model_json.h"
#include "core/model.h"
#include "store/train.h"

/* A model may predict what was held out this much worse than each variant's own mean: noise alone does a
 * little, and then it still knows which variant is better. Beyond it the features mislead. */
#define LOSS_MAX 1.05
#define HELD_OUT_MIN 100

/* One arm's rows, side by side. */
struct arm_rows {
    double *x, *y, *weight;
    size_t n;
};

static int gather(const struct train_set *s, size_t arm, int without_fold, struct arm_rows *out)
{
    size_t n = s->per_arm[arm] + 1;
    *out = (struct arm_rows){malloc(n * s->columns * sizeof(double)), malloc(n * sizeof(double)),
                             malloc(n * sizeof(double)), 0};
    if (!out->x || !out->y || !out->weight)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        if (s->arm[i] != arm || s->fold[i] == without_fold)
            continue;
        memcpy(out->x + out->n * s->columns, s->x + i * s->columns, s->columns * sizeof(double));
        out->y[out->n] = s->y[i];
        out->weight[out->n++] = s->weight[i];
    }
    return ERR_OK;
}

static int fit_arm(const struct train_spec *spec, const struct train_set *s, size_t arm, int without_fold,
                   double *weights, struct train_fit *out)
{
    struct arm_rows r;
    struct linear_rule rule = {spec->logistic ? LINEAR_LOGISTIC : LINEAR_RIDGE, spec->ridge, NULL};
    int code = gather(s, arm, without_fold, &r);
    if (code == ERR_OK) {
        struct linear_rows rows = {r.x, r.y, r.weight, r.n, s->columns};
        struct linear_fit fit = linear_model_fit(&rows, &rule, weights);
        if (fit.state == LINEAR_NO_MEMORY)
            code = ERR_NOMEM;
        else if (fit.state != LINEAR_FITTED)
            snprintf(out->refused, sizeof out->refused, "the fit of variant %.60s failed: %s",
                     spec->keys[arm], linear_state_words(fit.state));
    }
    free(r.x);
    free(r.y);
    free(r.weight);
    return code;
}

/* Each arm's mean without the fold that is held out. */
static void arm_means(const struct train_set *s, size_t n_arms, double *means)
{
    double sum[POLICY_ARMS] = {0}, weight[POLICY_ARMS] = {0};
    for (size_t i = 0; i < s->n; i++) {
        if (s->fold[i] == 0)
            continue;
        sum[s->arm[i]] += s->weight[i] * s->y[i];
        weight[s->arm[i]] += s->weight[i];
    }
    for (size_t a = 0; a < n_arms; a++)
        means[a] = weight[a] > 0 ? sum[a] / weight[a] : 0;
}

/* How what the weights predict compares with what came, on fold 0. */
static int judge(const struct train_spec *spec, const struct train_set *s, double *const *weights,
                 struct train_fit *out)
{
    double means[POLICY_ARMS], off = 0, total = 0;
    double *predicted = calloc(3 * (s->n + 1), sizeof *predicted);
    size_t n = 0;
    if (!predicted)
        return ERR_NOMEM;
    double *observed = predicted + s->n + 1, *weight = observed + s->n + 1;
    arm_means(s, spec->n_arms, means);
    for (size_t i = 0; i < s->n; i++) {
        if (s->fold[i] != 0)
            continue;
        predicted[n] = linear_model_predict(spec->logistic ? LINEAR_LOGISTIC : LINEAR_RIDGE,
                                            weights[s->arm[i]], s->x + i * s->columns, s->columns);
        observed[n] = s->y[i];
        double miss = s->y[i] - means[s->arm[i]];
        off += s->weight[i] * miss * miss;
        total += weight[n++] = s->weight[i];
    }
    out->calibration = calibration_of(predicted, observed, weight, n);
    out->baseline = total > 0 ? off / total : 0;
    if (n >= HELD_OUT_MIN && out->calibration.squared > LOSS_MAX * out->baseline && out->baseline > 0)
        snprintf(out->refused, sizeof out->refused,
                 "on %zu decisions held out it predicts %.3g times worse than each variant's mean", n,
                 out->calibration.squared / out->baseline);
    free(predicted);
    return out->calibration.no_memory ? ERR_NOMEM : ERR_OK;
}

/* Inverse gap weighting with gamma = sqrt(n arms / columns) over the rewards' standard deviation: a gap as
 * large as what the fit is unsure of leaves an arm about half of an equal share, whatever the reward's unit.
 */
static void set_gamma(const struct train_spec *spec, const struct train_set *s, struct train_fit *out)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < s->n; i++) {
        double before = s->y[i] - mean;
        mean += before / (double)(i + 1);
        square += before * (s->y[i] - mean);
    }
    out->spread = s->n > 1 ? sqrt(square / (double)s->n) : 0;
    double steps = sqrt((double)s->n * (double)spec->n_arms / (double)s->columns);
    out->gamma = spec->gamma > 0 ? spec->gamma : out->spread > 0 ? steps / out->spread : steps;
    if (out->gamma > 1e9)
        out->gamma = 1e9;
}

static int fit_all(const struct learner *l, const struct train_spec *spec, const struct train_set *s,
                   int without_fold, double **weights, struct train_fit *out)
{
    for (size_t a = 0; a < spec->n_arms && !out->refused[0]; a++) {
        if (l->stopping(l->arg))
            return ERR_UNAVAILABLE;
        weights[a] = arena_alloc(s->arena, s->columns * sizeof **weights);
        int code = weights[a] ? fit_arm(spec, s, a, without_fold, weights[a], out) : ERR_NOMEM;
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

int train_fit(const struct learner *l, const struct train_spec *spec, const struct train_set *s,
              struct train_fit *out)
{
    double *partly[POLICY_ARMS] = {0};
    *out = (struct train_fit){0};
    for (size_t a = 0; a < spec->n_arms; a++)
        if (s->per_arm[a] == 0)
            snprintf(out->refused, sizeof out->refused,
                     "no complete decision of variant %.60s is among the latest %zu (%zu lack an attribute)",
                     spec->keys[a], s->n + s->incomplete, s->incomplete);
    int code = fit_all(l, spec, s, 0, partly, out);
    if (code == ERR_OK && !out->refused[0])
        code = judge(spec, s, partly, out);
    if (code == ERR_OK && !out->refused[0])
        code = fit_all(l, spec, s, -1, out->weights, out);
    set_gamma(spec, s, out);
    return code;
}

static json_t *numbers(const double *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        if (json_array_append_new(list, json_real(v[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *train_document(const struct train_spec *spec, const struct train_set *s, const struct train_fit *f)
{
    json_t *weights = json_object();
    for (size_t a = 0; weights && a < spec->n_arms; a++)
        if (json_object_set_new(weights, spec->keys[a], numbers(f->weights[a], s->columns)) != 0) {
            json_decref(weights);
            return NULL;
        }
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:f}", "kind",
                     spec->logistic ? "logistic" : "linear", "columns", (int)s->columns, "centre",
                     numbers(s->centre, s->n_numbers), "scale", numbers(s->scale, s->n_numbers), "low",
                     numbers(s->low, s->n_numbers), "high", numbers(s->high, s->n_numbers), "weights",
                     weights, "gamma", f->gamma);
}

/* Over at most this many contexts: the shares are for the record. */
#define SHARE_CONTEXTS 5000

int train_shares(const struct train_spec *spec, const struct train_set *s, const json_t *document,
                 struct train_fit *f)
{
    struct error e = {0};
    const struct model *m = NULL;
    struct model_answer answer;
    uint16_t arms[POLICY_ARMS];
    json_t *copy = model_json_copy(document);
    size_t n = s->n < SHARE_CONTEXTS ? s->n : SHARE_CONTEXTS;
    for (size_t a = 0; a < spec->n_arms; a++)
        arms[a] = (uint16_t)a;
    int code = ERR_NOMEM;
    if (json_object_set_new(copy, "id", json_integer(1)) == 0 &&
        json_object_set_new(copy, "version", json_integer(1)) == 0 &&
        json_object_set_new(copy, "floor_ppm", json_integer(spec->floor_ppm)) == 0)
        code = model_from_json(s->arena, copy, s->features, spec->keys, spec->n_arms, &m, &e);
    json_decref(copy);
    if (code == ERR_INVALID) {
        snprintf(f->refused, sizeof f->refused, "%.190s", e.text);
        return ERR_OK;
    }
    for (size_t i = 0; code == ERR_OK && i < n; i++) {
        model_ask(m, &s->attributes[i], arms, spec->n_arms, 0, &answer);
        for (size_t a = 0; a < spec->n_arms; a++)
            f->share[a] += answer.ppm[a] / 1e6 / (double)n;
    }
    return code;
}
