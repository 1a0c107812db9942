/* Prerequisites: the variant of another experiment, decided by the same function. */
#include "core/decide_private.h"

/* What a required experiment serves the subject: its variant, or NULL and why. */
static const struct plan_variant *served_by(const struct question *q, const struct plan_experiment *x,
                                            const char **why)
{
    struct answer a;
    if (x->kind == KIND_HOLDOUT || !x->flag) {
        *why = "no flag asks it";
        return NULL;
    }
    decide_rules(q, x->flag, &a);
    *why = a.experiment == x ? decide_reason_name(a.reason) : "another rule decides";
    return a.experiment == x ? a.variant : NULL;
}

static bool is_met(const struct question *q, const struct plan_prerequisite *r)
{
    const char *why;
    const struct plan_variant *v = served_by(q, r->experiment, &why);
    bool met = false;
    for (size_t i = 0; v && i < r->n_variants && !met; i++)
        met = r->variants[i] == v;
    NOTE(q, .code = TRACE_PREREQUISITE, .ok = met, .name = r->key, .other = v ? v->key : why);
    return met;
}

bool prerequisites_met(const struct question *q, const struct plan_experiment *x)
{
    if (x->n_prerequisites == 0)
        return true;
    struct question deeper = *q;
    deeper.depth++;
    deeper.exposed = NULL;
    deeper.vector = NULL;
    for (size_t i = 0; i < x->n_prerequisites; i++) {
        if (q->depth >= PREREQUISITE_DEPTH || *q->prerequisites_left == 0) {
            NOTE(q, .code = TRACE_PREREQUISITE_DEPTH, .name = x->prerequisites[i].key);
            return false;
        }
        --*q->prerequisites_left;
        if (!is_met(&deeper, &x->prerequisites[i]))
            return false;
    }
    return true;
}
