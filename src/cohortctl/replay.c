#include "cohortctl/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/plan_json.h"
#include "core/plan_replay.h"

#define PLANS 8 /* servers lag behind each other by a version or two */

struct known {
    int number;
    int64_t version;
};

/* The plan of who knows the first n time phases. */
struct cut {
    size_t n;
    struct plan *plan;
    const struct plan_experiment *experiment;
};

struct replay {
    json_t *document;
    struct known *known; /* by number */
    size_t n_known;
    struct cut cuts[PLANS];
    size_t n_cuts, next_cut;
    struct arena *arena;
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

int replay_new(struct replay **out, const char *document, struct error *e)
{
    json_error_t why;
    struct replay *r = calloc(1, sizeof *r);
    if (!r)
        return no_memory(e);
    r->document = json_loads(document, 0, &why);
    r->arena = arena_new();
    if (!r->document || !r->arena) {
        replay_free(r);
        return error_set(e, ERR_INVALID, NULL, "the experiment can't be read: %s", why.text);
    }
    *out = r;
    return 0;
}

void replay_free(struct replay *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_cuts; i++)
        plan_unref(r->cuts[i].plan);
    json_decref(r->document);
    free(r->known);
    arena_free(r->arena);
    free(r);
}

int replay_know(struct replay *r, int number, int64_t version, struct error *e)
{
    struct known *more = realloc(r->known, (r->n_known + 1) * sizeof *more);
    if (!more)
        return no_memory(e);
    r->known = more;
    r->known[r->n_known++] = (struct known){number, version};
    return 0;
}

/* --- the plan of a version --- */

/* The first time phase came with the start: whoever decided knew it. */
static size_t known_at(const struct replay *r, int64_t version)
{
    size_t n = r->n_known;
    while (n > 1 && r->known[n - 1].version > version)
        n--;
    return n;
}

static bool is_known(const struct replay *r, const json_t *phase, size_t n)
{
    return n >= r->n_known || json_integer_value(json_object_get(phase, "number")) < r->known[n].number ||
           !json_object_get(phase, "from_us");
}

/* The document without the phases that came later. */
static char *document_at(const struct replay *r, size_t n)
{
    json_t *doc = json_deep_copy(r->document), *phase, *left = json_array();
    json_t *x = json_array_get(json_object_get(doc, "experiments"), 0);
    size_t i;
    json_array_foreach(json_object_get(x, "phases"), i, phase)
    {
        if (is_known(r, phase, n))
            json_array_append(left, phase);
    }
    json_object_set_new(x, "phases", left);
    char *text = json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(doc);
    return text;
}

static int make_cut(const struct replay *r, size_t n, struct cut *out, struct error *e)
{
    const json_t *x = json_array_get(json_object_get(r->document, "experiments"), 0);
    const char *key = json_string_value(json_object_get(x, "key"));
    char *text = document_at(r, n);
    struct plan *plan = NULL;
    if (!text || !key) {
        free(text);
        return no_memory(e);
    }
    int rc = plan_from_json(text, strlen(text), &plan, e);
    free(text);
    if (rc < 0)
        return rc;
    *out = (struct cut){n, plan, plan_experiment_find(plan, key, strlen(key))};
    if (!out->experiment || plan_quarantine_count(plan) > 0) {
        rc = error_set(e, ERR_INVALID, key, "can't be decided again: %s",
                       plan_quarantine_count(plan) > 0 ? plan_quarantine_at(plan, 0) : "it is not there");
        plan_unref(plan);
    }
    return rc;
}

static int cut_at(struct replay *r, int64_t version, const struct plan_experiment **out, struct error *e)
{
    size_t n = known_at(r, version);
    struct cut made;
    for (size_t i = 0; i < r->n_cuts; i++)
        if (r->cuts[i].n == n) {
            *out = r->cuts[i].experiment;
            return 0;
        }
    int rc = make_cut(r, n, &made, e);
    if (rc < 0)
        return rc;
    if (r->n_cuts < PLANS)
        r->cuts[r->n_cuts++] = made;
    else {
        plan_unref(r->cuts[r->next_cut].plan);
        r->cuts[r->next_cut] = made;
        r->next_cut = (r->next_cut + 1) % PLANS;
    }
    *out = made.experiment;
    return 0;
}

/* --- one decision --- */

static const char *variant_word(const struct plan_experiment *x, int32_t id)
{
    const struct plan_variant *v = id ? plan_variant_by_id(x, id) : NULL;
    return v ? plan_variant_key(v) : id ? "one it doesn't have" : "none";
}

/* The probabilities as the log has them. */
static json_t *vector_json(const struct vector *v)
{
    json_t *o = json_object();
    char id[16];
    for (size_t i = 0; i < v->n; i++) {
        snprintf(id, sizeof id, "%d", plan_variant_id(v->list[i].variant));
        json_object_set_new(o, id, json_integer(v->list[i].ppm));
    }
    return o;
}

static bool same_vector(const struct replay_row *row, const struct replayed *now)
{
    json_t *drawn = vector_json(&now->vector);
    json_t *logged = row->eligible ? json_loads(row->eligible, 0, NULL) : json_object();
    bool same = drawn && logged && json_equal(drawn, logged);
    json_decref(drawn);
    json_decref(logged);
    return same;
}

