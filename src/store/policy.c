#include "store/policy.h"

#include <string.h>

#include "codec/json_in.h"
#include "codec/model_json.h"
#include "core/condition.h"

enum policy_kind { POLICY_VARIANT, POLICY_UNIFORM, POLICY_MODEL, POLICY_RULE };

struct rule {
    const struct condition *condition;
    size_t arm;
};

struct policy {
    enum policy_kind kind;
    struct policy_arms arms;
    const struct model *model;
    const struct rule *rules;
    size_t n_rules;
    size_t arm; /* of a variant, or where no rule is met */
};

static int arm_named(const struct policy_arms *arms, const json_t *key, size_t *out, struct error *e)
{
    const char *name = json_string_value(key);
    for (size_t i = 0; name && i < arms->n; i++)
        if (strcmp(arms->keys[i], name) == 0) {
            *out = i;
            return ERR_OK;
        }
    return error_set(e, ERR_INVALID, NULL, "the policy names \"%.100s\", which is no variant",
                     name ? name : "");
}

static int compile_rule(struct arena *a, const json_t *v, const struct policy_arms *arms, struct rule *out,
                        struct error *e)
{
    struct attr *definition = arena_alloc(a, sizeof *definition);
    if (!definition)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = json_in_attr(a, json_object_get(v, "condition"), definition, e);
    if (code == ERR_OK)
        code = condition_compile(a, definition, NULL, &out->condition, e);
    return code == ERR_OK ? arm_named(arms, json_object_get(v, "variant"), &out->arm, e) : code;
}

static int compile_rules(struct arena *a, const json_t *policy, struct policy *p, struct error *e)
{
    const json_t *list = json_object_get(policy, "rules");
    size_t n = json_array_size(list);
    struct rule *rules = arena_alloc(a, (n + 1) * sizeof *rules);
    int code = rules ? ERR_OK : error_set(e, ERR_NOMEM, NULL, "out of memory");
    for (size_t i = 0; code == ERR_OK && i < n; i++)
        code = compile_rule(a, json_array_get(list, i), &p->arms, &rules[i], e);
    p->rules = rules;
    p->n_rules = n;
    return code == ERR_OK ? arm_named(&p->arms, json_object_get(policy, "otherwise"), &p->arm, e) : code;
}

int policy_model(struct arena *a, const json_t *document, const struct features *features,
                 const struct policy_arms *arms, const struct model **out, struct error *e)
{
    json_t *whole = model_json_copy(document);
    int code = json_object_set_new(whole, "floor_ppm", json_integer(arms->floor_ppm)) == 0
                   ? model_from_json(a, whole, features, arms->keys, arms->n, out, e)
                   : error_set(e, ERR_NOMEM, NULL, "out of memory");
    json_decref(whole);
    return code;
}

int policy_compile(struct arena *a, const json_t *policy, const json_t *model,
                   const struct features *features, const struct policy_arms *arms, const struct policy **out,
                   struct error *e)
{
    const char *kind = json_string_value(json_object_get(policy, "kind"));
    struct policy *p = arena_alloc(a, sizeof *p);
    if (!p)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    p->arms = *arms;
    *out = p;
    if (!kind || strcmp(kind, "uniform") == 0) {
        p->kind = POLICY_UNIFORM;
        return ERR_OK;
    }
    if (strcmp(kind, "variant") == 0) {
        p->kind = POLICY_VARIANT;
        return arm_named(arms, json_object_get(policy, "variant"), &p->arm, e);
    }
    if (strcmp(kind, "rule") == 0) {
        p->kind = POLICY_RULE;
        return compile_rules(a, policy, p, e);
    }
    p->kind = POLICY_MODEL;
    if (!model || !features)
        return error_set(e, ERR_INVALID, NULL, "the policy's model is not there");
    return policy_model(a, model, features, arms, &p->model, e);
}

/* The arms a decision could have been that a model knows, in the order of the slots. */
static size_t possible(const struct model *m, size_t n_arms, const double *logged, uint16_t *arms)
{
    size_t n = 0;
    for (size_t i = 0; i < n_arms; i++)
        if (logged[i] > 0 && (!m || m->weights[i]))
            arms[n++] = (uint16_t)i;
    return n;
}

static void ask_model(const struct policy *p, const struct attr *attributes, const double *logged, double *pi)
{
    struct model_answer answer;
    uint16_t arms[POLICY_ARMS];
    size_t n = possible(p->model, p->arms.n, logged, arms);
    if (n > 0)
        model_ask(p->model, attributes, arms, n, p->arms.threshold_ppm, &answer);
    if (n == 0 || answer.said != MODEL_CHOSE) {
        pi[p->arms.safe] = 1;
        return;
    }
    for (size_t i = 0; i < n; i++)
        pi[arms[i]] = answer.ppm[i] / 1e6;
}

void policy_ask(const struct policy *p, const struct attr *attributes, const double *logged, double *pi)
{
    uint16_t arms[POLICY_ARMS];
    size_t n, arm = p->arm;
    memset(pi, 0, p->arms.n * sizeof *pi);
    switch (p->kind) {
    case POLICY_UNIFORM:
        n = possible(NULL, p->arms.n, logged, arms);
        for (size_t i = 0; i < n; i++)
            pi[arms[i]] = 1.0 / (double)n;
        return;
    case POLICY_MODEL:
        ask_model(p, attributes, logged, pi);
        return;
    case POLICY_RULE:
        for (size_t i = p->n_rules; i-- > 0;)
            if (condition_eval(p->rules[i].condition, attributes))
                arm = p->rules[i].arm;
        break;
    case POLICY_VARIANT:
        break;
    }
    pi[arm] = 1;
}

bool policy_predict(const struct model *m, const struct policy_arms *all, const struct attr *attributes,
                    const double *logged, double *predicted)
{
    struct model_answer answer;
    uint16_t arms[POLICY_ARMS];
    size_t n = possible(m, all->n, logged, arms);
    memset(predicted, 0, all->n * sizeof *predicted);
    if (n == 0)
        return false;
    model_ask(m, attributes, arms, n, 0, &answer);
    if (answer.said != MODEL_CHOSE)
        return false;
    for (size_t i = 0; i < n; i++)
        predicted[arms[i]] = answer.score[i];
    return true;
}
