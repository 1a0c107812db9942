#include "store/policy_value.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codec/json_dump.h"

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *estimate(const struct asympcs *a)
{
    if (!a->answered && a->estimate == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "value", number(a->estimate), "std_error",
                     number(a->std_error), "low", number(a->low), "high", number(a->high), "p", number(a->p));
}

static void words(const struct off_policy_answer *a, bool by_decision, char *out, size_t cap)
{
    const char *things = by_decision ? "decisions" : "units";
    switch (a->refusal) {
    case OFF_POLICY_ANSWERED:
        out[0] = '\0';
        break;
    case OFF_POLICY_NO_DECISIONS:
        snprintf(out, cap, "Refused: no %s have matured yet.", things);
        break;
    case OFF_POLICY_UNCOVERED:
        snprintf(
            out, cap,
            "Refused: in %.0f %s the policy may choose what had probability 0 then. The log can't tell what "
            "would have come of it.",
            a->have, things);
        break;
    case OFF_POLICY_FEW:
        if (isfinite(a->more))
            snprintf(out, cap,
                     "Refused: the effective sample size is %.1f, below %.0f. About %.0f more %s are needed.",
                     a->have, a->needed, a->more, things);
        else
            snprintf(
                out, cap,
                "Refused: the effective sample size is %.1f, below %.0f. The policy never chooses what was "
                "served.",
                a->have, a->needed);
        break;
    case OFF_POLICY_BAD_DECISIONS:
    case OFF_POLICY_NO_VARIANCE:
        snprintf(out, cap, "No interval: %s.", off_policy_words(a->refusal));
        break;
    }
}

/* Enough to compute all of it again: src/stats/off_policy.h says how. */
static json_t *sums_of(const struct off_policy_sums *s)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "units",
                     s->units, "n", s->n, "w", s->w, "ww", s->ww, "wy", s->wy, "d", s->d, "y", s->y,
                     "unit_nn", s->nn, "unit_ww", s->w_w, "unit_wywy", s->wy_wy, "unit_dd", s->dd, "unit_nwy",
                     s->n_wy, "unit_wwy", s->w_wy, "unit_nd", s->n_d);
}

char *policy_value_document(const struct off_policy_sums *sums, const struct asympcs_rule *rule,
                            bool by_decision, const char *method)
{
    char text[256];
    struct off_policy_answer a = off_policy_value(sums, rule);
    bool answered = a.refusal == OFF_POLICY_ANSWERED || a.refusal == OFF_POLICY_NO_VARIANCE;
    words(&a, by_decision, text, sizeof text);
    json_t *doc = json_pack(
        "{s:s, s:s, s:s, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f}", "state",
        answered ? "answered" : "refused", "words", text, "method", method, "decisions", sums->n, "units",
        sums->units, "ess", number(a.ess), "mean_weight", number(a.mean_weight), "uncovered",
        number(a.uncovered), "logged", number(a.logged), "ips", answered ? estimate(&a.ips) : json_null(),
        "snips", answered ? estimate(&a.snips) : json_null(), "dr", answered ? estimate(&a.dr) : json_null(),
        "lift", answered ? estimate(&a.lift) : json_null(), "sums", sums_of(sums), "alpha", rule->alpha,
        "n_star", rule->n_star);
    char *out = doc ? json_dump_text(doc, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(doc);
    return out;
}
