/* Contextual bandits: features and models of a plan, and the draw that a model's probabilities make. */
#include <stdlib.h>
#include <string.h>

#include "core/plan_private.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

/* --- compiling --- */

static int compile_models(struct arena *a, const struct contextual_def *def, const struct plan_experiment *x,
                          struct plan_contextual *c, struct error *e)
{
    const char **keys = arena_alloc(a, x->n_variants * sizeof *keys);
    c->models = arena_alloc(a, def->n_models * sizeof *c->models);
    if (!keys || !c->models)
        return no_memory(e);
    for (size_t i = 0; i < x->n_variants; i++)
        keys[i] = x->variants[i].key;
    for (size_t i = 0; i < def->n_models; i++) {
        int rc = model_compile(a, c->features, &def->models[i], keys, x->n_variants, &c->models[i], e);
        if (rc)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (c->models[k]->id == c->models[i]->id)
                return error_set(e, ERR_INVALID, NULL, "two models have the id %d", c->models[i]->id);
        c->n_models++;
    }
    return 0;
}

static const struct model *find_model(const struct plan_contextual *c, int32_t id)
{
    for (size_t i = 0; i < c->n_models; i++)
        if (c->models[i]->id == id)
            return c->models[i];
    return NULL;
}

/* Insertion by variant id: the order of the slots that a model's probabilities own. */
static void add_eligible(const struct plan_experiment *x, struct plan_phase *ph, uint16_t index)
{
    size_t i = ph->n_eligible++;
    while (i > 0 && x->variants[ph->eligible[i - 1]].id > x->variants[index].id) {
        ph->eligible[i] = ph->eligible[i - 1];
        i--;
    }
    ph->eligible[i] = index;
}

/* The variants a phase's model chooses between. */
static int compile_eligible(struct arena *a, const struct plan_experiment *x, struct plan_phase *ph,
                            struct error *e)
{
    ph->eligible = arena_alloc(a, ph->n_arms * sizeof *ph->eligible);
    if (!ph->eligible)
        return no_memory(e);
    for (size_t i = 0; i < ph->n_arms; i++) {
        const struct plan_variant *v = ph->arms[i].variant;
        size_t index = (size_t)(v - x->variants);
        if (v->dropped)
            continue;
        if (!ph->model->weights[index])
            return error_set(e, ERR_INVALID, NULL, "model %d of phase %d has no weights for variant %s",
                             ph->model->version, ph->number, v->key);
        add_eligible(x, ph, (uint16_t)index);
    }
    if (ph->n_eligible == 0 || ph->n_eligible > POLICY_ARMS)
        return error_set(e, ERR_INVALID, NULL, "phase %d offers %zu variants, not 1 to %d", ph->number,
                         ph->n_eligible, POLICY_ARMS);
    if (ph->n_eligible * ph->model->floor_ppm > SLOTS)
        return error_set(e, ERR_INVALID, NULL,
                         "model %d: a floor of %u ppm for each of the %zu variants is more than %u",
                         ph->model->version, ph->model->floor_ppm, ph->n_eligible, SLOTS);
    return 0;
}

static int link_models(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                       struct error *e)
{
    for (size_t i = 0; i < x->n_phases; i++) {
        int32_t id = def->phases[i].model_id;
        if (id == 0)
            continue;
        if (!x->phases[i].timed)
            return error_set(e, ERR_INVALID, NULL, "phase %d has a model but begins at no time",
                             x->phases[i].number);
        x->phases[i].model = find_model(x->contextual, id);
        if (!x->phases[i].model)
            return error_set(e, ERR_INVALID, NULL, "phase %d names model %d, which is not there",
                             x->phases[i].number, id);
        int rc = compile_eligible(a, x, &x->phases[i], e);
        if (rc)
            return rc;
    }
    return 0;
}

int plan_compile_contextual(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                            struct error *e)
{
    const struct contextual_def *d = def->contextual;
    if (x->kind != KIND_CONTEXTUAL)
        return 0;
    if (!d)
        return error_set(e, ERR_INVALID, NULL,
                         "it is a contextual bandit without a \"contextual\" in its definition");
    struct plan_contextual *c = arena_alloc(a, sizeof *c);
    if (!c)
        return no_memory(e);
    c->safe = d->safe ? plan_variant_find(x, d->safe, strlen(d->safe)) : NULL;
    if (!c->safe)
        return error_set(e, ERR_INVALID, NULL, "the safe variant is none of the experiment's");
    if (d->threshold_ppm < 0 || d->threshold_ppm > (int32_t)SLOTS)
        return error_set(e, ERR_INVALID, NULL, "the threshold is %d, not 0 to %u ppm", d->threshold_ppm,
                         SLOTS);
    c->threshold_ppm = (uint32_t)d->threshold_ppm;
    if (x->n_variants > UINT16_MAX)
        return error_set(e, ERR_INVALID, NULL, "%zu variants are too many", x->n_variants);
    x->contextual = c;
    int rc = features_compile(a, d->features, d->n_features, &c->features, e);
    if (rc == 0)
        rc = compile_models(a, d, x, c, e);
    return rc ? rc : link_models(a, def, x, e);
}

