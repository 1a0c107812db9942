#include "core/trace.h"

#include <stdio.h>

void trace_add(struct trace *t, struct trace_step step)
{
    if (!t)
        return;
    if (t->n == TRACE_STEPS)
        t->cut = true;
    else
        t->steps[t->n++] = step;
}

const char *trace_code_name(enum trace_code c)
{
    static const char *const names[TRACE_COUNT] = {
        [TRACE_FLAG_ARCHIVED] = "flag_archived",
        [TRACE_RULE] = "rule",
        [TRACE_CONDITION] = "condition",
        [TRACE_ROLLOUT] = "rollout",
        [TRACE_BROKEN] = "broken",
        [TRACE_OVERRIDE] = "override",
        [TRACE_STATUS] = "status",
        [TRACE_TOKEN] = "token",
        [TRACE_HOLDOUT] = "holdout",
        [TRACE_HOLDOUT_SKIPPED] = "holdout_skipped",
        [TRACE_PREREQUISITE] = "prerequisite",
        [TRACE_PREREQUISITE_DEPTH] = "prerequisite_depth",
        [TRACE_TARGETING] = "targeting",
        [TRACE_UNIT_MISSING] = "unit_missing",
        [TRACE_LAYER] = "layer",
        [TRACE_TRAFFIC] = "traffic",
        [TRACE_VARIANT] = "variant",
        [TRACE_SHIPPED] = "shipped",
        [TRACE_SUPPRESSED] = "suppressed",
        [TRACE_BLIND] = "blind",
    };
    return (unsigned)c < TRACE_COUNT ? names[c] : "unknown";
}

static int describe_traffic(const struct trace_step *s, char *text, size_t cap)
{
    if (s->ok)
        return snprintf(text, cap, "traffic: slot %d belongs to phase %d", s->number, s->limit);
    if (s->limit < 0)
        return snprintf(text, cap, "traffic: slot %d belongs to phase %d and is closed", s->number,
                        -s->limit);
    return snprintf(text, cap, "traffic: slot %d is no phase's", s->number);
}

static int describe_shipped(const struct trace_step *s, char *text, size_t cap)
{
    if (s->number < 0)
        return snprintf(text, cap, "everybody gets %s, which shipped", s->name);
    return snprintf(text, cap, "shipped: slot %d is %s the %d ppm held back, so it gets %s", s->number,
                    s->ok ? "outside" : "within", s->limit, s->name);
}

static int describe_draw(const struct trace_step *s, char *text, size_t cap)
{
    switch (s->code) {
    case TRACE_HOLDOUT:
        return snprintf(text, cap, "holdout %s: slot %d is arm %s, which %s", s->name, s->number, s->other,
                        s->ok ? "lets it through" : "keeps it out");
    case TRACE_LAYER:
        return snprintf(text, cap, "layer %s: slot %d is %sone of the experiment's", s->name, s->number,
                        s->ok ? "" : "not ");
    case TRACE_TRAFFIC:
        return describe_traffic(s, text, cap);
    case TRACE_VARIANT:
        return snprintf(text, cap, "slot %d of the phase is variant %s%s", s->number, s->name,
                        s->ok ? "" : ", which was dropped");
    case TRACE_SHIPPED:
        return describe_shipped(s, text, cap);
    default:
        return snprintf(text, cap, "rollout: slot %d is %s the share of %d ppm", s->number,
                        s->ok ? "within" : "outside", s->limit);
    }
}

static int describe_blind(const struct trace_step *s, char *text, size_t cap)
{
    if (s->number < 0)
        return snprintf(text, cap, "nobody watches its guardrails: the monitor was never heard");
    return snprintf(
        text, cap,
        "nobody watches its guardrails: the monitor has not been heard for %d s, and it allows %d s",
        s->number, s->limit);
}

static int describe_rest(const struct trace_step *s, char *text, size_t cap)
{
    switch (s->code) {
    case TRACE_FLAG_ARCHIVED:
        return snprintf(text, cap, "flag %s is archived: its default", s->name);
    case TRACE_RULE:
        return snprintf(text, cap, "rule %d, %s%s%s", s->number, s->name, s->other ? " " : "",
                        s->other ? s->other : "");
    case TRACE_CONDITION:
        return snprintf(text, cap, "its condition is %smet", s->ok ? "" : "not ");
    case TRACE_BROKEN:
        return snprintf(text, cap, "%s is left out: its definition can't be compiled",
                        s->name ? s->name : "the rule");
    case TRACE_OVERRIDE:
        return snprintf(text, cap, "an override of its %s forces variant %s", s->other, s->name);
    case TRACE_STATUS:
        return snprintf(text, cap, s->ok ? "it is open" : "it is not open: %s", s->name);
    case TRACE_TOKEN:
        return snprintf(text, cap, s->ok ? "its token keeps it in variant %s" : "a token is ignored: %s",
                        s->name);
    case TRACE_HOLDOUT_SKIPPED:
        return snprintf(text, cap, "holdout %s is not asked: %s", s->name, s->other);
    case TRACE_PREREQUISITE:
        return snprintf(text, cap, "prerequisite %s is %smet: %s", s->name, s->ok ? "" : "not ", s->other);
    case TRACE_PREREQUISITE_DEPTH:
        return snprintf(text, cap, "prerequisite %s is not looked at: too many in a row", s->name);
    case TRACE_TARGETING:
        return snprintf(text, cap, "the targeting of %s is %smet", s->name, s->ok ? "" : "not ");
    case TRACE_UNIT_MISSING:
        return snprintf(text, cap, "the context has no valid id of unit type %s", s->name);
    case TRACE_SUPPRESSED:
        return snprintf(text, cap, "the rule would serve, but holdout %s gives its members the default",
                        s->name);
    case TRACE_BLIND:
        return describe_blind(s, text, cap);
    default:
        return snprintf(text, cap, "%s", trace_code_name(s->code));
    }
}

size_t trace_describe(const struct trace_step *s, char *text, size_t cap)
{
    int n;
    switch (s->code) {
    case TRACE_ROLLOUT:
    case TRACE_HOLDOUT:
    case TRACE_LAYER:
    case TRACE_TRAFFIC:
    case TRACE_VARIANT:
    case TRACE_SHIPPED:
        n = describe_draw(s, text, cap);
        break;
    default:
        n = describe_rest(s, text, cap);
    }
    if (n < 0 || cap == 0)
        return 0;
    return (size_t)n < cap ? (size_t)n : cap - 1;
}
