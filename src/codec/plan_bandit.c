/* What bandits have in a plan document: how they assign, features and models. */
#include "codec/plan_fields.h"

#include <string.h>

const struct bandit_def *read_bandit(struct reader *r, const json_t *obj)
{
    static const char *const assigns[] = {"unit", "decision", NULL};
    const json_t *v = object_field(r, obj, "bandit");
    struct bandit_def *out = v ? scratch_array(r, 1, sizeof *out) : NULL;
    if (!out)
        return NULL;
    out->assign = word_field(r, v, "assign", assigns) == 1 ? ASSIGN_DECISION : ASSIGN_UNIT;
    out->stick_us = time_field(r, v, "stick_us", 0);
    return out;
}

/* --- features --- */

static const char *const *read_values(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "values");
    size_t size = json_array_size(list);
    const char **out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        out[i] = json_string_value(json_array_get(list, i));
        if (!out[i])
            refuse(r, "values of a feature", "texts");
    }
    *n = out ? size : 0;
    return out;
}

static void read_interaction(struct reader *r, const json_t *v, struct feature_def *out)
{
    const json_t *of = array_field(r, v, "of");
    out->of[0] = json_string_value(json_array_get(of, 0));
    out->of[1] = json_string_value(json_array_get(of, 1));
    if (json_array_size(of) != 2 || !out->of[0] || !out->of[1])
        refuse(r, "\"of\" of an interaction", "the names of two features");
}

const struct feature_def *read_features(struct reader *r, const json_t *obj, size_t *n)
{
    static const char *const kinds[] = {"number", "boolean", "one_hot", "interaction", NULL};
    const json_t *list = array_field(r, obj, "features");
    size_t size = json_array_size(list);
    struct feature_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        int kind = word_field(r, v, "kind", kinds);
        out[i].kind = kind < 0 ? FEATURE_NUMBER : (enum feature_kind)kind;
        out[i].name = text_field(r, v, "name", NULL);
        if (out[i].kind == FEATURE_INTERACTION)
            read_interaction(r, v, &out[i]);
        else
            out[i].attribute = text_field(r, v, "attribute", NULL);
        if (out[i].kind == FEATURE_ONE_HOT)
            out[i].values = read_values(r, v, &out[i].n_values);
    }
    *n = out ? size : 0;
    return out;
}

/* --- models --- */

static const double *read_numbers(struct reader *r, const json_t *list, const char *what, size_t *n)
{
    size_t size = json_array_size(list);
    double *out = scratch_array(r, size, sizeof *out);
    if (!json_is_array(list))
        refuse(r, what, "an array of numbers");
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_number(v))
            refuse(r, what, "numbers");
        out[i] = json_number_value(v);
    }
    *n = out ? size : 0;
    return out;
}

/* One of the four lists that a model has of its numbers; they must be of one length. */
static const double *read_scale(struct reader *r, const json_t *v, const char *name, struct model_def *m)
{
    size_t n;
    const double *out = read_numbers(r, json_object_get(v, name), name, &n);
    if (n != m->n_numbers)
        refuse(r, "centre, scale, low and high of a model", "lists of one length");
    return out;
}

static const struct model_weights_def *read_weights(struct reader *r, const json_t *v, size_t *n)
{
    const char *key;
    json_t *list;
    size_t i = 0;
    const json_t *all = object_field(r, v, "weights");
    struct model_weights_def *out = scratch_array(r, json_object_size(all), sizeof *out);
    if (!all)
        refuse(r, "weights", "an object of lists, by variant");
    if (out && json_is_object(all)) {
        json_object_foreach((json_t *)all, key, list)
        {
            out[i].variant = key;
            out[i].weights = read_numbers(r, list, "weights", &out[i].n);
            i++;
        }
    }
    *n = i;
    return out;
}

void read_model_def(struct reader *r, const json_t *v, struct model_def *out)
{
    static const char *const kinds[] = {"logistic", "linear", NULL};
    const json_t *gamma = json_object_get(v, "gamma");
    out->id = int_field(r, v, "id");
    out->version = int_field(r, v, "version");
    out->logistic = word_field(r, v, "kind", kinds) == 0;
    out->n_numbers = json_array_size(json_object_get(v, "centre"));
    out->centre = read_scale(r, v, "centre", out);
    out->scale = read_scale(r, v, "scale", out);
    out->low = read_scale(r, v, "low", out);
    out->high = read_scale(r, v, "high", out);
    out->weights = read_weights(r, v, &out->n_weights);
    if (!json_is_number(gamma))
        refuse(r, "gamma", "a number");
    out->gamma = json_number_value(gamma);
    out->floor_ppm = int_field(r, v, "floor_ppm");
}

static const struct model_def *read_models(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "models");
    size_t size = json_array_size(list);
    struct model_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++)
        read_model_def(r, json_array_get(list, i), &out[i]);
    *n = out ? size : 0;
    return out;
}

const struct contextual_def *read_contextual(struct reader *r, const json_t *obj)
{
    const json_t *v = object_field(r, obj, "contextual");
    struct contextual_def *out = v ? scratch_array(r, 1, sizeof *out) : NULL;
    if (!out)
        return NULL;
    out->features = read_features(r, v, &out->n_features);
    out->safe = text_field(r, v, "safe", NULL);
    out->threshold_ppm = int_field(r, v, "threshold_ppm");
    out->models = read_models(r, v, &out->n_models);
    return out;
}