static enum replay_answer compare(const struct plan_experiment *x, const struct replay_row *row,
                                  const struct replayed *now, char *why, size_t size)
{
    int32_t logged = row->variant_id ? row->variant_id : row->counterfactual_id;
    int32_t drawn = now->variant ? plan_variant_id(now->variant) : 0;
    bool whole = row->phase_id != 0 && row->variant_id != 0;
    int32_t phase = now->phase ? plan_phase_id(now->phase) : 0;
    int32_t model = now->model ? plan_model_id(now->model) : 0;
    if (row->phase_id && row->phase_id != phase) {
        const struct plan_phase *was = plan_phase_by_id(x, row->phase_id);
        snprintf(why, size, "phase %d was logged, and phase %d draws", was ? plan_phase_number(was) : 0,
                 now->phase ? plan_phase_number(now->phase) : 0);
    } else if (logged != drawn)
        snprintf(why, size, "variant %s was logged, and %s is drawn", variant_word(x, logged),
                 variant_word(x, drawn));
    else if (whole && row->propensity != now->propensity_ppm)
        snprintf(why, size, "a propensity of %d ppm was logged, and it is %d", row->propensity,
                 now->propensity_ppm);
    else if (whole && strcmp(row->reason, decide_reason_name(now->reason)) != 0)
        snprintf(why, size, "the reason %s was logged, and it is %s", row->reason,
                 decide_reason_name(now->reason));
    else if (whole && row->model_id != model)
        snprintf(why, size, "model %d was logged, and model %d decides", row->model_id, model);
    else if (whole && !same_vector(row, now))
        snprintf(why, size, "other probabilities were logged than the model gives");
    else
        return REPLAY_SAME;
    return REPLAY_DIFFERS;
}

/* A token keeps what was drawn earlier: in the phase that is logged, whenever that was. */
static enum replay_answer compare_kept(const struct plan_experiment *x, const struct unit *u,
                                       const struct replay_row *row, char *why, size_t size)
{
    const struct plan_phase *ph = plan_phase_by_id(x, row->phase_id);
    struct plan_assignment drawn;
    if (!ph)
        return REPLAY_NOT_DRAWN; /* of an earlier run */
    struct plan_report report = {.phase = plan_phase_number(ph), .ts_us = row->us};
    if (plan_reported(x, u, &report, &drawn) != REPORT_DRAWN)
        return REPLAY_NOT_DRAWN;
    if (plan_variant_id(drawn.variant) == row->variant_id && drawn.propensity_ppm == row->propensity)
        return REPLAY_SAME;
    snprintf(why, size, "variant %s with %d ppm was kept, and phase %d draws %s with %d",
             variant_word(x, row->variant_id), row->propensity, plan_phase_number(ph),
             plan_variant_key(drawn.variant), drawn.propensity_ppm);
    return REPLAY_DIFFERS;
}

/* Nothing was drawn in this experiment, or what was drawn is not in the log. */
static bool was_drawn(const struct replay_row *row)
{
    static const char *const others[] = {"OVERRIDE", "SHIPPED", "HOLDBACK", NULL};
    for (size_t i = 0; others[i]; i++)
        if (strcmp(row->reason, others[i]) == 0)
            return false;
    return (row->variant_id && row->phase_id) || row->counterfactual_id;
}

static int read_attributes(struct replay *r, const char *text, struct attr *out,
                           const struct attr **attributes, struct error *e)
{
    json_error_t why;
    *attributes = NULL;
    if (!text)
        return 0;
    json_t *v = json_loads(text, 0, &why);
    int rc = v ? json_in_attr(r->arena, v, out, e)
               : error_set(e, ERR_INVALID, NULL, "the inputs of a decision are no JSON: %s", why.text);
    json_decref(v);
    if (rc == 0)
        *attributes = out;
    return rc;
}

int replay_decide(struct replay *r, const struct replay_row *row, enum replay_answer *answer, char *why,
                  size_t size, struct error *e)
{
    const struct plan_experiment *x;
    struct replay_of of = {.at_us = row->us};
    struct attr attributes;
    struct replayed now;
    uint8_t id[16];
    *answer = REPLAY_NOT_DRAWN;
    if (!was_drawn(row))
        return 0;
    arena_reset(r->arena);
    int rc = cut_at(r, row->plan_version, &x, e);
    if (rc == 0)
        rc = uuid_parse(row->unit_id, strlen(row->unit_id), of.unit.bytes);
    if (rc == 0)
        rc = uuid_parse(row->decision_id, strlen(row->decision_id), id);
    if (rc == 0)
        rc = read_attributes(r, row->inputs, &attributes, &of.attributes, e);
    if (rc < 0)
        return rc;
    of.decision_id = id;
    if (strcmp(row->reason, "STICKY") == 0) {
        *answer = compare_kept(x, &of.unit, row, why, size);
        return 0;
    }
    plan_replay(x, &of, &now);
    *answer = compare(x, row, &now, why, size);
    return 0;
}
