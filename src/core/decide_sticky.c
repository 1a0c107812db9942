/* Sticky assignment: a signed token of the client's keeps the unit in its variant. */
#include <string.h>

#include "core/decide_private.h"
#include "core/token.h"

#define TOKENS_MAX 64 /* looked at in one context */

/* NULL when the token holds; else why it is ignored. */
static const char *why_ignored(const struct question *q, const struct plan_experiment *x,
                               const struct token *t, const struct unit *u, const struct plan_variant *v)
{
    if (memcmp(&t->unit, u, sizeof *u) != 0)
        return "it is another unit's";
    if (t->issued_us < q->now_us - TOKEN_MAX_AGE_US)
        return "it has expired";
    if (t->issued_us > q->now_us + TOKEN_MAX_FUTURE_US)
        return "it was issued in the future";
    if (x->n_timeline > 0 && q->now_us - t->issued_us >= x->stick_us)
        return "the window that began with its draw has closed";
    if (x->n_timeline > 0 && (t->experiment_id != x->id || !plan_phase_by_id(x, t->phase_id)))
        return "its phase is over, and no longer known";
    return v->dropped ? "its variant was dropped" : NULL;
}

/* The variant, and the phase's probabilities when the phase is of this iteration. */
static void keep(const struct plan_experiment *x, const struct token *t, const struct plan_variant *v,
                 struct answer *out)
{
    const struct plan_phase *ph = t->experiment_id == x->id ? plan_phase_by_id(x, t->phase_id) : NULL;
    serve_variant(v, out);
    out->drawn_us = t->issued_us;
    for (size_t i = 0; ph && i < ph->n_arms; i++)
        if (ph->arms[i].variant == v) {
            out->phase = ph;
            out->propensity_ppm = ph->arms[i].share_ppm;
        }
}

/* True when the token keeps the unit in a variant of this experiment. */
static bool try_token(const struct question *q, const struct plan_experiment *x, const struct attr *text,
                      const struct unit *u, struct answer *out)
{
    struct token t;
    if (text->type != ATTR_STRING)
        return false;
    if (!token_check(q->plan, text->u.string.s, text->u.string.len, &t)) {
        NOTE(q, .code = TRACE_TOKEN, .name = "it is not one of ours");
        return false;
    }
    const struct plan_variant *v = plan_variant_by_id(x, t.variant_id);
    if (!v) /* another experiment's: no mistake */
        return false;
    const char *why = why_ignored(q, x, &t, u, v);
    if (why) {
        NOTE(q, .code = TRACE_TOKEN, .name = why);
        return false;
    }
    NOTE(q, .code = TRACE_TOKEN, .ok = true, .name = v->key);
    keep(x, &t, v, out);
    return true;
}

bool sticky_variant(const struct question *q, const struct plan_experiment *x, struct answer *out)
{
    const struct attr *tokens = attr_get(q->subject->attributes, "cohortTokens", 12);
    struct unit u;
    if (!tokens || !subject_unit(q->plan, q->subject, x->unit_type, &u))
        return false;
    out->unit = u;
    if (tokens->type != ATTR_ARRAY)
        return try_token(q, x, tokens, &u, out);
    for (size_t i = 0; i < tokens->u.array.n && i < TOKENS_MAX; i++)
        if (try_token(q, x, &tokens->u.array.items[i], &u, out))
            return true;
    return false;
}