/* --- the draw --- */

static void fill_vector(const struct plan_experiment *x, const struct plan_phase *ph,
                        const struct model_answer *answer, struct vector *out)
{
    out->n = ph->n_eligible;
    for (size_t i = 0; i < out->n; i++)
        out->list[i] = (struct probability){&x->variants[ph->eligible[i]], (int32_t)answer->ppm[i]};
}

/* The safe variant, with certainty; when it was dropped the unit falls back. */
static enum drawn choose_safe(const struct plan_experiment *x, enum model_said said, const struct occasion *o,
                              struct lot *out)
{
    out->variant = x->contextual->safe;
    out->propensity_ppm = (int32_t)SLOTS;
    if (o->vector) {
        o->vector->n = 1;
        o->vector->list[0] = (struct probability){out->variant, (int32_t)SLOTS};
    }
    if (out->variant->dropped)
        return DRAWN_DROPPED;
    return said == MODEL_LOW_CONFIDENCE ? DRAWN_LOW_CONFIDENCE
           : said == MODEL_OUT_OF_RANGE ? DRAWN_OUT_OF_RANGE
                                        : DRAWN_ATTRIBUTE_MISSING;
}

enum drawn plan_choose(const struct plan_experiment *x, const struct unit *u, const struct occasion *o,
                       struct lot *out)
{
    const struct plan_phase *ph = out->phase;
    struct model_answer answer;
    struct draw d;
    model_ask(ph->model, o->attributes, ph->eligible, ph->n_eligible, x->contextual->threshold_ppm, &answer);
    if (answer.said != MODEL_CHOSE)
        return choose_safe(x, answer.said, o, out);
    draw_occasion(ph->salt, u, o->decision, &d);
    out->variant_slot = (int32_t)slot_of(d.w[DRAW_VARIANT]);
    size_t i = policy_pick(answer.ppm, ph->n_eligible, (uint32_t)out->variant_slot);
    out->variant = &x->variants[ph->eligible[i]];
    out->propensity_ppm = (int32_t)answer.ppm[i];
    if (o->vector)
        fill_vector(x, ph, &answer, o->vector);
    return DRAWN;
}

/* --- why, for a trace --- */

#define TOLD_FEATURES 3

static void note_arms(const struct plan_experiment *x, const struct plan_phase *ph, struct trace *t,
                      uint8_t depth, const struct model_answer *answer)
{
    for (size_t i = 0; i < ph->n_eligible; i++)
        trace_add(t, (struct trace_step){.code = TRACE_ARM,
                                         .ok = i == answer->best,
                                         .depth = depth,
                                         .name = x->variants[ph->eligible[i]].key,
                                         .number = (int32_t)answer->ppm[i],
                                         .value = answer->score[i]});
}

/* The features that moved the best arm's score most. */
static void note_features(const struct plan_phase *ph, struct trace *t, uint8_t depth,
                          const struct model_answer *answer)
{
    const struct features *f = ph->model->features;
    bool told[FEATURES_MAX] = {false};
    for (int k = 0; k < TOLD_FEATURES; k++) {
        size_t most = SIZE_MAX;
        double value = 0;
        for (size_t i = 0; i < features_count(f); i++) {
            double v = model_contribution(ph->model, ph->eligible[answer->best], i, answer->row);
            if (!told[i] && (v < 0 ? -v : v) > (value < 0 ? -value : value)) {
                most = i;
                value = v;
            }
        }
        if (most == SIZE_MAX)
            return;
        told[most] = true;
        trace_add(t, (struct trace_step){.code = TRACE_FEATURE,
                                         .ok = true,
                                         .depth = depth,
                                         .name = features_name(f, most),
                                         .value = value});
    }
}

void plan_explain(const struct plan_experiment *x, const struct plan_phase *ph, const struct attr *attributes,
                  struct trace *t, uint8_t depth)
{
    struct model_answer answer;
    model_ask(ph->model, attributes, ph->eligible, ph->n_eligible, x->contextual->threshold_ppm, &answer);
    trace_add(
        t, (struct trace_step){.code = TRACE_MODEL,
                               .ok = answer.said == MODEL_CHOSE,
                               .depth = depth,
                               .number = ph->model->version,
                               .limit = (int32_t)x->contextual->threshold_ppm,
                               .name = answer.attribute,
                               .other = answer.said == MODEL_ATTRIBUTE_MISSING ? "missing" : "out of range",
                               .value = answer.confidence});
    if (answer.attribute)
        return;
    note_arms(x, ph, t, depth, &answer);
    note_features(ph, t, depth, &answer);
}
